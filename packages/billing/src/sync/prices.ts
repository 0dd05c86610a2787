/**
 * The provider's products and prices, as far as subscriptions name them. Rows are shared by all
 * customers, so a price that has not changed is read and not locked.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { storable } from '@repo/core'
import type { Price, Product } from '@repo/db'
import { planOfPrice } from '../catalog/plans.ts'
import type { BillingContext } from '../context.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { type PriceShape, priceShape, text } from '../providers/stripe/shapes.ts'
import { inNumbers } from '../rows.ts'
import type { ProviderState } from './provider-state.ts'

export type PriceRow = Price & { product: Product }

/** A month and what its credits outlive it. */
const RECENT_MS = 35 * 24 * 60 * 60 * 1000

/** Our rows of every price in the state, by the provider's id, made or brought up to date. */
export async function ensurePrices(
  ctx: BillingContext,
  { subscriptions, invoices }: Pick<ProviderState, 'subscriptions' | 'invoices'>,
): Promise<Map<string, PriceRow>> {
  const shapes = new Map(
    subscriptions.flatMap(({ prices }) => prices.map((price) => [price.stripePriceId, price])),
  )
  const later = subscriptions.flatMap(({ schedule, pending }) =>
    [...(schedule?.next?.items ?? []), ...(pending?.items ?? [])].map(
      ({ stripePriceId }) => stripePriceId,
    ),
  )
  // An invoice of long ago gives nothing any more, so what it was for need not be known.
  const recent = ctx.clock.now().getTime() - RECENT_MS
  const invoiced = invoices.flatMap(({ stripeSubscriptionId, stripePriceIds, createdAt }) =>
    stripeSubscriptionId && createdAt.getTime() > recent ? stripePriceIds : [],
  )
  const ids = [...new Set([...shapes.keys(), ...later, ...invoiced])]
  if (ids.length === 0) return new Map()
  const rows = await ctx.db.price.findMany({
    where: { stripePriceId: { in: ids } },
    include: { product: true },
  })
  const found = new Map(rows.map((row) => [row.stripePriceId, row]))
  for (const id of ids) {
    const row = found.get(id)
    const shape = shapes.get(id) ?? (row ? null : await retrieve(ctx, id))
    const known = shape && (!row || differs(row, shape)) ? await write(ctx, shape) : row
    if (known) found.set(id, await mended(ctx, known))
  }
  return found
}

/** How often a product that stands for no plan is asked about by syncs. */
const ASK_AGAIN_MS = 60_000

/**
 * The row again, with its product as Stripe has it now, where it stands for no plan: its metadata may have been set
 * since it was read, and the event of that may be lost.
 */
async function mended(ctx: BillingContext, row: PriceRow): Promise<PriceRow> {
  const isFresh = Date.now() - row.product.updatedAt.getTime() < ASK_AGAIN_MS
  if (isFresh || planOfPrice(ctx.plans, row) !== null) return row
  const product = await refreshProduct(ctx, row.product.stripeProductId)
  return product ? { ...row, product } : row
}

/** Brings a product's row up to date. Null: there is no row of it, or Stripe does not have the product any more. */
export async function refreshProduct(
  ctx: BillingContext,
  stripeProductId: string,
): Promise<Product | null> {
  const where = { stripeProductId }
  if ((await ctx.db.product.count({ where })) === 0) return null
  const request = ctx.stripe.products.retrieve(stripeProductId)
  const found = await ask('product', request).catch((error: unknown) => {
    if (isMissing(error)) return null
    throw error
  })
  if (!found) return null
  const { name, active, metadata } = found
  return ctx.db.product.update({ where, data: { name, active, plan: metadata?.plan ?? null } })
}

/** Brings a price's row up to date, where there is one and Stripe has the price. */
export async function refreshPrice(ctx: BillingContext, stripePriceId: string): Promise<void> {
  if ((await ctx.db.price.count({ where: { stripePriceId } })) === 0) return
  const shape = await retrieve(ctx, stripePriceId).catch((error: unknown) => {
    if (isMissing(error)) return null
    throw error
  })
  if (shape) await write(ctx, shape)
}

async function retrieve(ctx: BillingContext, id: string): Promise<PriceShape | null> {
  return priceShape(await ask('price', ctx.stripe.prices.retrieve(id)))
}

const differs = (row: PriceRow, shape: PriceShape): boolean =>
  row.lookupKey !== shape.lookupKey ||
  inNumbers(row).amount !== shape.amount ||
  row.currency !== shape.currency ||
  row.interval !== shape.interval ||
  row.active !== shape.active

/** Other syncs may find the same price new at the same moment; the unique key makes it one row. */
async function write(ctx: BillingContext, shape: PriceShape): Promise<PriceRow> {
  const { stripeProductId, stripePriceId, lookupKey, amount, currency, interval, active } = shape
  const productId = await ensureProduct(ctx, stripeProductId)
  await ctx.db.$executeRaw`
    INSERT INTO "Price" ("id", "stripePriceId", "productId", "lookupKey", "amount", "currency",
      "interval", "active", "updatedAt")
    VALUES (${randomUUID()}, ${stripePriceId}, ${productId}, ${lookupKey}, ${amount}, ${currency},
      ${interval}, ${active}, now())
    ON CONFLICT ("stripePriceId") DO UPDATE SET "productId" = excluded."productId",
      "lookupKey" = excluded."lookupKey", "amount" = excluded."amount",
      "currency" = excluded."currency", "interval" = excluded."interval",
      "active" = excluded."active", "updatedAt" = now()`
  return ctx.db.price.findUniqueOrThrow({
    where: { stripePriceId },
    include: { product: true },
  })
}

async function ensureProduct(ctx: BillingContext, stripeProductId: string): Promise<string> {
  const where = { stripeProductId }
  const row = await ctx.db.product.findUnique({ where })
  if (row) return row.id
  const { name, active, metadata } = await ask(
    'product',
    ctx.stripe.products.retrieve(stripeProductId),
  )
  await ctx.db.product.createMany({
    data: [{ stripeProductId, name: storable(name), active, plan: text(metadata?.plan) }],
    skipDuplicates: true,
  })
  return (await ctx.db.product.findUniqueOrThrow({ where })).id
}
