/**
 * Reads one order's present state from the provider. Nothing is written here.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isBillingError } from '../errors.ts'
import type {
  PaymentProvider,
  ProviderCheckout,
  ProviderPayment,
  ProviderSubscription,
} from '../providers/provider.ts'
import type { Order } from '../rows.ts'

/** The provider's present state of an order. */
export interface ProviderView {
  /**
   * Null: the order has no checkout, or is completed and needs none. `gone`: the provider no longer has the
   * checkout.
   */
  checkout: ProviderCheckout | 'gone' | null
  payment: ProviderPayment | null
  /** Only for a plan's first order. */
  subscription: ProviderSubscription | null
  /** Later succeeded payments of that subscription. */
  renewals: ProviderPayment[]
}

/** How `retrieveView` asks the provider. */
export interface ViewOptions {
  /** Ids of payments that an event named. */
  payments?: readonly string[]
  /** Treats objects that only another process knows as gone. Default false. */
  givesUp?: boolean
}

/**
 * Retrieves the order's checkout, payment and subscription. @throws `provider_unavailable`,
 * `provider_rejected`, `not_known_here`.
 */
export async function retrieveView(
  ctx: BillingContext,
  order: Order,
  { payments: hinted = [], givesUp = false }: ViewOptions = {},
): Promise<ProviderView> {
  const provider = ctx.providerNamed(order.provider)
  const isOpen = order.status !== 'completed'
  const checkout =
    isOpen && order.checkoutId !== null
      ? ((await orMissing(provider.retrieveCheckout(order.checkoutId), givesUp)) ?? 'gone')
      : null
  const told = checkout === 'gone' ? null : checkout
  const paymentId = told?.paymentId ?? order.paymentId
  const payment = paymentId
    ? await orMissing(provider.retrievePayment(paymentId), givesUp)
    : await ownOf(provider, order, hinted)
  // A renewal is an order of its own without a checkout. The first order looks for all renewals.
  const isFirst = order.plan !== null && order.checkoutId !== null
  const subscriptionId = isFirst ? (told?.subscriptionId ?? order.subscriptionId) : null
  const subscription = subscriptionId
    ? await orMissing(provider.retrieveSubscription(subscriptionId), givesUp)
    : null
  return {
    checkout,
    payment,
    subscription,
    renewals: subscription ? await renewalsOf(provider, subscription, paymentId, hinted) : [],
  }
}

/**
 * The payment of an order whose creation was interrupted before its checkout was written: the payment that
 * names the order.
 */
async function ownOf(
  provider: PaymentProvider,
  { id, checkoutId }: Order,
  hinted: readonly string[],
): Promise<ProviderPayment | null> {
  if (checkoutId !== null) return null
  for (const paymentId of hinted) {
    const payment = await orMissing(provider.retrievePayment(paymentId))
    if (payment?.orderId === id) return payment
  }
  return null
}

async function renewalsOf(
  provider: PaymentProvider,
  { id, latestPaymentId, otherPaymentIds = [] }: ProviderSubscription,
  first: string | null,
  hinted: readonly string[],
): Promise<ProviderPayment[]> {
  const renewals: ProviderPayment[] = []
  const latest = [...(latestPaymentId ? [latestPaymentId] : []), ...otherPaymentIds]
  for (const paymentId of new Set([...latest, ...hinted])) {
    if (paymentId === first) continue
    const payment = await orMissing(provider.retrievePayment(paymentId))
    const isIts = latest.includes(paymentId) || payment?.subscriptionId === id
    if (payment?.status === 'succeeded' && isIts) renewals.push(payment)
  }
  return renewals
}

const MISSING = ['checkout_not_found', 'payment_not_found', 'subscription_not_found'] as const

async function orMissing<T>(answer: Promise<T>, givesUp = false): Promise<T | null> {
  return answer.catch((error: unknown) => {
    if (givesUp && isBillingError(error, 'not_known_here')) return null
    if (MISSING.some((code) => isBillingError(error, code))) return null
    throw error
  })
}
