/**
 * The provider's products and prices, as far as subscriptions name them. Rows are shared by all
 * customers, so a price that has not changed is read and not locked.
 *
 * @module
 */

import type { Price, Product } from '@repo/db'
import type { BillingContext } from './context.ts'
import type { ProviderState } from './provider-state.ts'
import { type PriceShape, priceShape } from './shapes.ts'
import { ask } from './stripe.ts'

export type PriceRow = Price & { product: Product }

/** Our rows of every price in the state, by the provider's id, made or brought up to date. */
export async function ensurePrices(
  ctx: BillingContext,
  { subscriptions }: ProviderState,
): Promise<Map<string, PriceRow>> {
  const shapes = new Map(subscriptions.map(({ price }) => [price.stripePriceId, price]))
  const scheduled = subscriptions.flatMap(({ schedule }) => schedule?.next?.stripePriceId ?? [])
  const ids = [...new Set([...shapes.keys(), ...scheduled])]
  if (ids.length === 0) return new Map()
  const rows = await ctx.db.price.findMany({
    where: { stripePriceId: { in: ids } },
    include: { product: true },
  })
  const found = new Map(rows.map((row) => [row.stripePriceId, row]))
  for (const id of ids) {
    const row = found.get(id)
    const shape = shapes.get(id) ?? (row ? null : await retrieve(ctx, id))
    if (shape && (!row || differs(row, shape))) found.set(id, await write(ctx, shape))
  }
  return found
}

async function retrieve(ctx: BillingContext, id: string): Promise<PriceShape | null> {
  return priceShape(await ask('price', ctx.stripe.prices.retrieve(id)))
}

const differs = (row: PriceRow, shape: PriceShape): boolean =>
  row.lookupKey !== shape.lookupKey ||
  row.amount !== shape.amount ||
  row.currency !== shape.currency ||
  row.interval !== shape.interval ||
  row.active !== shape.active

async function write(ctx: BillingContext, shape: PriceShape): Promise<PriceRow> {
  const { stripeProductId, stripePriceId, ...facts } = shape
  const data = { ...facts, productId: await ensureProduct(ctx, stripeProductId) }
  return ctx.db.price.upsert({
    where: { stripePriceId },
    create: { ...data, stripePriceId },
    update: data,
    include: { product: true },
  })
}

async function ensureProduct(ctx: BillingContext, stripeProductId: string): Promise<string> {
  const row = await ctx.db.product.findUnique({ where: { stripeProductId } })
  if (row) return row.id
  const { name, active, metadata } = await ask(
    'product',
    ctx.stripe.products.retrieve(stripeProductId),
  )
  const data = { name, active, plan: metadata?.plan ?? null }
  const { id } = await ctx.db.product.upsert({
    where: { stripeProductId },
    create: { ...data, stripeProductId },
    update: data,
  })
  return id
}
