/**
 * Refunds: money that goes back on a charge, at most what the charge took.
 *
 * @module
 */

import { type Call, type Endpoint, LIST_PARAMS, listTable } from './endpoint.ts'
import { invalid, missing } from './errors.ts'
import type { Charge, Refund } from './objects.ts'
import { change, emit, find, insert, newId, type Store, seconds } from './store.ts'

/** The charge a request names, by itself or by its intent. */
function chargeOf({ store, params }: Call): Charge {
  const named = params.text('charge')
  const intentId = params.text('payment_intent')
  if (named && intentId) {
    throw invalid('You may only specify one of these parameters: charge, payment_intent.', 'charge')
  }
  if (named) return find(store, 'charges', named, 'charge')
  if (!intentId) throw missing('payment_intent')
  const intent = find(store, 'paymentIntents', intentId, 'payment_intent')
  if (intent.status === 'succeeded' && intent.latest_charge !== null) {
    return find(store, 'charges', intent.latest_charge)
  }
  throw invalid(
    `This PaymentIntent (${intent.id}) does not have a successful charge to refund.`,
    'payment_intent',
  )
}

/** Refuses what cannot go back. @throws `charge_already_refunded`, `charge_disputed` */
function checkRefundable(store: Store, charge: Charge, amount: number): void {
  if (!charge.paid) throw invalid(`Charge ${charge.id} was not paid.`, 'charge')
  // The bank has taken the money already, unless it gave the dispute up.
  const dispute = store.tables.disputes.get(charge.dispute ?? '')
  if (dispute !== undefined && dispute.status !== 'won') {
    throw invalid(`Charge ${charge.id} has been charged back.`, 'charge', 'charge_disputed')
  }
  const left = charge.amount_captured - charge.amount_refunded
  if (left === 0) {
    const message = `Charge ${charge.id} has already been refunded.`
    throw invalid(message, 'charge', 'charge_already_refunded')
  }
  if (amount >= 1 && amount <= left) return
  throw invalid(
    `Refund amount (${amount}) is greater than unrefunded amount on charge (${left}).`,
    'amount',
  )
}

function refund(call: Call): Refund {
  const { store, params } = call
  const charge = chargeOf(call)
  const amount = params.integer('amount') ?? charge.amount_captured - charge.amount_refunded
  const reasons = ['duplicate', 'fraudulent', 'requested_by_customer'] as const
  const reason = params.choice('reason', reasons) ?? null
  const metadata = params.metadata()
  checkRefundable(store, charge, amount)
  const made = insert(store, 'refunds', {
    id: newId('refunds'),
    object: 'refund',
    created: seconds(store),
    livemode: false,
    amount,
    balance_transaction: null,
    charge: charge.id,
    currency: charge.currency,
    destination_details: {
      card: {
        reference_status: 'pending',
        reference_type: 'acquirer_reference_number',
        type: 'refund',
      },
      type: 'card',
    },
    metadata,
    payment_intent: charge.payment_intent,
    reason,
    receipt_number: null,
    status: 'succeeded',
  })
  emit(store, 'refund.created', made)
  // The bank's reference follows; here it is there at once.
  change(store, 'refund.updated', made, (current) => {
    const card = { ...current.destination_details.card, reference_status: 'available' as const }
    current.destination_details = { ...current.destination_details, card }
  })
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
      const payment_intent = call.params.text('payment_intent')
      return listTable(call, 'refunds', '/v1/refunds', undefined, { charge, payment_intent })
    },
  },
  { method: 'GET', path: '/v1/refunds/:id', run: ({ store, id }) => find(store, 'refunds', id) },
  {
    method: 'POST',
    path: '/v1/refunds/:id',
    params: ['metadata'],
    run({ store, params, id }) {
      const made = find(store, 'refunds', id)
      const metadata = params.metadata(made.metadata)
      return change(store, 'refund.updated', made, (current) => {
        current.metadata = metadata
      })
    },
  },
]
