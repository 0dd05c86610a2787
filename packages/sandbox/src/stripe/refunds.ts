/**
 * Refunds: money that goes back on a charge, at most what the charge took.
 *
 * @module
 */

import { type Call, type Endpoint, LIST_PARAMS, listTable } from './endpoint.ts'
import { invalid, missing } from './errors.ts'
import type { Refund } from './objects.ts'
import { change, emit, find, insert, newId, seconds } from './store.ts'

function refund({ store, params }: Call): Refund {
  const named = params.text('payment_intent')
  const intent = named ? find(store, 'paymentIntents', named, 'payment_intent') : undefined
  const chargeId = params.text('charge') ?? intent?.latest_charge
  if (!chargeId) throw missing(named ? 'charge' : 'payment_intent')
  const charge = find(store, 'charges', chargeId, 'charge')
  const left = charge.amount_captured - charge.amount_refunded
  const amount = params.integer('amount') ?? left
  const reasons = ['duplicate', 'fraudulent', 'requested_by_customer'] as const
  const reason = params.choice('reason', reasons) ?? null
  if (left === 0) throw invalid(`Charge ${charge.id} has already been refunded.`, 'charge')
  if (amount < 1 || amount > left) {
    throw invalid(
      `Refund amount (${amount}) is greater than unrefunded amount on charge (${left}).`,
      'amount',
    )
  }
  const made = insert(store, 'refunds', {
    id: newId('refunds'),
    object: 'refund',
    created: seconds(store),
    livemode: false,
    amount,
    charge: charge.id,
    currency: charge.currency,
    metadata: params.metadata(),
    payment_intent: charge.payment_intent,
    reason,
    status: 'succeeded',
  })
  emit(store, 'refund.created', made)
  change(store, 'charge.refunded', charge, (current) => {
    current.amount_refunded += amount
    current.refunded = current.amount_refunded === current.amount_captured
  })
  return made
}

export const refundEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/refunds',
    params: ['amount', 'charge', 'metadata', 'payment_intent', 'reason'],
    run: refund,
  },
  {
    method: 'GET',
    path: '/v1/refunds',
    params: [...LIST_PARAMS, 'charge', 'payment_intent'],
    run(call) {
      const charge = call.params.text('charge')
      const intent = call.params.text('payment_intent')
      return listTable(call, 'refunds', '/v1/refunds', undefined, {
        charge,
        payment_intent: intent,
      })
    },
  },
  { method: 'GET', path: '/v1/refunds/:id', run: ({ store, id }) => find(store, 'refunds', id) },
]
