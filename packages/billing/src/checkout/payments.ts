/**
 * One-time payments.
 *
 * @module
 */

import type Stripe from 'stripe'
import { requireAmount, requireCurrency } from '../amounts.ts'
import type { BillingContext } from '../context.ts'
import { ensureCustomer, isLinked, type LinkedCustomer } from '../customers/customers.ts'
import { underKey } from '../customers/request-keys.ts'
import { BillingError } from '../errors.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { record, text } from '../providers/stripe/shapes.ts'
import { paymentShape } from '../providers/stripe/shapes-money.ts'
import { PAYMENT_MARK } from '../providers/stripe/terms.ts'
import { returnUrl } from '../return-url.ts'
import { inNumbers, type Order, type Payment } from '../rows.ts'
import { syncLinked } from '../sync/sync.ts'
import { settleSynced, withOrder } from './own-amount.ts'

export interface PaymentMetadata {
  /** Who pays. */
  ownerId: string
  /** `orderId` is ours: each payment has an order. */
  [key: string]: string
}

export interface PaymentIntentOptions {
  /**
   * Names the purchase: the same key always returns the same intent, also a year later and when it is paid.
   * Default: a new one a call.
   */
  idempotencyKey?: string
  /**
   * Whether methods are offered that lead away from the host's page, such as iDEAL. Their payments return to the
   * `return_url` of `stripe.confirmPayment` in the browser. Default false: cards, wallets and debits.
   */
  allowRedirects?: boolean
}

export interface CreatedPaymentIntent {
  /** Stripe's id, for `confirmPayment`. */
  id: string
  /** For Stripe Elements in the browser. Never log it. */
  clientSecret: string
  status: string
}

/**
 * Begins a payment whose card is entered on the host's own page, through Stripe Elements.
 *
 * @throws `invalid_amount`, `invalid_currency`, `owner_required`, `owner_not_found`, `idempotency_conflict` where the
 * key names a purchase of another amount, `provider_unavailable`, `provider_rejected`.
 */
export async function createPaymentIntent(
  ctx: BillingContext,
  amount: number,
  currency: string,
  metadata: PaymentMetadata,
  options: PaymentIntentOptions = {},
): Promise<CreatedPaymentIntent> {
  const code = requireCurrency(currency)
  const terms = { amount: requireAmount(amount, code), currency: code }
  if (!metadata?.ownerId) {
    throw new BillingError('owner_required', 'metadata.ownerId must say who pays.')
  }
  const customer = await ensureCustomer(ctx, metadata.ownerId)
  const { idempotencyKey } = options
  const intent = await withOrder(
    ctx,
    customer,
    { ...terms, idempotencyKey },
    {
      kind: 'paymentId',
      begin: (orderId, isFirst) => {
        const create = (key: string) =>
          ask(
            'payment_intent',
            ctx.stripe.paymentIntents.create(
              {
                ...terms,
                customer: customer.stripeCustomerId,
                metadata: { ...metadata, orderId, [PAYMENT_MARK]: 'intent' },
                automatic_payment_methods: {
                  enabled: true,
                  allow_redirects: options.allowRedirects ? 'always' : 'never',
                },
              },
              { idempotencyKey: key },
            ),
          )
        return underKey(ctx, `pi:${orderId}`, create, { isFirst })
      },
      retrieve: (id) => ask('payment_intent', ctx.stripe.paymentIntents.retrieve(id)),
      find: (order) => findIntent(ctx, customer, order),
    },
  )
  if (!intent.client_secret) {
    throw new BillingError('provider_unavailable', 'Stripe gave the payment no client secret.')
  }
  return { id: intent.id, clientSecret: intent.client_secret, status: intent.status }
}

/** The intent of an order that was cut off before it knew it. Nobody else can name the order. */
async function findIntent(
  ctx: BillingContext,
  { stripeCustomerId: customer }: LinkedCustomer,
  { id, createdAt }: Pick<Order, 'id' | 'createdAt'>,
): Promise<Stripe.PaymentIntent | null> {
  const created = { gte: Math.floor(createdAt.getTime() / 1000) - CLOCKS_APART_SECONDS }
  const listed = ctx.stripe.paymentIntents.list({ customer, created, limit: 100 })
  await ask('list', listed)
  for await (const intent of listed) {
    if (intent.metadata?.orderId === id) return ask('payment_intent', Promise.resolve(intent))
  }
  return null
}

/** By how much the provider's clock may be behind the database's. */
const CLOCKS_APART_SECONDS = 600

export interface ConfirmedPayment {
  /** Ours. */
  id: string
  paid: boolean
  /** The provider's word. */
  status: string
  /** Minor units. */
  amount: number
  currency: string
  /** The page on which the customer goes on with it, for instance with 3-D Secure. Null: none is needed. */
  actionUrl: string | null
}

export interface ConfirmPaymentOptions {
  /** Where that page leads back to: a path, or an address below `appUrl`. Default `/billing`. */
  returnUrl?: string
}

/**
 * Asks the provider how a payment stands, confirms one that waits for it, and records the answer.
 *
 * @throws `payment_not_found`, also for a payment that is none of ours; `invalid_return_url`; `provider_unavailable`;
 * `provider_rejected`, for instance when the card is declined.
 */
export async function confirmPayment(
  ctx: BillingContext,
  intentId: string,
  options: ConfirmPaymentOptions = {},
): Promise<ConfirmedPayment> {
  const return_url = returnUrl(ctx.appUrl, options.returnUrl ?? '/billing')
  const missing = new BillingError('payment_not_found', 'There is no such payment.')
  if (!/^pi_\w{1,250}$/.test(intentId)) throw missing
  let intent = await ask('payment_intent', ctx.stripe.paymentIntents.retrieve(intentId)).catch(
    (error: unknown) => {
      throw isMissing(error) ? missing : error
    },
  )
  if (paymentShape(intent)?.metadata[PAYMENT_MARK] === undefined) throw missing
  if (intent.status === 'requires_confirmation') {
    // A card that was declined is followed by another: that is a new try.
    intent = await underKey(ctx, `confirm:${intentId}`, (idempotencyKey) =>
      ask(
        'payment_intent',
        ctx.stripe.paymentIntents.confirm(intentId, { return_url }, { idempotencyKey }),
      ),
    )
  }
  const stripeCustomerId = paymentShape(intent)?.stripeCustomerId
  const customer = stripeCustomerId
    ? await ctx.db.customer.findUnique({ where: { stripeCustomerId } })
    : null
  if (!isLinked(customer)) throw missing
  await syncLinked(ctx, customer, { also: async () => [intentId] })
  await settleSynced(ctx, { paymentId: intentId })
  const payment = await ctx.db.payment.findUnique({ where: { stripePaymentIntentId: intentId } })
  if (!payment) throw missing
  const { id, status, amount, currency } = inNumbers(payment)
  const page = record(record(intent.next_action)?.redirect_to_url)
  const actionUrl = status === 'requires_action' ? text(page?.url) : null
  return { id, paid: status === 'succeeded', status, amount, currency, actionUrl }
}

/** The owner's one-time payments, the newest first. */
export async function listPayments(ctx: BillingContext, ownerId: string): Promise<Payment[]> {
  const rows = await ctx.db.payment.findMany({
    where: { customer: { ownerId } },
    orderBy: { createdAt: 'desc' },
  })
  return rows.map(inNumbers)
}
