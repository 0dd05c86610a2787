/**
 * One open purchase of a plan for each customer, over checkouts and orders, tabs, plans and providers. The
 * database holds the one place. A purchase that is begun while another is open closes that page first, and does
 * not begin where the other was paid. A page is handed out only by the purchase that has the place.
 *
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { CheckoutSession, Customer } from '@repo/db'
import type Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { isLinked } from '../customers/customers.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { idOf } from '../providers/stripe/shapes.ts'
import { syncLinked } from '../sync/sync.ts'
import { cancelOrder } from './cancel.ts'

/** How long another call may take to make its page before its purchase is taken over. */
const BEGINNING_MS = 3000
const POLL_MS = 100
/** A page that its provider cannot close is given up after this. */
const UNCLOSABLE_MS = 30 * 60_000

/** What is bought: a checkout by its terms, or an order. */
export type Wanted = { terms: string; orderId: null } | { terms: string; orderId: string }

/**
 * Takes the customer's place for a purchase. Null: another purchase had it and has given way, so the caller has to
 * look again whether the customer may buy.
 *
 * @throws `order_processing` where the other purchase's payment is under way, or its page cannot be closed yet.
 */
export async function takePlace(
  ctx: BillingContext,
  customer: Pick<Customer, 'id'>,
  wanted: Wanted,
): Promise<{ purchase: CheckoutSession; isNew: boolean } | null> {
  const { id: customerId } = customer
  const { db } = ctx
  const [made] = await db.checkoutSession.createManyAndReturn({
    data: [{ customerId, ...wanted }],
    skipDuplicates: true,
  })
  if (made) return { purchase: made, isNew: true }
  const open = await db.checkoutSession.findFirst({ where: { customerId, status: 'open' } })
  // The order's own place was closed, with the order.
  if (!open) {
    const { orderId } = wanted
    if (orderId !== null)
      await db.checkoutSession.deleteMany({ where: { orderId, status: 'closed' } })
    return null
  }
  const isSame =
    wanted.orderId === null
      ? open.terms === wanted.terms && open.orderId === null
      : open.orderId === wanted.orderId
  if (isSame) return { purchase: open, isNew: false }
  await giveWay(ctx, open)
  return null
}

/** The provider's page of a purchase, once the call that makes it has written it down; null where it does not. */
export async function awaitPage(
  { db }: Pick<BillingContext, 'db'>,
  { id }: Pick<CheckoutSession, 'id'>,
): Promise<CheckoutSession | null> {
  for (let waited = 0; ; waited += POLL_MS) {
    const row = await db.checkoutSession.findUnique({ where: { id } })
    if (row?.status !== 'open') return null
    const order = row.orderId && (await db.order.findUnique({ where: { id: row.orderId } }))
    if (row.stripeSessionId !== null || (order && order.checkoutId !== null)) return row
    if (order && order.status !== 'pending') return row
    if (waited >= BEGINNING_MS) return row
    await wait(POLL_MS)
  }
}

export async function closePlace(
  { db }: Pick<BillingContext, 'db'>,
  { id, stripeSessionId }: Pick<CheckoutSession, 'id' | 'stripeSessionId'>,
): Promise<void> {
  // Another call may have made its page in this moment; then it is looked at again.
  const where = { id, status: 'open', stripeSessionId }
  await db.checkoutSession.updateMany({ where, data: { status: 'closed' } })
}

/** Closes another purchase. What was paid by then is written before anybody looks again. */
async function giveWay(ctx: BillingContext, open: CheckoutSession): Promise<void> {
  const begun = await awaitPage(ctx, open)
  if (begun === null) return
  if (begun.orderId !== null) await endOrder(ctx, begun.orderId)
  else if (begun.stripeSessionId !== null) await endSession(ctx, begun.stripeSessionId)
  await closePlace(ctx, begun)
}

/** Expires a page. Where it was quicker and is complete, its customer is synced. */
export async function endSession(ctx: BillingContext, id: string): Promise<void> {
  const { stripe } = ctx
  await ask('checkout.session', stripe.checkout.sessions.expire(id)).catch((error: unknown) => {
    if (!isBillingError(error, 'provider_rejected')) throw error
  })
  const session = await retrieveSession(ctx, id)
  if (session?.status === 'complete') await seeCompleted(ctx, session)
}

/** The session as it is; null where Stripe has none. */
export const retrieveSession = (
  { stripe }: Pick<BillingContext, 'stripe'>,
  id: string,
): Promise<Stripe.Checkout.Session | null> =>
  ask('checkout.session', stripe.checkout.sessions.retrieve(id)).catch((error: unknown) => {
    if (isMissing(error)) return null
    throw error
  })

/** A checkout that was paid a moment ago may not have reached our rows yet. */
export async function seeCompleted(
  ctx: BillingContext,
  { customer: of, subscription }: Stripe.Checkout.Session,
): Promise<void> {
  const stripeCustomerId = idOf(of)
  if (stripeCustomerId === null) return
  const customer = await ctx.db.customer.findUnique({ where: { stripeCustomerId } })
  if (!isLinked(customer)) return
  await syncLinked(ctx, customer, { also: async () => [idOf(subscription) ?? []].flat() })
}

async function endOrder(ctx: BillingContext, orderId: string): Promise<void> {
  const before = await ctx.db.order.findUniqueOrThrow({ where: { id: orderId } })
  if (before.status !== 'pending' || before.needsAttention !== null) return
  // Without a checkout nobody was given a page.
  const isUnbegun = before.checkoutId === null && before.paymentId === null
  const { status, checkoutId } = await cancelUnlessElsewhere(ctx, orderId, isUnbegun)
  const { provider, createdAt } = before
  // Its page was made in this moment, and its caller may have been given it before the order was cancelled.
  if (status === 'cancelled' && isUnbegun && checkoutId !== null) {
    await ctx.providerNamed(provider).expireCheckout(checkoutId)
  }
  if (status !== 'pending') return
  const page = checkoutId && (await ctx.providerNamed(provider).retrieveCheckout(checkoutId))
  const left = createdAt.getTime() + UNCLOSABLE_MS - Date.now()
  if (page && page.status === 'open' && left <= 0) {
    await cancelOrder(ctx, orderId, { givesUp: true })
    return
  }
  const isOpen = page && page.status === 'open'
  const seconds = Math.max(1, Math.ceil(left / 1000))
  const why = isOpen
    ? `is open at ${provider}, which cannot close it: pay it, or try again in ${Math.ceil(seconds / 60)} minutes`
    : 'has a payment that is under way'
  throw new BillingError('order_processing', `Order ${orderId} of another plan ${why}.`, {
    headers: { 'retry-after': `${isOpen ? seconds : 60}` },
  })
}

const cancelUnlessElsewhere = (ctx: BillingContext, orderId: string, givesUp: boolean) =>
  cancelOrder(ctx, orderId, { givesUp }).catch((error: unknown) => {
    // Its page is another process's, or is gone with it. Paid there all the same, the order is completed.
    if (isBillingError(error, 'not_known_here')) return cancelOrder(ctx, orderId, { givesUp: true })
    throw error
  })
