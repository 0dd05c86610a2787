/**
 * Promise: a customer has one open purchase of a plan, over checkouts, orders, tabs, plans and providers. A
 * unique index enforces that: a purchase holds its customer's place. A new purchase first closes the page of
 * the open purchase, and does not begin if that page was paid. Only the purchase that holds the place hands
 * out its page.
 *
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { CheckoutSession, Customer } from '@repo/db'
import type Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import { isLinked } from '../customers/customers.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { idOf } from '../providers/json.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { syncLinked } from '../sync/sync.ts'
import { cancelOrder } from './cancel.ts'

/** How long a call waits for another call to create its page before it takes over the purchase. */
const BEGINNING_MS = 3000
const POLL_MS = 100
/** How long a page that its provider cannot close keeps the place. */
const UNCLOSABLE_MS = 30 * 60_000

/** The wanted purchase: a checkout, recognized by its terms, or an order. */
export type Wanted = { terms: string; orderId: null } | { terms: string; orderId: string }

/**
 * Takes the customer's place for a purchase. Null: another purchase held the place and was closed, so the
 * caller has to check again whether the customer may buy.
 *
 * @throws `order_processing` where the payment of the other purchase is under way, or its page cannot be
 * closed yet.
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
  // The order's own purchase was closed together with the order.
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

/**
 * Waits until the call that creates a purchase's page has written it, 3 seconds at the most, and returns the
 * purchase. Null: the purchase is no longer open.
 */
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

/** Closes a purchase, unless another call has written its page meanwhile. */
export async function closePlace(
  { db }: Pick<BillingContext, 'db'>,
  { id, stripeSessionId }: Pick<CheckoutSession, 'id' | 'stripeSessionId'>,
): Promise<void> {
  // Another call may have written its page in this moment; then the caller looks at the purchase
  // again.
  const where = { id, status: 'open', stripeSessionId }
  await db.checkoutSession.updateMany({ where, data: { status: 'closed' } })
}

/** Closes another purchase. If that purchase was paid, its payment is written before the caller checks again. */
async function giveWay(ctx: BillingContext, open: CheckoutSession): Promise<void> {
  const begun = await awaitPage(ctx, open)
  if (begun === null) return
  if (begun.orderId !== null) await endOrder(ctx, begun.orderId)
  else if (begun.stripeSessionId !== null) await endSession(ctx, begun.stripeSessionId)
  await closePlace(ctx, begun)
}

/** Expires a Checkout Session. If the buyer was quicker and the session is complete, its customer is synced. */
export async function endSession(ctx: BillingContext, id: string): Promise<void> {
  const { stripe } = ctx
  await ask('checkout.session', stripe.checkout.sessions.expire(id)).catch((error: unknown) => {
    if (!isBillingError(error, 'provider_rejected')) throw error
  })
  const session = await retrieveSession(ctx, id)
  if (session?.status === 'complete') await seeCompleted(ctx, session)
}

/** The Checkout Session at Stripe. Null: Stripe does not have it. */
export const retrieveSession = (
  { stripe }: Pick<BillingContext, 'stripe'>,
  id: string,
): Promise<Stripe.Checkout.Session | null> =>
  ask('checkout.session', stripe.checkout.sessions.retrieve(id)).catch((error: unknown) => {
    if (isMissing(error)) return null
    throw error
  })

/** Syncs the customer of a complete session, because its payment may not be in our rows yet. */
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
  // If there is no checkout, no caller has received a page.
  const isUnbegun = before.checkoutId === null && before.paymentId === null
  const { status, checkoutId } = await cancelUnlessElsewhere(ctx, orderId, isUnbegun)
  const { provider, createdAt } = before
  // The page was created in this moment, and its caller may have received it before the order was
  // cancelled.
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
    // A local provider in another process has the page, or that process has ended. If the buyer
    // pays there nevertheless, the order is completed.
    if (isBillingError(error, 'not_known_here')) return cancelOrder(ctx, orderId, { givesUp: true })
    throw error
  })
