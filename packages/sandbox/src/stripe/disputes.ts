/**
 * Disputes: a bank takes a payment back, and gives it up or keeps it.
 *
 * @see https://docs.stripe.com/disputes
 * @module
 */

import { SandboxError } from '../errors.ts'
import { type Endpoint, LIST_PARAMS, listTable } from './endpoint.ts'
import type { Charge, Dispute } from './objects.ts'
import { daysAfter } from './periods.ts'
import { change, emit, find, insert, newId, type Store, seconds } from './store.ts'

/** What a test says about a dispute. */
export interface DisputeDetails {
  /** Minor units, at most what the charge took. Default all of it. */
  amount?: number
  /** Default `fraudulent`. */
  reason?: Dispute['reason']
}

/** Days in which evidence may be given. */
const ANSWER_DAYS = 9

/**
 * A bank disputes a charge, named by its own id or its intent's: the money is withdrawn at once.
 *
 * @throws `resource_missing`, and `invalid_state` for what was not paid or is disputed already.
 */
export function openDispute(store: Store, id: string, details: DisputeDetails = {}): Dispute {
  const charge = chargeOf(store, id)
  const { amount = charge.amount_captured, reason = 'fraudulent' } = details
  if (!charge.paid || charge.disputed || amount < 1 || amount > charge.amount_captured) {
    const state = charge.disputed ? 'disputed already' : `of ${charge.amount_captured}`
    throw new SandboxError(
      'invalid_state',
      409,
      `Charge ${charge.id} is ${state}, so ${amount} of it cannot be disputed.`,
    )
  }
  const now = seconds(store)
  const dispute = insert(store, 'disputes', {
    id: newId('disputes'),
    object: 'dispute',
    created: now,
    livemode: false,
    amount,
    balance_transactions: [],
    charge: charge.id,
    currency: charge.currency,
    evidence: {},
    evidence_details: {
      due_by: daysAfter(now, ANSWER_DAYS),
      has_evidence: false,
      past_due: false,
      submission_count: 0,
    },
    is_charge_refundable: false,
    metadata: {},
    payment_intent: charge.payment_intent,
    payment_method_details: {
      type: 'card',
      card: { brand: 'visa', case_type: 'chargeback', network_reason_code: '10' },
    },
    reason,
    status: 'needs_response',
  })
  charge.disputed = true
  charge.dispute = dispute.id
  emit(store, 'charge.dispute.created', dispute)
  emit(store, 'charge.dispute.funds_withdrawn', dispute)
  return dispute
}

function chargeOf(store: Store, id: string): Charge {
  if (!id.startsWith('pi_')) return find(store, 'charges', id)
  return find(store, 'charges', find(store, 'paymentIntents', id).latest_charge ?? '')
}

/**
 * The bank decides. A dispute that is won gives the money back.
 *
 * @throws `resource_missing`, and `invalid_state` where it is decided already.
 */
export function closeDispute(store: Store, id: string, status: 'lost' | 'won'): Dispute {
  const dispute = find(store, 'disputes', id)
  if (dispute.status === 'lost' || dispute.status === 'won') {
    throw new SandboxError('invalid_state', 409, `Dispute ${id} is ${dispute.status} already.`)
  }
  dispute.status = status
  emit(store, 'charge.dispute.closed', dispute)
  if (status === 'won') emit(store, 'charge.dispute.funds_reinstated', dispute)
  return dispute
}

export const disputeEndpoints: Endpoint[] = [
  {
    method: 'GET',
    path: '/v1/disputes',
    params: [...LIST_PARAMS, 'charge', 'payment_intent'],
    run(call) {
      const charge = call.params.text('charge')
      const payment_intent = call.params.text('payment_intent')
      return listTable(call, 'disputes', '/v1/disputes', undefined, { charge, payment_intent })
    },
  },
  {
    method: 'GET',
    path: '/v1/disputes/:id',
    run: ({ store, id }) => find(store, 'disputes', id),
  },
  {
    method: 'POST',
    path: '/v1/disputes/:id',
    params: ['metadata'],
    run({ store, params, id }) {
      const dispute = find(store, 'disputes', id)
      const metadata = params.metadata(dispute.metadata)
      return change(store, 'charge.dispute.updated', dispute, (current) => {
        current.metadata = metadata
      })
    },
  },
]
