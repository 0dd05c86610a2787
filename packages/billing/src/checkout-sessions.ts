/**
 * Open checkouts of plans: one per customer and terms, however often and from however many tabs it
 * is asked for.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type Stripe from 'stripe'
import type { BillingContext } from './context.ts'
import type { LinkedCustomer } from './customers.ts'
import { BillingError } from './errors.ts'
import { idOf } from './shapes.ts'
import { ask, isMissing } from './stripe.ts'
import { isCurrentStatus, listSubscriptions } from './subscriptions.ts'
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

/** @throws `already_subscribed`, also where the one that runs does not count, or not yet. */
export async function requireNoSubscription(ctx: BillingContext, ownerId: string): Promise<void> {
  const running = (await listSubscriptions(ctx, ownerId)).find(
    ({ status }) => status !== null && isCurrentStatus(status),
  )
  if (!running) return
  throw new BillingError(
    'already_subscribed',
    `${ownerId} already has a subscription that is ${running.status}.`,
  )
}

/** Completed or expired ones refuse, and that is as good. */
export async function expire(ctx: Pick<BillingContext, 'stripe'>, id: string): Promise<void> {
  await ask('checkout.session', ctx.stripe.checkout.sessions.expire(id)).catch((error: unknown) => {
    if (!(error instanceof BillingError) || error.code !== 'provider_rejected') throw error
  })
}
