/**
 * Disputes: a bank charges a payment back, and then wins or loses.
 *
 * @see https://docs.stripe.com/disputes
 * @module
 */

import { SandboxError } from '../../errors.ts'
import { type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import type { Charge, Dispute } from '../server/objects.ts'
import {
  change,
  emit,
  find,
  insert,
  newId,
  referring,
  type Store,
  seconds,
} from '../server/store.ts'
import { daysAfter } from '../subscriptions/periods.ts'

/** The options of a dispute in a test. */
export interface DisputeDetails {
  /** In minor units, at most the charged amount. Default: the whole amount. */
  amount?: number
  /** Default `fraudulent`. */
  reason?: Dispute['reason']
  /**
   * The first status. Default `needs_response`, which withdraws the money. `warning_needs_response` is an
   * inquiry and withdraws nothing; `prevented` was settled before it became a dispute.
   */
  status?: 'needs_response' | 'prevented' | 'warning_needs_response'
}

/** The end of a dispute or an inquiry. */
export type DisputeEnd = 'lost' | 'warning_closed' | 'won'

/** The number of days in which evidence can be submitted. */
const ANSWER_DAYS = 9

const isClosed = ({ status }: Dispute): boolean =>
  ['lost', 'prevented', 'warning_closed', 'won'].includes(status)

/**
 * Disputes a charge as its bank, or inquires about it. The charge is named by its own id or its intent's. A
 * charge may have several disputes, one after another or for parts of it.
 *
 * @throws `resource_missing`, and `invalid_state` for a charge that was not paid or is already disputed.
 */
export function openDispute(store: Store, id: string, details: DisputeDetails = {}): Dispute {
  const charge = chargeOf(store, id)
  const { reason = 'fraudulent', status = 'needs_response' } = details
  const taken = referring(store, 'disputes', 'charge', charge.id)
    .filter((dispute) => !['warning_closed', 'won'].includes(dispute.status))
    .reduce((sum, dispute) => sum + dispute.amount, 0)
  const left = charge.amount_captured - taken
  const { amount = charge.amount_captured } = details
  if (!charge.paid || amount < 1 || amount > left) {
    const state = taken > 0 ? 'disputed already' : `of ${charge.amount_captured}`
    throw new SandboxError(
      'invalid_state',
      409,
      `Charge ${charge.id} is ${state}, so ${amount} of it cannot be disputed.`,
    )
  }
  const dispute = insert(store, 'disputes', newDispute(store, charge, { amount, reason, status }))
  charge.disputed = true
  charge.dispute = dispute.id
  emit(store, 'charge.dispute.created', dispute)
  if (status === 'needs_response') emit(store, 'charge.dispute.funds_withdrawn', dispute)
  if (status === 'prevented') emit(store, 'charge.dispute.closed', dispute)
  return dispute
}

function newDispute(
  store: Store,
  charge: Charge,
  { amount, reason, status }: Required<DisputeDetails>,
): Dispute {
  const now = seconds(store)
  const isInquiry = status === 'warning_needs_response'
  return {
    id: newId('disputes'),
    object: 'dispute',
    created: now,
    livemode: false,
    amount,
    balance_transactions: [],
    charge: charge.id,
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: noEvidence(),
    evidence_details: {
      due_by: status === 'prevented' ? null : daysAfter(now, ANSWER_DAYS),
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
    },
    is_charge_refundable: isInquiry,
    metadata: {},
    payment_intent: charge.payment_intent,
    payment_method_details: {
      type: 'card',
      card: {
        brand: 'visa',
        case_type: isInquiry ? 'inquiry' : 'chargeback',
        network_reason_code: '10',
      },
    },
    reason,
    status,
  }
}

/** The members of the evidence, all empty. */
const noEvidence = (): object => ({
  ...Object.fromEntries(EVIDENCE.map((name) => [name, null])),
  enhanced_evidence: {},
})

const EVIDENCE = [
  'access_activity_log',
  'billing_address',
  'cancellation_policy',
  'cancellation_policy_disclosure',
  'cancellation_rebuttal',
  'customer_communication',
  'customer_email_address',
  'customer_name',
  'customer_purchase_ip',
  'customer_signature',
  'duplicate_charge_documentation',
  'duplicate_charge_explanation',
  'duplicate_charge_id',
  'product_description',
  'receipt',
  'refund_policy',
  'refund_policy_disclosure',
  'refund_refusal_explanation',
  'service_date',
  'service_documentation',
  'shipping_address',
  'shipping_carrier',
  'shipping_date',
  'shipping_documentation',
  'shipping_tracking_number',
  'uncategorized_file',
  'uncategorized_text',
]

function chargeOf(store: Store, id: string): Charge {
  if (!id.startsWith('pi_')) return find(store, 'charges', id)
  return find(store, 'charges', find(store, 'paymentIntents', id).latest_charge ?? '')
}

/**
 * The bank escalates an inquiry to a dispute: the money is withdrawn.
 *
 * @throws `resource_missing`, and `invalid_state` if it is not an open inquiry.
 */
export function escalateDispute(store: Store, id: string): Dispute {
  const dispute = find(store, 'disputes', id)
  if (!dispute.status.startsWith('warning_') || isClosed(dispute)) {
    throw new SandboxError(
      'invalid_state',
      409,
      `Dispute ${id} is ${dispute.status} and not an open inquiry.`,
    )
  }
  change(store, 'charge.dispute.updated', dispute, (current) => {
    current.status = 'needs_response'
    current.is_charge_refundable = false
  })
  emit(store, 'charge.dispute.funds_withdrawn', dispute)
  return dispute
}

/**
 * The bank closes a dispute. A won dispute returns the money; an inquiry is closed.
 *
 * @throws `resource_missing`, and `invalid_state` if it is already closed or cannot end this way.
 */
export function closeDispute(store: Store, id: string, status: DisputeEnd): Dispute {
  const dispute = find(store, 'disputes', id)
  const isInquiry = dispute.status.startsWith('warning_')
  if (isClosed(dispute) || isInquiry !== (status === 'warning_closed')) {
    const message = `Dispute ${id} is ${dispute.status}${isClosed(dispute) ? ' already' : ''} and cannot become ${status}.`
    throw new SandboxError('invalid_state', 409, message)
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
