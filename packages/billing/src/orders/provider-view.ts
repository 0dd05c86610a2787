/**
 * Reads one order's present state from the provider. Nothing is written here.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { isBillingError } from '../errors.ts'
import { record } from '../providers/json.ts'
import type {
  LoadedObjects,
  ProviderCheckout,
  ProviderPayment,
  ProviderSubscription,
  Retrievals,
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
  /** Later succeeded payments of that subscription that have no order yet. */
  renewals: ProviderPayment[]
  /** False: `payment` was left out, because the events do not concern it. */
  isWhole: boolean
}

/** How `retrieveView` asks the provider. */
export interface ViewOptions {
  /** Ids of payments that an event named. */
  payments?: readonly string[]
  /** The objects that a sync has loaded for the events. They are not retrieved again. */
  loaded?: LoadedObjects
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
  { payments: hinted = [], givesUp = false, loaded }: ViewOptions = {},
): Promise<ProviderView> {
  const named = ctx.providerNamed(order.provider)
  const provider = (loaded && named.readingFrom?.(loaded)) ?? named
  const isOpen = order.status !== 'completed'
  const checkout =
    isOpen && order.checkoutId !== null
      ? ((await orMissing(provider.retrieveCheckout(order.checkoutId), givesUp)) ?? 'gone')
      : null
  const told = checkout === 'gone' ? null : checkout
  const paymentId = told?.paymentId ?? order.paymentId
  // The events of a renewal do not concern the payment that the plan began with.
  const isSettled = !isOpen && loaded !== undefined && !isNamed(paymentId, hinted, loaded)
  // The checkout is newer than the loaded objects: a payment that had failed may have succeeded since.
  const asked = isOpen && !isMade(paymentId, loaded) ? named : provider
  const payment =
    paymentId === null
      ? await ownOf(provider, order, hinted)
      : isSettled
        ? null
        : await orMissing(asked.retrievePayment(paymentId), givesUp)
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
    renewals: subscription
      ? await renewalsOf(ctx, provider, order, subscription, { first: paymentId, hinted })
      : [],
    isWhole: !isSettled,
  }
}

const isNamed = (
  paymentId: string | null,
  hinted: readonly string[],
  { intents }: LoadedObjects,
): boolean => [...hinted, ...intents.map((each) => record(each)?.id)].some((id) => id === paymentId)

/** Whether the loaded payment has succeeded. */
const isMade = (paymentId: string | null, loaded: LoadedObjects | undefined): boolean =>
  loaded?.intents.map(record).find((each) => each?.id === paymentId)?.status === 'succeeded'

/**
 * The payment of an order whose creation was interrupted before its checkout was written: the payment that
 * names the order.
 */
async function ownOf(
  provider: Retrievals,
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

/** Later payments of the subscription that have no order yet. */
async function renewalsOf(
  ctx: BillingContext,
  provider: Retrievals,
  order: Order,
  { id, latestPaymentId, otherPaymentIds = [] }: ProviderSubscription,
  { first, hinted }: { first: string | null; hinted: readonly string[] },
): Promise<ProviderPayment[]> {
  const renewals: ProviderPayment[] = []
  const latest = [...(latestPaymentId ? [latestPaymentId] : []), ...otherPaymentIds]
  const named = [...new Set([...latest, ...hinted])].filter((each) => each !== first)
  const written = await paymentsWithOrder(ctx, order.provider, named)
  for (const paymentId of named) {
    if (written.has(paymentId)) continue
    const payment = await orMissing(provider.retrievePayment(paymentId))
    const isIts = latest.includes(paymentId) || payment?.subscriptionId === id
    if (payment?.status === 'succeeded' && isIts) renewals.push(payment)
  }
  return renewals
}

async function paymentsWithOrder(
  { db }: BillingContext,
  provider: string,
  payments: string[],
): Promise<Set<string | null>> {
  if (payments.length === 0) return new Set()
  const where = { provider, paymentId: { in: payments } }
  const orders = await db.order.findMany({ where, select: { paymentId: true } })
  return new Set(orders.map(({ paymentId }) => paymentId))
}

const MISSING = ['checkout_not_found', 'payment_not_found', 'subscription_not_found'] as const

async function orMissing<T>(answer: Promise<T>, givesUp = false): Promise<T | null> {
  return answer.catch((error: unknown) => {
    if (givesUp && isBillingError(error, 'not_known_here')) return null
    if (MISSING.some((code) => isBillingError(error, code))) return null
    throw error
  })
}
