/**
 * What is to become of an order by what the provider says of it. A pure function: the one place that
 * decides whether an order is paid. Promise 4.
 *
 * @module
 */

import { isActive } from '../catalog/status.ts'
import type { ProviderCheckout } from '../providers/provider.ts'
import type { Order } from '../rows.ts'
import type { Seen } from './look.ts'

export type OrderStatus = 'pending' | 'completed' | 'cancelled'

/** Why a person has to look at an order. */
export type OrderProblem =
  /** What was paid is not what was asked for: nothing was given for it. */
  | 'amount_mismatch'
  | 'currency_mismatch'
  /** The provider's object names another order. */
  | 'order_mismatch'
  /** The host's handler of an effect throws; it is tried again. */
  | 'effect_failed'
  /** After a week there is still no word about the payment. */
  | 'stuck'

export interface Verdict {
  status: OrderStatus
  needsAttention: OrderProblem | null
}

/** `givesUp`: it is cancelled unless a payment is made or under way. */
export function verdictOf(
  order: Pick<Order, 'id' | 'status' | 'plan' | 'amount' | 'currency' | 'needsAttention'>,
  { checkout, payment, subscription }: Seen,
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
    // A coupon or a tax at the checkout: the price is the order's, and what was due of it was paid.
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
  // A trial, for instance: the plan runs and nothing was due.
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

/** Whether a page sold the order at its price and nothing of that was due: a coupon took all of it off. */
export const isGiven = (
  { amount }: Pick<Order, 'amount'>,
  { price, due }: Pick<ProviderCheckout, 'price' | 'due'>,
): boolean => price === amount && due === 0
