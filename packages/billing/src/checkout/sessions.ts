/**
 * Open checkouts of plans. A customer has at most one at a time, however many tabs ask for a checkout.
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

/** An open checkout. */
export interface Checkout {
  /** Stripe's id of the session. */
  id: string
  /** The page to send the browser to. */
  url: string
}

/** The id and address of a session. @throws `provider_unavailable` where Stripe returned no address. */
export function checkoutOf({ id, url }: Stripe.Checkout.Session): Checkout {
  if (url) return { id, url }
  throw new BillingError(
    'provider_unavailable',
    'Stripe returned a checkout without an address. Try again.',
  )
}

/** How often to start again after another purchase took the customer's place. */
const ROUNDS = 8

/**
 * The customer's open checkout if it has these terms, or a new one. An open purchase with other terms is closed first.
 *
 * @throws `already_subscribed`; `order_processing` where another purchase is being paid and cannot be closed.
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
    // The purchase that had the place may have been paid.
    await requireNoSubscription(ctx, customer.ownerId)
  }
  throw new BillingError(
    'order_processing',
    `${customer.ownerId} starts purchases of plans faster than they can be closed. Try again.`,
  )
}

/** The page of the purchase that has the customer's place; null where it lost the place or its page is closed. */
async function sessionOf(
  ctx: BillingContext,
  customer: LinkedCustomer,
  params: Stripe.Checkout.SessionCreateParams,
  { purchase, isNew }: { purchase: CheckoutSession; isNew: boolean },
): Promise<Stripe.Checkout.Session | null> {
  // Of several concurrent calls one makes the page, and the others wait for it.
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
    // If Stripe made a page, no caller has it. The next try is another purchase with another key.
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
  // No caller has this page, and another purchase has the place.
  await endSession(ctx, session.id)
  return null
}
