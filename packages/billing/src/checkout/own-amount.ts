/**
 * Orders of an amount that the host names, through Stripe's payment intents and item checkouts: they have
 * no product, and what follows from them is the host's.
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
  /** The host's name for the purchase. Absent: each call is another. */
  idempotencyKey?: string | undefined
}

/** How Stripe's object of such an order is made and found again. */
interface Begin<T> {
  kind: 'checkoutId' | 'paymentId'
  /** `isFirst`: the order was made this moment. */
  begin(orderId: string, isFirst: boolean): Promise<T>
  retrieve(id: string): Promise<T>
  /** The object that an earlier call made and did not write down. */
  find?(order: Pick<Order, 'id' | 'createdAt'>): Promise<T | null>
}

/** After this an order's key may be forgotten at Stripe, which keeps them for a day at least. */
const KEY_KEPT_MS = 12 * 60 * 60_000

/**
 * The order of this purchase, made where there is none; then what `begin` makes at Stripe is its own. An order that has
 * its object is never given another.
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
    const message = `The key names a purchase of ${order.amount} ${order.currency}, not of ${amount} ${currency}.`
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

/** The provider made nothing of it. */
async function discard(ctx: BillingContext, { id }: Order): Promise<void> {
  await ctx.db.order.updateMany({
    where: { id, status: 'pending', checkoutId: null, paymentId: null },
    data: { status: 'cancelled', nextCheckAt: null, idempotencyKey: null },
  })
}

/** Settles the order of a payment or a checkout whose customer was just synced, if there is one. */
export async function settleSynced(
  ctx: BillingContext,
  where: { paymentId: string } | { checkoutId: string },
): Promise<void> {
  const order = await ctx.db.order.findFirst({ where: { provider: 'stripe', ...where } })
  if (order) await settleOrder(ctx, order.id, { isSynced: true })
}
