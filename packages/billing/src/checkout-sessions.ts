/**
 * Open checkouts of plans: one per customer and terms, however often and from however many tabs it
 * is asked for.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { CheckoutSession } from '@repo/db'
import type Stripe from 'stripe'
import type { BillingContext } from './context.ts'
import { isLinked, type LinkedCustomer } from './customers.ts'
import { BillingError } from './errors.ts'
import {
  awaitPage,
  closePlace,
  endSession,
  retrieveSession,
  seeCompleted,
  takePlace,
} from './purchases.ts'
import { ask, isMissing } from './stripe.ts'
import { CURRENT } from './subscriptions.ts'
import { syncLinked } from './sync.ts'

export interface Checkout {
  id: string
  /** Where to send the browser. */
  url: string
}

/** @throws `provider_unavailable` where Stripe gave the session no address. */
export function checkoutOf({ id, url }: Stripe.Checkout.Session): Checkout {
  if (url) return { id, url }
  throw new BillingError('provider_unavailable', 'Stripe gave the checkout no address.')
}

/** How often a purchase that had to give way begins anew. */
const ROUNDS = 8

/**
 * The open checkout of these terms, or a new one. Another open purchase of the customer is closed first.
 *
 * @throws `already_subscribed`; `order_processing` where another purchase is under way and cannot be closed.
 */
export async function openPlanCheckout(
  ctx: BillingContext,
  customer: LinkedCustomer,
  params: Stripe.Checkout.SessionCreateParams,
): Promise<Checkout> {
  const terms = createHash('sha256').update(JSON.stringify(params)).digest('hex')
  for (let round = 0; round < ROUNDS; round += 1) {
    const place = await takePlace(ctx, customer, { terms, orderId: null })
    const session = place && (await sessionOf(ctx, customer, params, place))
    if (session) return checkoutOf(session)
    // What had the place may have been paid.
    await requireNoSubscription(ctx, customer.ownerId)
  }
  throw new BillingError(
    'order_processing',
    `${customer.ownerId} begins purchases of plans faster than they can be closed.`,
  )
}

/** The page of the purchase that has the place; null where it has lost the place, or can be used no more. */
async function sessionOf(
  ctx: BillingContext,
  customer: LinkedCustomer,
  params: Stripe.Checkout.SessionCreateParams,
  { purchase, isNew }: { purchase: CheckoutSession; isNew: boolean },
): Promise<Stripe.Checkout.Session | null> {
  // Of calls at once one makes the page and the others wait for it.
  const row = isNew || purchase.stripeSessionId ? purchase : await awaitPage(ctx, purchase)
  if (row === null) return null
  if (row.stripeSessionId !== null) {
    const known = await retrieveSession(ctx, row.stripeSessionId)
    if (known?.status === 'open') return known
    if (known?.status === 'complete') await seeCompleted(ctx, known)
    await closePlace(ctx, row)
    return null
  }
  const session = await ask(
    'checkout.session',
    ctx.stripe.checkout.sessions.create(
      { ...params, customer: customer.stripeCustomerId },
      { idempotencyKey: `cs:${row.id}` },
    ),
  ).catch(async (error: unknown) => {
    // Nobody was given a page, if there is one. The next try is another purchase, with another key.
    await closePlace(ctx, row)
    throw error
  })
  const { count } = await ctx.db.checkoutSession.updateMany({
    where: {
      id: row.id,
      status: 'open',
      OR: [{ stripeSessionId: null }, { stripeSessionId: session.id }],
    },
    data: { stripeSessionId: session.id },
  })
  if (count === 1) return session
  // Nobody was given it, and another purchase has the place.
  await endSession(ctx, session.id)
  return null
}

/**
 * Refuses a second subscription, also beside one that is flagged, and beside one whose first payment is under
 * way. Of that payment the provider is asked first. A subscription whose first payment has failed blocks
 * nothing: nothing was paid for it, so it ends at the provider before another purchase begins.
 *
 * @throws `already_subscribed`.
 */
export async function requireNoSubscription(ctx: BillingContext, ownerId: string): Promise<void> {
  let running = await findRunning(ctx, ownerId)
  const id = running?.stripeSubscriptionId
  if (id && isUnpaid(running)) {
    await syncOwner(ctx, ownerId, id)
    running = await findRunning(ctx, ownerId)
    if (running?.needsAttention === 'first_payment_failed') {
      await ask('subscription', ctx.stripe.subscriptions.cancel(id)).catch((error: unknown) => {
        if (!isMissing(error)) throw error
      })
      await syncOwner(ctx, ownerId, id)
      running = await findRunning(ctx, ownerId)
    }
  }
  if (!running) return
  const why =
    running.needsAttention === 'first_payment_pending'
      ? 'already has a subscription whose first payment is under way.'
      : `already has a subscription that is ${running.status}.`
  throw new BillingError('already_subscribed', `${ownerId} ${why}`)
}

const UNPAID: readonly (string | null)[] = ['first_payment_pending', 'first_payment_failed']
const isUnpaid = (row: { needsAttention: string | null } | null): boolean =>
  row !== null && UNPAID.includes(row.needsAttention)

async function syncOwner(ctx: BillingContext, ownerId: string, id: string): Promise<void> {
  const customer = await ctx.db.customer.findUnique({ where: { ownerId } })
  if (isLinked(customer)) await syncLinked(ctx, customer, { also: async () => [id] })
}

const findRunning = (ctx: BillingContext, ownerId: string) =>
  ctx.db.subscription.findFirst({
    where: {
      customer: { ownerId },
      OR: [
        { status: { in: [...CURRENT] } },
        { status: 'incomplete', needsAttention: 'first_payment_pending' },
      ],
    },
    orderBy: { createdAt: 'asc' },
  })

/** Completed or expired ones refuse, and that is as good. */
export async function expire(ctx: Pick<BillingContext, 'stripe'>, id: string): Promise<void> {
  await ask('checkout.session', ctx.stripe.checkout.sessions.expire(id)).catch((error: unknown) => {
    if (!(error instanceof BillingError) || error.code !== 'provider_rejected') throw error
  })
}
