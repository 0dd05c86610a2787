/**
 * Invoices and their payments through the API: list, retrieve, pay.
 *
 * @module
 */

import { type Call, type Endpoint, LIST_PARAMS, listTable, page } from './endpoint.ts'
import { invalid, noSuch } from './errors.ts'
import { defaultCard, payInvoice } from './invoices.ts'
import type { Invoice, PaymentMethod } from './objects.ts'
import { resolveCard } from './payment-methods.ts'
import { invoicePayments, type Shown } from './shapes.ts'
import { find, newestFirst, referring, type Store } from './store.ts'

function pay({ store, params, id }: Call): Invoice {
  const invoice = find(store, 'invoices', id)
  if (invoice.paid) throw invalid('Invoice is already paid')
  if (invoice.status !== 'open')
    throw invalid(`You cannot pay an invoice that is ${invoice.status}.`)
  const named = params.text('payment_method')
  const card = named ? resolveCard(store, named, 'payment_method') : cardFor(store, invoice)
  const refused = payInvoice(store, invoice, card)
  if (refused !== null) throw refused
  return invoice
}

function cardFor(store: Store, invoice: Invoice): PaymentMethod | null {
  const subscription = store.tables.subscriptions.get(invoice.subscription ?? '')
  return defaultCard(store, invoice.customer, subscription)
}

function listPayments(call: Call): object {
  const wanted = call.params.text('invoice')
  const intent = call.params.object('payment')?.text('payment_intent')
  const invoices = intent
    ? referring(call.store, 'invoices', 'payment_intent', intent)
    : wanted
      ? [call.store.tables.invoices.get(wanted)].filter((invoice) => invoice !== undefined)
      : newestFirst(call.store, 'invoices')
  const payments = invoices
    .filter((invoice) => !wanted || invoice.id === wanted)
    .flatMap(invoicePayments) as (Shown & { id: string })[]
  return page(call, payments, '/v1/invoice_payments')
}

export const invoiceEndpoints: Endpoint[] = [
  {
    method: 'GET',
    path: '/v1/invoices',
    params: [...LIST_PARAMS, 'customer', 'status', 'subscription'],
    run(call) {
      const customer = call.params.text('customer')
      const status = call.params.text('status')
      const subscription = call.params.text('subscription')
      // The subscription comes first: it is the narrower of the two indexes.
      return listTable(call, 'invoices', '/v1/invoices', undefined, {
        subscription,
        customer,
        status,
      })
    },
  },
  { method: 'GET', path: '/v1/invoices/:id', run: ({ store, id }) => find(store, 'invoices', id) },
  {
    method: 'GET',
    path: '/v1/invoices/:id/lines',
    params: LIST_PARAMS,
    run(call) {
      const { lines } = find(call.store, 'invoices', call.id)
      return page(call, lines.data, lines.url)
    },
  },
  {
    method: 'POST',
    path: '/v1/invoices/:id/pay',
    params: ['payment_method'],
    ignored: ['off_session'],
    run: pay,
  },
  {
    method: 'GET',
    path: '/v1/invoice_payments',
    params: [...LIST_PARAMS, 'invoice', 'payment'],
    ignored: ['status'],
    run: listPayments,
  },
  {
    method: 'GET',
    path: '/v1/invoice_payments/:id',
    run({ store, id }) {
      const intent = id.replace(/^inpay_/, 'pi_')
      const payments = referring(store, 'invoices', 'payment_intent', intent).flatMap(
        invoicePayments,
      )
      const found = payments.find((payment) => payment.id === id)
      if (found === undefined) throw noSuch('invoice_payment', id)
      return found
    },
  },
]
