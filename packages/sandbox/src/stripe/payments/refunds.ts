/**
 * Refunds of a charge, up to the charged amount. The payment method decides a refund's first status; a refund
 * that has to wait ends later.
 *
 * @see https://docs.stripe.com/refunds
 * @module
 */

import { SandboxError } from '../../errors.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import { invalid, missing, StripeApiError } from '../server/errors.ts'
import type { Charge, Dispute, Refund } from '../server/objects.ts'
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

/** The charge of a request, named by its own id or its intent's. */
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

/** Whether the bank has withdrawn a dispute's money. An inquiry withdraws none, and a won dispute returned it. */
const holdsMoney = ({ status }: Dispute): boolean =>
  status !== 'won' && !status.startsWith('warning_')

/** Refuses an amount that cannot be refunded. @throws `charge_already_refunded`, `charge_disputed` */
function checkRefundable(store: Store, charge: Charge, amount: number): void {
  if (!charge.paid) throw invalid(`Charge ${charge.id} was not paid.`, 'charge')
  if (referring(store, 'disputes', 'charge', charge.id).some(holdsMoney)) {
    throw invalid(`Charge ${charge.id} has been charged back.`, 'charge', 'charge_disputed')
  }
  const left = charge.amount_captured - charge.amount_refunded
  if (left === 0) {
    const message = `Charge ${charge.id} has already been refunded.`
    throw invalid(message, 'charge', 'charge_already_refunded')
  }
  if (amount >= 1 && amount <= left) {
    if (store.settings.refunds !== 'refused') return
    throw new StripeApiError(
      'balance_insufficient',
      400,
      'Insufficient funds in your Stripe balance to refund this amount.',
    )
  }
  throw invalid(
    `Refund amount (${amount}) is greater than unrefunded amount on charge (${left}).`,
    'amount',
  )
}

/** The first status of a refund of the charge. */
function beginningOf(
  store: Store,
  charge: Charge,
): Pick<Refund, 'destination_details' | 'next_action' | 'pending_reason' | 'status'> {
  const method = store.tables.paymentMethods.get(charge.payment_method ?? '')
  const type = method?.type ?? 'card'
  const { refunds } = store.settings
  const waits = refunds === 'pending' || type !== 'card' || method?.behaviour === 'refund_waits'
  const status = refunds === 'requires_action' ? refunds : waits ? 'pending' : 'succeeded'
  const card = {
    reference_status: 'pending' as const,
    reference_type: 'acquirer_reference_number' as const,
    type: 'refund' as const,
  }
  return {
    status,
    ...(type === 'card' ? { destination_details: { card, type } } : {}),
    ...(status === 'pending' ? { pending_reason: 'processing' as const } : {}),
    ...(status === 'requires_action' ? { next_action: nextAction(store, charge) } : {}),
  }
}

const nextAction = (store: Store, charge: Charge): object => ({
  type: 'display_details',
  display_details: {
    email_sent: {
      email_sent_at: seconds(store),
      email_sent_to: charge.billing_details.email ?? 'buyer@example.com',
    },
    expires_at: seconds(store) + 45 * 86_400,
  },
})

function refund(call: Call): Refund {
  const { store, params } = call
  const charge = chargeOf(call)
  const amount = params.integer('amount') ?? charge.amount_captured - charge.amount_refunded
  const reasons = ['duplicate', 'fraudulent', 'requested_by_customer'] as const
  const reason = params.choice('reason', reasons) ?? null
  return makeRefund(store, charge, { amount, reason, metadata: params.metadata() })
}

/** Refunds an amount of a charge. @throws `charge_already_refunded` and the other errors */
export function makeRefund(
  store: Store,
  charge: Charge,
  { amount, reason = null, metadata = {} }: Pick<Refund, 'amount'> & Partial<Refund>,
): Refund {
  checkRefundable(store, charge, amount)
  const made = insert(store, 'refunds', {
    id: newId('refunds'),
    object: 'refund',
    created: seconds(store),
    livemode: false,
    amount,
    balance_transaction: null,
    charge: charge.id,
    customer: charge.customer,
    currency: charge.currency,
    metadata,
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason,
    receipt_number: null,
    source_transfer_reversal: null,
    transfer_reversal: null,
    ...beginningOf(store, charge),
  })
  emit(store, 'refund.created', made)
  if (made.status === 'succeeded') tellReference(store, made)
  change(store, 'charge.refunded', charge, (current) => {
    current.amount_refunded += amount
    current.refunded = current.amount_refunded === current.amount_captured
  })
  return made
}

/** Adds the bank's reference of a card's refund. At Stripe it follows later; here it is added at once. */
function tellReference(store: Store, made: Refund): void {
  const card = made.destination_details?.card
  if (card === undefined) return
  change(store, 'refund.updated', made, (current) => {
    current.destination_details = {
      type: 'card',
      card: { ...card, reference_status: 'available' },
    }
  })
}

/** The end of a refund; `failed` has a reason. */
export type RefundOutcome = 'canceled' | 'failed' | 'succeeded'

/**
 * Ends a refund. A failed or canceled refund returns its amount to the charge, so it can be refunded again. A
 * card's refund can fail after it had succeeded.
 *
 * @throws `resource_missing`, and `invalid_state` if the refund has already ended.
 */
export function settleRefund(
  store: Store,
  id: string,
  outcome: RefundOutcome,
  reason = 'unknown',
): Refund {
  const made = find(store, 'refunds', id)
  const canFail = made.status === 'succeeded' && outcome === 'failed'
  if (!canFail && made.status !== 'pending' && made.status !== 'requires_action') {
    const message = `Refund ${id} is ${made.status} and cannot become ${outcome}.`
    throw new SandboxError('invalid_state', 409, message)
  }
  return come(store, made, outcome, reason)
}

function come(store: Store, made: Refund, outcome: RefundOutcome, reason: string): Refund {
  const apply = (current: Refund): void => {
    current.status = outcome
    delete current.pending_reason
    delete current.next_action
    if (outcome === 'succeeded') return
    current.failure_reason = outcome === 'canceled' ? 'merchant_request' : reason
  }
  if (outcome !== 'succeeded') {
    // The charge's events come first, so that they show the refundable amount when the failure's event
    // arrives.
    const charge = find(store, 'charges', made.charge)
    charge.amount_refunded -= made.amount
    charge.refunded = false
  }
  change(store, 'refund.updated', made, apply)
  emit(store, 'charge.refund.updated', made)
  if (outcome === 'failed') emit(store, 'refund.failed', made)
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
  {
    method: 'POST',
    path: '/v1/refunds/:id/cancel',
    run({ store, id }) {
      const made = find(store, 'refunds', id)
      if (made.status === 'requires_action') return come(store, made, 'canceled', '')
      throw invalid(`You cannot cancel a refund that is ${made.status}.`)
    },
  },
]
