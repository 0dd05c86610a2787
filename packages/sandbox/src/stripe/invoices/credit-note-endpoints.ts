/**
 * The API of credit notes: create, preview, read, annotate, void, list.
 *
 * @module
 */

import { type Endpoint, LIST_PARAMS, listTable, page } from '../server/endpoint.ts'
import { change, find } from '../server/store.ts'
import { createCreditNote, planCreditNote, voidCreditNote } from './credit-notes.ts'

const PARAMS = [
  'amount',
  'credit_amount',
  'invoice',
  'lines',
  'memo',
  'metadata',
  'out_of_band_amount',
  'reason',
  'refund',
  'refund_amount',
  'refunds',
  'shipping_cost',
]
const IGNORED = ['effective_at', 'email_type']

export const creditNoteEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/credit_notes',
    params: PARAMS,
    ignored: IGNORED,
    run: createCreditNote,
  },
  {
    method: 'GET',
    path: '/v1/credit_notes',
    params: [...LIST_PARAMS, 'customer', 'invoice'],
    run(call) {
      const invoice = call.params.text('invoice')
      const customer = call.params.text('customer')
      return listTable(call, 'creditNotes', '/v1/credit_notes', undefined, { invoice, customer })
    },
  },
  {
    method: 'GET',
    path: '/v1/credit_notes/preview',
    params: PARAMS,
    ignored: IGNORED,
    run: (call) => planCreditNote(call).note,
  },
  {
    method: 'GET',
    path: '/v1/credit_notes/:id',
    run: ({ store, id }) => find(store, 'creditNotes', id),
  },
  {
    method: 'GET',
    path: '/v1/credit_notes/:id/lines',
    params: LIST_PARAMS,
    run(call) {
      const { lines } = find(call.store, 'creditNotes', call.id)
      return page(call, lines.data, lines.url)
    },
  },
  {
    method: 'POST',
    path: '/v1/credit_notes/:id',
    params: ['memo', 'metadata'],
    run({ store, params, id }) {
      const note = find(store, 'creditNotes', id)
      const metadata = params.metadata(note.metadata)
      return change(store, 'credit_note.updated', note, (current) => {
        current.metadata = metadata
        if (params.has('memo')) current.memo = params.text('memo') ?? null
      })
    },
  },
  {
    method: 'POST',
    path: '/v1/credit_notes/:id/void',
    run: ({ store, id }) => voidCreditNote(store, id),
  },
]
