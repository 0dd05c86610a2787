/**
 * The provider's products and prices, as far as subscriptions name them. Rows are shared by all
 * customers, so a price that has not changed is read and not locked.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { storable } from '@repo/core'
import type { Price, Product } from '@repo/db'
import type { BillingContext } from './context.ts'
import type { ProviderState } from './provider-state.ts'
import { inNumbers } from './rows.ts'
import { type PriceShape, priceShape, text } from './shapes.ts'
import { ask } from './stripe.ts'

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
    if (shape && (!row || differs(row, shape))) found.set(id, await write(ctx, shape))
  }
  return found
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
