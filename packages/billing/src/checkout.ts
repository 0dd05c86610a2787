/**
 * Checkout on the provider's page: a plan, or something bought once.
 *
 * @module
 */

import type Stripe from 'stripe'
import type { BillingContext } from './context.ts'
import { ensureCustomer } from './customers.ts'
import { PAYMENT_MARK } from './effects.ts'
import { BillingError } from './errors.ts'
import { requireAmount, requireCurrency } from './payments.ts'
import { type Interval, priceOf, trialDaysOf } from './plans.ts'
import { returnUrl } from './return-url.ts'
import { idOf } from './shapes.ts'
import { ask, isMissing } from './stripe.ts'
import { getSubscription } from './subscriptions.ts'
import { syncCustomer } from './sync.ts'

interface ReturnAddresses {
  /** A path or address of the host. Default `/billing/success?session_id={CHECKOUT_SESSION_ID}`. */
  successUrl?: string
  /** Default `/billing/canceled`. */
  cancelUrl?: string
}

export interface PlanCheckout extends ReturnAddresses {
  ownerId: string
  plan: string
  /** Default `month`. */
  interval?: Interval
  /** Seats. Default 1. */
  quantity?: number
}

export interface PaymentCheckout extends ReturnAddresses {
  ownerId: string
  /** Bought once. */
  item: {
    name: string
    /** Minor units. */
    amount: number
    /** Lower case. */
    currency: string
  }
  /** Comes back on the payment. Keys of ours are not overwritten. */
  metadata?: Record<string, string>
}

export interface Checkout {
  id: string
  /** Where to send the browser. */
  url: string
}

/**
 * Opens a checkout for a plan or for one item.
 *
 * @throws `plan_not_found`, `price_not_found`, `already_subscribed`, `invalid_amount`,
 * `invalid_currency`, `invalid_return_url`, `owner_not_found`, `provider_unavailable`,
 * `provider_rejected`.
 */
export async function createCheckoutSession(
  ctx: BillingContext,
  input: PlanCheckout | PaymentCheckout,
): Promise<Checkout> {
  const addresses = {
    success_url: returnUrl(
      ctx.appUrl,
      input.successUrl ?? '/billing/success?session_id={CHECKOUT_SESSION_ID}',
    ),
    cancel_url: returnUrl(ctx.appUrl, input.cancelUrl ?? '/billing/canceled'),
    client_reference_id: input.ownerId,
  }
  const terms = 'plan' in input ? await planTerms(ctx, input) : paymentTerms(input)
  const { stripeCustomerId } = await ensureCustomer(ctx, input.ownerId)
  const session = await ask(
    'checkout.session',
    ctx.stripe.checkout.sessions.create({ ...addresses, ...terms, customer: stripeCustomerId }),
  )
  if (!session.url) {
    throw new BillingError('provider_unavailable', 'Stripe gave the checkout no address.')
  }
  return { id: session.id, url: session.url }
}

async function planTerms(
  ctx: BillingContext,
  { ownerId, plan, interval = 'month', quantity = 1 }: PlanCheckout,
): Promise<Stripe.Checkout.SessionCreateParams> {
  const { lookupKey } = priceOf(ctx.plans, plan, interval)
  if (!Number.isSafeInteger(quantity) || quantity < 1) {
    throw new BillingError('invalid_amount', `${quantity} is no number of seats.`)
  }
  const present = await getSubscription(ctx, ownerId)
  if (present.status !== null) {
    throw new BillingError(
      'already_subscribed',
      `${ownerId} already has a subscription that is ${present.status}.`,
    )
  }
  const prices = await ask(
    'list',
    ctx.stripe.prices.list({ lookup_keys: [lookupKey], active: true, limit: 1 }),
  )
  const [price] = prices.data
  if (!price) {
    throw new BillingError('price_not_found', `Stripe has no active price called ${lookupKey}.`)
  }
  const trialDays = await trialFor(ctx, ownerId, plan)
  return {
    mode: 'subscription',
    line_items: [{ price: price.id, quantity }],
    subscription_data: {
      metadata: { ownerId },
      ...(trialDays > 0 ? { trial_period_days: trialDays } : {}),
    },
  }
}

/** The plan's trial, for an owner who never had a subscription. */
async function trialFor(ctx: BillingContext, ownerId: string, plan: string): Promise<number> {
  const days = trialDaysOf(ctx.plans[plan] ?? { name: plan })
  if (days === 0) return 0
  const before = await ctx.db.subscription.count({ where: { customer: { ownerId } } })
  return before === 0 ? days : 0
}

function paymentTerms({
  ownerId,
  item,
  metadata,
}: PaymentCheckout): Stripe.Checkout.SessionCreateParams {
  const marked = { ...metadata, ownerId, [PAYMENT_MARK]: 'checkout' }
  return {
    mode: 'payment',
    line_items: [
      {
        quantity: 1,
        price_data: {
          currency: requireCurrency(item.currency),
          unit_amount: requireAmount(item.amount),
          product_data: { name: item.name },
        },
      },
    ],
    metadata: marked,
    payment_intent_data: { metadata: marked },
  }
}

export interface ConfirmedCheckout {
  /** `complete`, `open` or `expired`. */
  status: string
  /** Whether the money has come, or none was due. */
  paid: boolean
  /** Our id of the payment; null for a plan. */
  paymentId: string | null
}

/**
 * What the page after checkout calls: asks the provider about the session and brings our rows up to
 * date, so that the page is right whether the webhook came before or is still on its way. The query
 * parameter only says which session to ask about.
 *
 * @throws `checkout_not_found`, also for another owner's session; `provider_unavailable`.
 */
export async function confirmCheckout(
  ctx: BillingContext,
  ownerId: string,
  sessionId: string,
): Promise<ConfirmedCheckout> {
  const missing = new BillingError('checkout_not_found', `${ownerId} has no such checkout.`)
  if (!/^cs_\w{1,250}$/.test(sessionId)) throw missing
  const customer = await ctx.db.customer.findUnique({ where: { ownerId } })
  const session = await ask(
    'checkout.session',
    ctx.stripe.checkout.sessions.retrieve(sessionId),
  ).catch((error: unknown) => {
    throw isMissing(error) ? missing : error
  })
  if (!customer?.stripeCustomerId || idOf(session.customer) !== customer.stripeCustomerId) {
    throw missing
  }
  await syncCustomer(ctx, ownerId, { also: async () => idsOf(session) })
  const intent = session.mode === 'payment' ? idOf(session.payment_intent) : null
  const payment = intent
    ? await ctx.db.payment.findUnique({ where: { stripePaymentIntentId: intent } })
    : null
  return {
    status: session.status ?? 'open',
    paid: session.payment_status !== 'unpaid',
    paymentId: payment?.id ?? null,
  }
}

const idsOf = ({ subscription, payment_intent }: Stripe.Checkout.Session): string[] =>
  [idOf(subscription), idOf(payment_intent)].flatMap((id) => id ?? [])
