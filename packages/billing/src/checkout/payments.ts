/**
 * One-time payments through Stripe.
 *
 * @module
 */

import type { Payment as PaymentRow } from '@repo/db'
import type Stripe from 'stripe'
import { requireAmount, requireCurrency } from '../amounts.ts'
import type { BillingContext } from '../context.ts'
import { customerIdOf } from '../customers/customer-id.ts'
import { ensureCustomer, isLinked, type LinkedCustomer } from '../customers/customers.ts'
import { underKey } from '../customers/request-keys.ts'
import { BillingError } from '../errors.ts'
import { endOf, following, PAGE, type PageOptions, type Sorting } from '../page.ts'
import { record, text } from '../providers/json.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { paymentShape } from '../providers/stripe/shapes-money.ts'
import { PAYMENT_MARK } from '../providers/stripe/terms.ts'
import { returnUrl } from '../return-url.ts'
import { inNumbers, type Order, type Payment } from '../rows.ts'
import { syncLinked } from '../sync/sync.ts'
import { settleSynced, withOrder } from './own-amount.ts'

/** The metadata of a payment. */
export interface PaymentMetadata {
  /** The owner who pays. */
  ownerId: string
  /** The key `orderId` is overwritten with the id of the payment's order. */
  [key: string]: string
}

/** The options of `createPaymentIntent`. */
export interface PaymentIntentOptions {
  /**
   * The key of the purchase. The same key always returns the same intent, even a year later or after it is paid.
   * Default: each call makes a new intent.
   */
  idempotencyKey?: string
  /**
   * Whether to offer methods that leave the host's page, such as iDEAL. They return to the `return_url` that the
   * browser passes to `stripe.confirmPayment`. Default false: only cards, wallets and debits.
   */
  allowRedirects?: boolean
}

/** A payment intent that the browser can pay. */
export interface CreatedPaymentIntent {
  /** Stripe's id, for `confirmPayment`. */
  id: string
  /** The secret for Stripe Elements in the browser. Never log it. */
  clientSecret: string
  status: string
}

/**
 * Starts a payment on the host's own page, where Stripe Elements asks for the card.
 * The contract is in `functions/checkout.ts`.
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
    throw new BillingError(
      'owner_required',
      'metadata.ownerId must be the id of the owner who pays.',
    )
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
    throw new BillingError(
      'provider_unavailable',
      'Stripe returned a payment without a client secret.',
    )
  }
  return { id: intent.id, clientSecret: intent.client_secret, status: intent.status }
}

/**
 * Finds the intent of an order whose earlier call was cut off before it stored the intent's id. Only our own calls
 * write an order's id into an intent.
 */
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

/** How far Stripe's clock may be behind the database's. */
const CLOCKS_APART_SECONDS = 600

/** The state of a payment. */
export interface ConfirmedPayment {
  /** Our id of the payment. */
  id: string
  paid: boolean
  /** The status in Stripe's words. */
  status: string
  /** Minor units. */
  amount: number
  currency: string
  /** The page on which the customer continues, for instance with 3-D Secure. Null: none is needed. */
  actionUrl: string | null
}

/** The options of `confirmPayment`. */
export interface ConfirmPaymentOptions {
  /** Where the page of `actionUrl` leads back to: a path or URL of the host. Default `/billing`. */
  returnUrl?: string
}

/**
 * Asks Stripe for the state of a payment, confirms it if it waits for a confirmation, and stores the answer.
 * The contract is in `functions/checkout.ts`.
 */
export async function confirmPayment(
  ctx: BillingContext,
  intentId: string,
  options: ConfirmPaymentOptions = {},
): Promise<ConfirmedPayment> {
  const return_url = returnUrl(ctx.appUrl, options.returnUrl ?? ctx.pages.billing)
  const missing = new BillingError('payment_not_found', 'No payment of ours has this id.')
  if (!/^pi_\w{1,250}$/.test(intentId)) throw missing
  let intent = await ask('payment_intent', ctx.stripe.paymentIntents.retrieve(intentId)).catch(
    (error: unknown) => {
      throw isMissing(error) ? missing : error
    },
  )
  if (paymentShape(intent)?.metadata[PAYMENT_MARK] === undefined) throw missing
  if (intent.status === 'requires_confirmation') {
    // After a declined card the customer may try another, which is a new request with a new key.
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

const NEWEST_FIRST: Sorting<PaymentRow> = [
  ['createdAt', 'desc'],
  ['id', 'desc'],
]

/** The owner's one-time payments, the newest first. The contract is in `functions/checkout.ts`. */
export async function listPayments(
  ctx: BillingContext,
  ownerId: string,
  { limit = PAGE, after }: PageOptions = {},
): Promise<Payment[]> {
  const customerId = (await customerIdOf(ctx, ownerId)) ?? ''
  const last = await endOf(after, "one of the owner's payments", (id) =>
    ctx.db.payment.findFirst({ where: { customerId, id } }),
  )
  const { where, orderBy } = following<PaymentRow>(NEWEST_FIRST, last)
  const rows = await ctx.db.payment.findMany({
    where: { customerId, ...where },
    orderBy,
    take: limit,
  })
  return rows.map(inNumbers)
}
