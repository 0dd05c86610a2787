/**
 * `createOrder` writes the order first, and then creates the provider's checkout under an idempotency key
 * made of the order's id. After a crash at any line, the next call continues with the same order and gets the
 * same checkout.
 *
 * @module
 */

import { orderedProduct, type SoldProduct } from '../catalog/products.ts'
import type { BillingContext, Owner } from '../context.ts'
import { ensureCustomer, makeRow } from '../customers/customers.ts'
import { underKey } from '../customers/request-keys.ts'
import { declare } from '../effects/declarations.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { hasCustomerSync } from '../provider-name.ts'
import type { ProviderCheckout } from '../providers/provider.ts'
import { newReturnKey, returnUrl } from '../return-url.ts'
import { inNumbers, type Order } from '../rows.ts'
import { cancelOrder } from './cancel.ts'
import { takePlace } from './purchases.ts'
import { returnAddress } from './returns.ts'
import { requireNoSubscription } from './second-plan.ts'
import { findOrder, settleOrder } from './settle.ts'

/** What is bought, by whom, and where the browser goes afterwards. */
export interface OrderInput {
  /** The id of the user or organization that pays. */
  ownerId: string
  /** A SKU from the host's `products`. */
  productId: string
  /** A path or URL of the host; `order_id` and `status` are added to the query. Default `/billing/success`. */
  successUrl?: string
  /** Where the browser goes if the buyer leaves without paying. Default `/billing/canceled`. */
  cancelUrl?: string
}

/** An open order and the page where it is paid. */
export interface CreatedOrder {
  orderId: string
  /** The provider's id of the checkout. */
  checkoutId: string
  /** The provider's page to send the browser to. */
  url: string
  /** False: the order was already open and is offered again. */
  isNew: boolean
}

/** How long after its creation an order is first checked, if no event about it arrives. */
export const FIRST_CHECK_MS = 15 * 60_000

/** How often `createOrder` tries again when the open order turns out to have ended. */
const ROUNDS = 8

/** Begins the purchase of a product. The contract is in `functions/orders.ts`. */
export async function createOrder(ctx: BillingContext, input: OrderInput): Promise<CreatedOrder> {
  const product = orderedProduct(ctx, input.productId)
  if (typeof input.ownerId !== 'string' || input.ownerId.trim() === '') {
    throw new BillingError(
      'owner_required',
      'The order has no owner. Pass the id of a user or organization as `ownerId`.',
    )
  }
  const addresses = {
    successUrl: returnUrl(ctx.appUrl, input.successUrl ?? ctx.pages.success),
    cancelUrl: returnUrl(ctx.appUrl, input.cancelUrl ?? ctx.pages.canceled),
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
  const message = `Each open order of ${input.productId} ended before it could be offered. Try again.`
  throw new BillingError('order_processing', message)
}

/** Whether the order holds the customer's place for the purchase of a plan. */
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
  if (hasCustomerSync(provider)) {
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

/** The open order of this owner and product, or a new order. Of two concurrent calls only one creates the order. */
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
      ctx.logger.info({ orderId: made.id, sku }, 'order created')
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

/** The order's checkout, if it can still be paid. Null: the order has ended. */
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
    // A local provider in another process has the page, or that process has ended. If the buyer
    // pays there nevertheless, the order is completed.
    await cancelOrder(ctx, order.id, { givesUp: true })
    return null
  }
  if (checkout?.status === 'open' && checkout.url) return checkout
  const settled = await settleOrder(ctx, order.id)
  if (settled.status !== 'pending' || settled.needsAttention !== null) return null
  throw new BillingError(
    'order_processing',
    `The payment of order ${order.id} is under way. Wait for its result.`,
  )
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
    // No caller received a checkout of this order, so nobody can pay it.
    await ctx.db.order.updateMany({
      where: { id: order.id, status: 'pending', checkoutId: null },
      data: { status: 'cancelled', nextCheckAt: null },
    })
    // An older order may have been requested with other parameters, which the provider refuses
    // under the same key.
    if (!isNew && isBillingError(error, 'provider_rejected')) return null
    throw error
  }
  const [written] = await ctx.db.order.updateManyAndReturn({
    where: { id: order.id, checkoutId: null },
    data: { checkoutId: checkout.id },
  })
  const { checkoutId, status } = written ?? (await findOrder(ctx, order.id))
  if (status !== 'pending') return null
  // With a provider whose idempotency keys work within one process only, another process may have
  // been quicker. Its checkout is the order's.
  if (checkoutId === null || checkoutId === checkout.id) return checkout
  return ctx.provider.retrieveCheckout(checkoutId)
}

/** Whether the provider, or our own check, refused the request, so that a retry would not help. */
const isRefusal = (error: unknown): boolean =>
  error instanceof BillingError && error.code !== 'provider_unavailable'
