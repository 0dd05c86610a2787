/**
 * Orders with an amount that the host chooses, paid by a payment intent or an item checkout at Stripe. They have no
 * product, so the host decides what the buyer gets.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import type { LinkedCustomer } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'
import { FIRST_CHECK_MS } from '../orders/create.ts'
import { settleOrder } from '../orders/settle.ts'
import { newReturnKey } from '../return-url.ts'
import { inNumbers, type Order } from '../rows.ts'

interface OwnAmount {
  amount: number
  currency: string
  /** The host's key of the purchase. Absent: each call is a new purchase. */
  idempotencyKey?: string | undefined
}

/** How the object at Stripe that belongs to such an order is made and found again. */
interface Begin<T> {
  kind: 'checkoutId' | 'paymentId'
  /** Makes the object. `isFirst`: this call has made the order, so there was no earlier try. */
  begin(orderId: string, isFirst: boolean): Promise<T>
  retrieve(id: string): Promise<T>
  /** Finds an object that an earlier call made without storing its id. */
  find?(order: Pick<Order, 'id' | 'createdAt'>): Promise<T | null>
}

/** After this time the order's idempotency key is not relied on. Stripe keeps keys for at least a day. */
const KEY_KEPT_MS = 12 * 60 * 60_000

/**
 * Makes the order of a purchase, unless there is one, and returns its object at Stripe, which `begin` makes. An order
 * that has an object never gets another.
 *
 * @throws `idempotency_conflict` where the key names a purchase of another amount or currency.
 */
export async function withOrder<T extends { id: string }>(
  ctx: BillingContext,
  { id: customerId, ownerId, stripeCustomerId }: LinkedCustomer,
  { amount, currency, idempotencyKey }: OwnAmount,
  { kind, begin, retrieve, find }: Begin<T>,
): Promise<T> {
  const row = {
    ownerId,
    customerId,
    provider: 'stripe',
    providerCustomerId: stripeCustomerId,
    amount,
    currency,
    idempotencyKey: idempotencyKey ?? null,
    returnKey: newReturnKey(),
    nextCheckAt: new Date(Date.now() + FIRST_CHECK_MS),
  }
  const [made] = await ctx.db.order.createManyAndReturn({ data: [row], skipDuplicates: true })
  const order = inNumbers(
    made ??
      (await ctx.db.order.findFirstOrThrow({
        where: { ownerId, idempotencyKey: idempotencyKey ?? null },
      })),
  )
  if (order.amount !== amount || order.currency !== currency) {
    const known = `${order.amount} ${order.currency}`
    const message = `The key belongs to a purchase of ${known}, not of ${amount} ${currency}.`
    throw new BillingError('idempotency_conflict', message)
  }
  const known = order[kind]
  if (known !== null) return retrieve(known)
  const isOld = Date.now() - order.createdAt.getTime() > KEY_KEPT_MS
  try {
    const begun =
      ((isOld && (await find?.(order))) || null) ?? (await begin(order.id, made !== undefined))
    await ctx.db.order.updateMany({
      where: { id: order.id, [kind]: null, status: 'pending' },
      data: { [kind]: begun.id },
    })
    return begun
  } catch (error) {
    if (made && error instanceof BillingError && error.code !== 'provider_unavailable') {
      await discard(ctx, order)
    }
    throw error
  }
}

/** Cancels an order for which nothing was made at Stripe. */
async function discard(ctx: BillingContext, { id }: Order): Promise<void> {
  await ctx.db.order.updateMany({
    where: { id, status: 'pending', checkoutId: null, paymentId: null },
    data: { status: 'cancelled', nextCheckAt: null, idempotencyKey: null },
  })
}

/** Settles the order of a payment or checkout, if it has one. The customer must just have been synced. */
export async function settleSynced(
  ctx: BillingContext,
  where: { paymentId: string } | { checkoutId: string },
): Promise<void> {
  const order = await ctx.db.order.findFirst({ where: { provider: 'stripe', ...where } })
  if (order) await settleOrder(ctx, order.id, { isSynced: true })
}
