/**
 * `createOrder`: the order first, then the provider's checkout under a key made of the order's id. Cut
 * off at any line, the next call goes on with the same order and gets the same checkout.
 *
 * @module
 */

import { productOf, type SoldProduct } from '../catalog/products.ts'
import type { BillingContext, Owner } from '../context.ts'
import { ensureCustomer, makeRow } from '../customers/customers.ts'
import { underKey } from '../customers/request-keys.ts'
import { declare } from '../effects/declarations.ts'
import { BillingError, isBillingError } from '../errors.ts'
import type { ProviderCheckout } from '../providers/provider.ts'
import { newReturnKey, returnUrl } from '../return-url.ts'
import { inNumbers, type Order } from '../rows.ts'
import { cancelOrder } from './cancel.ts'
import { takePlace } from './purchases.ts'
import { returnAddress } from './returns.ts'
import { requireNoSubscription } from './second-plan.ts'
import { findOrder, settleOrder } from './settle.ts'

export interface OrderInput {
  ownerId: string
  /** A SKU of the products. */
  productId: string
  /** A path or address of the host; `order_id` and `status` are added. Default `/billing/success`. */
  successUrl?: string
  /** Default `/billing/canceled`. */
  cancelUrl?: string
}

export interface CreatedOrder {
  orderId: string
  /** The provider's. */
  checkoutId: string
  /** Where to send the browser. */
  url: string
  /** False: it was open already, and is offered again. */
  isNew: boolean
}

/** When the provider is first asked by itself, after this long without a word. */
export const FIRST_CHECK_MS = 15 * 60_000

/** How often an order that turns out to be over is followed by another. */
const ROUNDS = 8

/**
 * Begins to buy a product. An open order of the same owner and product is offered again.
 *
 * @throws `product_not_found`, `owner_required`, `owner_not_found`, `invalid_return_url`,
 * `already_subscribed`; `order_processing` (409) while an earlier one's payment is under way;
 * `price_not_found`, `invalid_amount`, `provider_rejected`: the order is cancelled;
 * `provider_unavailable`: call again.
 */
export async function createOrder(ctx: BillingContext, input: OrderInput): Promise<CreatedOrder> {
  const product = productOf(ctx.products, input.productId)
  if (typeof input.ownerId !== 'string' || input.ownerId.trim() === '') {
    throw new BillingError('owner_required', 'An order belongs to an owner; none was named.')
  }
  const addresses = {
    successUrl: returnUrl(ctx.appUrl, input.successUrl ?? '/billing/success'),
    cancelUrl: returnUrl(ctx.appUrl, input.cancelUrl ?? '/billing/canceled'),
  }
  await declare(ctx)
  const made = new Set<string>()
  for (let round = 0; round < ROUNDS; round += 1) {
    if (product.plan !== undefined) await requireNoSubscription(ctx, input.ownerId)
    const buyer = await buyerOf(ctx, input.ownerId)
    const { order, isNew } = await openOrder(ctx, product, buyer, addresses)
    if (isNew) made.add(order.id)
    if (product.plan !== undefined && !(await hasPlace(ctx, order))) continue
    const checkout = await offer(ctx, order, product, buyer.owner, isNew)
    if (!checkout?.url) continue
    const { id, url } = checkout
    return { orderId: order.id, checkoutId: id, url, isNew: made.has(order.id) }
  }
  throw new BillingError('order_processing', 'Orders of this product end as fast as they begin.')
}

/** Whether the order has its customer's one place for the purchase of a plan. */
async function hasPlace(ctx: BillingContext, { id: orderId, customerId, sku }: Order) {
  const wanted = { terms: `order:${sku}`, orderId }
  return (await takePlace(ctx, { id: customerId }, wanted)) !== null
}

interface Buyer {
  owner: Owner
  ownerId: string
  customerId: string
  providerCustomerId: string | null
}

async function buyerOf(ctx: BillingContext, ownerId: string): Promise<Buyer> {
  const provider = ctx.provider.name
  if (provider === 'stripe') {
    const { id, stripeCustomerId } = await ensureCustomer(ctx, ownerId)
    const owner = await requireOwner(ctx, ownerId)
    return { owner, ownerId, customerId: id, providerCustomerId: stripeCustomerId }
  }
  const owner = await requireOwner(ctx, ownerId)
  const [known] = await ctx.db.$queryRaw<{ id: string; providerCustomerId: string | null }[]>`
    SELECT c."id", (SELECT o."providerCustomerId" FROM "Order" o
        WHERE o."ownerId" = c."ownerId" AND o."provider" = ${provider} AND o."providerCustomerId" IS NOT NULL
        ORDER BY o."createdAt" DESC LIMIT 1) AS "providerCustomerId"
    FROM "Customer" c WHERE c."ownerId" = ${ownerId}`
  const customerId = known?.id ?? (await makeRow(ctx, ownerId, owner)).row.id
  return { owner, ownerId, customerId, providerCustomerId: known?.providerCustomerId ?? null }
}

