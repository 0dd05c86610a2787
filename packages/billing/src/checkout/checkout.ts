/**
 * Checkout on Stripe's page, for a plan or a one-time purchase.
 *
 * @module
 */

import { requireId } from '@repo/core'
import type Stripe from 'stripe'
import { requireAmount, requireCurrency } from '../amounts.ts'
import { type Interval, priceOf, trialDaysOf } from '../catalog/plans.ts'
import type { BillingContext } from '../context.ts'
import { ensureCustomer } from '../customers/customers.ts'
import { underKey } from '../customers/request-keys.ts'
import { declare } from '../effects/declarations.ts'
import { BillingError } from '../errors.ts'
import { requireNoSubscription } from '../orders/second-plan.ts'
import { withSessionId } from '../pages.ts'
import { idOf } from '../providers/json.ts'
import {
  type CheckoutSettings,
  checkoutParams,
  quantityParams,
  requireSettings,
} from '../providers/stripe/checkout-settings.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { stripePriceOf } from '../providers/stripe/prices.ts'
import { paymentTerms } from '../providers/stripe/terms.ts'
import { returnUrl } from '../return-url.ts'
import { syncCustomer } from '../sync/sync.ts'
import { hasHadTrial } from '../sync/trials.ts'
import { settleSynced, withOrder } from './own-amount.ts'
import { type Checkout, checkoutOf, openPlanCheckout } from './sessions.ts'

interface ReturnAddresses {
  /** A path or URL of the host. Default `/billing/success?session_id={CHECKOUT_SESSION_ID}`. */
  successUrl?: string
  /** A path or URL of the host. Default `/billing/canceled`. */
  cancelUrl?: string
  /** Settings of this page, which override those of `createBilling`. */
  checkout?: CheckoutSettings
}

/** The input of a checkout for a plan. */
export interface PlanCheckout extends ReturnAddresses {
  /** The id of the user or organization that pays. */
  ownerId: string
  /** The name of a plan with prices, as in `plans`. */
  plan: string
  /** Default `month`. */
  interval?: Interval
  /** Seats. Default 1. */
  quantity?: number
}

/** The input of a checkout for a one-time purchase. */
export interface PaymentCheckout extends ReturnAddresses {
  /** The id of the user or organization that pays. */
  ownerId: string
  /** The item that is bought. */
  item: {
    /** The item's name on the page and on the receipt. */
    name: string
    /** Minor units. */
    amount: number
    /** Lower case. */
    currency: string
  }
  /** Metadata of the payment. It cannot replace our own keys, such as `orderId`. */
  metadata?: Record<string, string>
}

/** Either the whole input, or in short the owner, the plan and the interval, which is a month by default. */
export type CheckoutArguments =
  | [input: PlanCheckout | PaymentCheckout]
  | [ownerId: string, plan: string, interval?: Interval]

const inputOf = (asked: CheckoutArguments): PlanCheckout | PaymentCheckout => {
  const [first, plan, interval] = asked
  if (typeof first !== 'string') return first
  return { ownerId: first, plan: requireId('The plan', plan), ...(interval ? { interval } : {}) }
}

/** Opens a checkout for a plan or for one item. The contract is in `functions/checkout.ts`. */
export async function createCheckoutSession(
  ctx: BillingContext,
  ...asked: CheckoutArguments
): Promise<Checkout> {
  const input = inputOf(asked)
  await declare(ctx)
  const addresses = {
    success_url: returnUrl(ctx.appUrl, input.successUrl ?? withSessionId(ctx.pages.success)),
    cancel_url: returnUrl(ctx.appUrl, input.cancelUrl ?? ctx.pages.canceled),
    client_reference_id: input.ownerId,
  }
  const settings = requireSettings({ ...ctx.checkout, ...input.checkout })
  const set = checkoutParams(settings, { hasCustomer: true })
  if ('plan' in input) {
    const terms = await planTerms(ctx, input, settings)
    const customer = await ensureCustomer(ctx, input.ownerId)
    return openPlanCheckout(ctx, customer, { ...addresses, ...set, ...terms })
  }
  const currency = requireCurrency(input.item.currency)
  const amount = requireAmount(input.item.amount, currency)
  const customer = await ensureCustomer(ctx, input.ownerId)
  const { sessions } = ctx.stripe.checkout
  const begin = (orderId: string, isFirst: boolean) => {
    const terms = paymentTerms({ ...input, metadata: { ...input.metadata, orderId } })
    const params = { ...addresses, ...set, ...terms, customer: customer.stripeCustomerId }
    const create = (idempotencyKey: string) =>
      ask('checkout.session', sessions.create(params, { idempotencyKey }))
    return underKey(ctx, `order:${orderId}`, create, { isFirst })
  }
  const retrieve = (id: string) => ask('checkout.session', sessions.retrieve(id))
  const how = { kind: 'checkoutId', begin, retrieve } as const
  const session = await withOrder(ctx, customer, { amount, currency }, how)
  return checkoutOf(session)
}

async function planTerms(
  ctx: BillingContext,
  { ownerId, plan, interval = 'month', quantity = 1 }: PlanCheckout,
  { adjustableQuantity }: CheckoutSettings,
): Promise<Stripe.Checkout.SessionCreateParams> {
  priceOf(ctx.plans, plan, interval)
  const seats = quantityParams(quantity, adjustableQuantity)
  await requireNoSubscription(ctx, ownerId)
  const price = await stripePriceOf(ctx.stripe, ctx.plans, plan, interval)
  const { days, needsCard } = await trialFor(ctx, ownerId, plan)
  const trial: Stripe.Checkout.SessionCreateParams.SubscriptionData = {
    trial_period_days: days,
    ...(needsCard
      ? {}
      : { trial_settings: { end_behavior: { missing_payment_method: 'cancel' as const } } }),
  }
  return {
    mode: 'subscription',
    line_items: [{ price: price.id, ...seats }],
    subscription_data: { metadata: { ownerId }, ...(days > 0 ? trial : {}) },
    ...(days > 0 && !needsCard ? { payment_method_collection: 'if_required' as const } : {}),
  }
}

/** The plan's trial; 0 days for an owner who had a subscription before, or whose e-mail address had a trial. */
async function trialFor(
  ctx: BillingContext,
  ownerId: string,
  name: string,
): Promise<{ days: number; needsCard: boolean }> {
  const plan = ctx.plans[name] ?? { name }
  const days = trialDaysOf(plan)
  const needsCard = plan.trialNeedsCard ?? true
  if (days === 0) return { days, needsCard }
  const before = await ctx.db.subscription.count({ where: { customer: { ownerId } } })
  const owner = await ctx.owner(ownerId)
  const isFirst = before === 0 && owner !== null && !(await hasHadTrial(ctx, owner.email))
  return { days: isFirst ? days : 0, needsCard }
}

/** The state of a checkout. */
export interface ConfirmedCheckout {
  /** `complete`, `open` or `expired`. */
  status: string
  /** Whether the checkout was paid, or nothing was due. */
  paid: boolean
  /** Our id of the payment; null for a plan. */
  paymentId: string | null
}

/**
 * Confirms a checkout, for the page after it: asks Stripe about the session and updates our rows, so that the page
 * is right even if the webhook has not come yet.
 * The contract is in `functions/checkout.ts`.
 */
export async function confirmCheckout(
  ctx: BillingContext,
  ownerId: string,
  sessionId: string,
): Promise<ConfirmedCheckout> {
  const missing = new BillingError(
    'checkout_not_found',
    `${ownerId} has no checkout session with this id.`,
  )
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
  await settleSynced(ctx, { checkoutId: sessionId })
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
