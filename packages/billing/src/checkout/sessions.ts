/**
 * Open checkouts of plans: one per customer and terms, however often and from however many tabs it
 * is asked for.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { CheckoutSession } from '@repo/db'
import type Stripe from 'stripe'
import type { BillingContext } from '../context.ts'
import type { LinkedCustomer } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'
import {
  awaitPage,
  closePlace,
  endSession,
  retrieveSession,
  seeCompleted,
  takePlace,
} from '../orders/purchases.ts'
import { requireNoSubscription } from '../orders/second-plan.ts'
import { ask } from '../providers/stripe/client.ts'

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