async function requireOwner(ctx: BillingContext, ownerId: string): Promise<Owner> {
  const owner = await ctx.owner(ownerId)
  if (owner) return owner
  throw new BillingError('owner_not_found', `There is no owner ${ownerId}.`)
}

/** The open order of this owner and product, made where there is none. Of two calls one makes it. */
async function openOrder(
  ctx: BillingContext,
  product: SoldProduct,
  { ownerId, customerId, providerCustomerId }: Buyer,
  addresses: { successUrl: string; cancelUrl: string },
): Promise<{ order: Order; isNew: boolean }> {
  const { sku } = product
  const where = { ownerId, sku, status: 'pending', needsAttention: null }
  for (;;) {
    const open = await ctx.db.order.findFirst({ where })
    if (open) return { order: inNumbers(open), isNew: false }
    const [made] = await ctx.db.order.createManyAndReturn({
      data: [
        {
          ...termsOf(product),
          ...addresses,
          ownerId,
          customerId,
          providerCustomerId,
          sku,
          provider: ctx.provider.name,
          returnKey: newReturnKey(),
          nextCheckAt: new Date(Date.now() + FIRST_CHECK_MS),
        },
      ],
      skipDuplicates: true,
    })
    if (made) {
      ctx.logger.info({ orderId: made.id, sku }, 'order begun')
      return { order: inNumbers(made), isNew: true }
    }
  }
}

const termsOf = ({ amount, currency, credits, plan, interval }: SoldProduct) => ({
  amount,
  currency,
  credits: credits ?? 0,
  plan: plan ?? null,
  interval: interval ?? null,
})

/** The order's checkout, if it can still be paid; null where the order is over. */
async function offer(
  ctx: BillingContext,
  order: Order,
  product: SoldProduct,
  owner: Owner,
  isNew: boolean,
): Promise<ProviderCheckout | null> {
  const terms = Object.entries(termsOf(product))
  const isSame = terms.every(([name, value]) => order[name as keyof Order] === value)
  if (!isSame || order.provider !== ctx.provider.name) {
    await cancelOrder(ctx, order.id, { givesUp: true })
    return null
  }
  if (order.checkoutId === null) return openCheckout(ctx, order, product, owner, isNew)
  const checkout = await ctx.provider.retrieveCheckout(order.checkoutId).catch((error: unknown) => {
    if (isBillingError(error, 'checkout_not_found')) return null
    if (isBillingError(error, 'not_known_here')) return 'elsewhere' as const
    throw error
  })
  if (checkout === 'elsewhere') {
    // Its page is another process's, or is gone with it. Paid there all the same, the order is completed.
    await cancelOrder(ctx, order.id, { givesUp: true })
    return null
  }
  if (checkout?.status === 'open' && checkout.url) return checkout
  const settled = await settleOrder(ctx, order.id)
  if (settled.status !== 'pending' || settled.needsAttention !== null) return null
  throw new BillingError('order_processing', `The payment of order ${order.id} is under way.`)
}

async function openCheckout(
  ctx: BillingContext,
  order: Order,
  product: SoldProduct,
  owner: Owner,
  isNew: boolean,
): Promise<ProviderCheckout | null> {
  let checkout: ProviderCheckout
  try {
    const create = (idempotencyKey: string) =>
      ctx.provider.createCheckout({
        orderId: order.id,
        ownerId: order.ownerId,
        product,
        customer: { id: order.providerCustomerId, email: owner.email },
        successUrl: returnAddress(ctx, order, 'success'),
        cancelUrl: returnAddress(ctx, order, 'cancel'),
        idempotencyKey,
      })
    checkout = await underKey(ctx, `order:${order.id}`, create, { isFirst: isNew })
  } catch (error) {
    if (!isRefusal(error)) throw error
    // Nobody was given its checkout, if there is one, so nobody can pay.
    await ctx.db.order.updateMany({
      where: { id: order.id, status: 'pending', checkoutId: null },
      data: { status: 'cancelled', nextCheckAt: null },
    })
    // An older one may have been asked for in other words, which the provider refuses under its key.
    if (!isNew && isBillingError(error, 'provider_rejected')) return null
    throw error
  }
  const [written] = await ctx.db.order.updateManyAndReturn({
    where: { id: order.id, checkoutId: null },
    data: { checkoutId: checkout.id },
  })
  const { checkoutId, status } = written ?? (await findOrder(ctx, order.id))
  if (status !== 'pending') return null
  // Where keys hold in one process only, another may have been quicker: its checkout is the order's.
  if (checkoutId === null || checkoutId === checkout.id) return checkout
  return ctx.provider.retrieveCheckout(checkoutId)
}

/** Whether the provider, or we on its behalf, said no: asking again will not help. */
const isRefusal = (error: unknown): boolean =>
  error instanceof BillingError && error.code !== 'provider_unavailable'
