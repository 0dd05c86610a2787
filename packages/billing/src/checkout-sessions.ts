/**
 * Open checkouts of plans: one per customer and terms, however often and from however many tabs it
 * is asked for.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type Stripe from 'stripe'
import type { BillingContext } from './context.ts'
import { isLinked, type LinkedCustomer } from './customers.ts'
import { BillingError } from './errors.ts'
import { idOf } from './shapes.ts'
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

/** The open checkout of these terms, or a new one. Those of other terms are closed. */
export async function openPlanCheckout(
  ctx: BillingContext,
  customer: LinkedCustomer,
  params: Stripe.Checkout.SessionCreateParams,
): Promise<Checkout> {
  const { id: customerId, stripeCustomerId } = customer
  const terms = createHash('sha256').update(JSON.stringify(params)).digest('hex')
  const open = await ctx.db.checkoutSession.findMany({ where: { customerId, status: 'open' } })
  for (const row of open) {
    if (row.terms === terms && row.stripeSessionId) {
      const session = await retrieve(ctx, row.stripeSessionId)
      if (session?.status === 'open') return checkoutOf(session)
      if (session?.status === 'complete') await requireNone(ctx, customer, session)
    }
    if (row.terms !== terms && row.stripeSessionId) await expire(ctx, row.stripeSessionId)
    // One without an answer yet may be a call that is under way beside this one: it is joined.
    if (row.terms !== terms || row.stripeSessionId) {
      await ctx.db.checkoutSession.update({ where: { id: row.id }, data: { status: 'closed' } })
    }
  }
  // Two calls at once make one row, and its id is the key under which Stripe makes one session.
  await ctx.db.checkoutSession.createMany({ data: [{ customerId, terms }], skipDuplicates: true })
  const row = await ctx.db.checkoutSession.findFirstOrThrow({
    where: { customerId, terms, status: 'open' },
  })
  const session = await ask(
    'checkout.session',
    ctx.stripe.checkout.sessions.create(
      { ...params, customer: stripeCustomerId },
      { idempotencyKey: `cs:${row.id}` },
    ),
  )
  await ctx.db.checkoutSession.update({
    where: { id: row.id },
    data: { stripeSessionId: session.id },
  })
  return checkoutOf(session)
}

async function retrieve(ctx: BillingContext, id: string): Promise<Stripe.Checkout.Session | null> {
  return ask('checkout.session', ctx.stripe.checkout.sessions.retrieve(id)).catch(
    (error: unknown) => {
      if (isMissing(error)) return null
      throw error
    },
  )
}

/** A checkout that was paid a moment ago may not have reached our rows yet. */
async function requireNone(
  ctx: BillingContext,
  customer: LinkedCustomer,
  { subscription }: Stripe.Checkout.Session,
): Promise<void> {
  const also = async () => [idOf(subscription)].flatMap((id) => id ?? [])
  await syncLinked(ctx, customer, { also })
  await requireNoSubscription(ctx, customer.ownerId)
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
  if (running && id && isLinked(running.customer) && isUnpaid(running)) {
    await syncLinked(ctx, running.customer, { also: async () => [id] })
    running = await findRunning(ctx, ownerId)
    if (running?.needsAttention === 'first_payment_failed' && isLinked(running.customer)) {
      await ask('subscription', ctx.stripe.subscriptions.cancel(id)).catch((error: unknown) => {
        if (!isMissing(error)) throw error
      })
      await syncLinked(ctx, running.customer, { also: async () => [id] })
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
const isUnpaid = ({ needsAttention }: { needsAttention: string | null }): boolean =>
  UNPAID.includes(needsAttention)

const findRunning = (ctx: BillingContext, ownerId: string) =>
  ctx.db.subscription.findFirst({
    where: {
      customer: { ownerId },
      OR: [
        { status: { in: [...CURRENT] } },
        { status: 'incomplete', needsAttention: 'first_payment_pending' },
      ],
    },
    include: { customer: true },
    orderBy: { createdAt: 'asc' },
  })

/** Completed or expired ones refuse, and that is as good. */
export async function expire(ctx: Pick<BillingContext, 'stripe'>, id: string): Promise<void> {
  await ask('checkout.session', ctx.stripe.checkout.sessions.expire(id)).catch((error: unknown) => {
    if (!(error instanceof BillingError) || error.code !== 'provider_rejected') throw error
  })
}
