/**
 * Decides an order's status from the provider's answer. This pure function is the only place that decides
 * whether an order is paid. Promise 4.
 *
 * @module
 */

import { isActive } from '../catalog/status.ts'
import type { ProviderCheckout } from '../providers/provider.ts'
import type { Order } from '../rows.ts'
import type { ProviderView } from './provider-view.ts'

/** The status of an order, as stored. */
export type OrderStatus = 'pending' | 'completed' | 'cancelled'

/** Why a person has to look at an order. */
export type OrderProblem =
  /** The paid amount is not the order's amount, so nothing was granted. */
  | 'amount_mismatch'
  /** The payment's currency is not the order's, so nothing was granted. */
  | 'currency_mismatch'
  /** The provider's object names another order. */
  | 'order_mismatch'
  /** A handler of the host threw. It is tried again. */
  | 'effect_failed'
  /** After a week the result of the payment is still unknown. */
  | 'stuck'

/** What becomes of an order. */
export interface Verdict {
  status: OrderStatus
  needsAttention: OrderProblem | null
}

/** Decides status and flag of an order. `givesUp`: the order is cancelled unless a payment is made or under way. */
export function verdictOf(
  order: Pick<Order, 'id' | 'status' | 'plan' | 'amount' | 'currency' | 'needsAttention'>,
  { checkout, payment, subscription }: Omit<ProviderView, 'isWhole'>,
  givesUp: boolean,
): Verdict {
  const status = order.status as OrderStatus
  const kept = order.needsAttention as OrderProblem | null
  if (status === 'completed') return { status, needsAttention: null }
  const told = checkout === 'gone' ? null : checkout
  const isOthers = (of: string | null | undefined) => of != null && of !== order.id
  if (isOthers(told?.orderId) || isOthers(payment?.orderId)) {
    return { status, needsAttention: 'order_mismatch' }
  }
  if (payment?.status === 'succeeded') {
    // With a coupon or tax at the checkout, the price equals the order's amount and the amount due
    // was paid.
    const isDue = told?.price === order.amount && told.due === payment.amountPaid
    const isRight = payment.amount === order.amount || isDue
    if (isRight && payment.currency === order.currency)
      return { status: 'completed', needsAttention: null }
    if (payment.amountRefunded >= payment.amountPaid)
      return { status: 'cancelled', needsAttention: null }
    const needsAttention =
      payment.currency === order.currency ? 'amount_mismatch' : 'currency_mismatch'
    return { status, needsAttention }
  }
  // Nothing was due and the plan runs, as in a trial.
  const isFree = told?.status === 'complete' && payment === null
  const runs = order.plan !== null && subscription !== null && isActive(subscription)
  if (isFree && (runs || (order.plan === null && isGiven(order, told)))) {
    return { status: 'completed', needsAttention: null }
  }
  const isOver =
    checkout === 'gone' ||
    told?.status === 'expired' ||
    payment?.status === 'canceled' ||
    (told?.status === 'complete' && payment?.status === 'failed') ||
    (givesUp && told?.status !== 'complete')
  if (isOver) return { status: 'cancelled', needsAttention: null }
  return { status, needsAttention: givesUp ? 'stuck' : kept }
}

/** Whether the checkout sold the order at its price with nothing due, because a coupon covered it all. */
export const isGiven = (
  { amount }: Pick<Order, 'amount'>,
  { price, due }: Pick<ProviderCheckout, 'price' | 'due'>,
): boolean => price === amount && due === 0
