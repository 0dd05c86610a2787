/**
 * Writes the provider's products and prices that subscriptions and invoices name. All customers share these
 * rows, so a price that has not changed is read without a lock.
 *
 * @module
 */

import { storable } from '@repo/core'
import { columnsOf, type Db, type Price, Prisma, type Product, queryNamed } from '@repo/db'
import { v7 as uuid } from 'uuid'
import { planOfPrice } from '../catalog/plans.ts'
import type { BillingContext } from '../context.ts'
import { text } from '../providers/json.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { type PriceShape, priceShape } from '../providers/stripe/shapes.ts'
import { inNumbers } from '../rows.ts'
import type { ProviderState } from './provider-state.ts'

/** Our row of a price, with its product. */
export type PriceRow = Price & { product: Product }

/** Prices of invoices older than this are not looked up: a month and a few days. */
const RECENT_MS = 35 * 24 * 60 * 60 * 1000

/** Creates or updates our row of every price in the state. Returns the rows by the provider's id. */
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
  // An old invoice grants nothing any more, so its prices are not needed.
  const recent = ctx.clock.now().getTime() - RECENT_MS
  const invoiced = invoices.flatMap(({ stripeSubscriptionId, stripePriceIds, createdAt }) =>
    stripeSubscriptionId && createdAt.getTime() > recent ? stripePriceIds : [],
  )
  const ids = [...new Set([...shapes.keys(), ...later, ...invoiced])]
  if (ids.length === 0) return new Map()
  const rows = await pricesOf(ctx.db, ids)
  const found = new Map(rows.map((row) => [row.stripePriceId, row]))
  for (const id of ids) {
    const row = found.get(id)
    const shape = shapes.get(id) ?? (row ? null : await retrieve(ctx, id))
    const known = shape && (!row || differs(row, shape)) ? await write(ctx, shape) : row
    if (known) found.set(id, await mended(ctx, known))
  }
  return found
}

const PRICE = columnsOf(Object.keys(Prisma.PriceScalarFieldEnum), 'p')
const PRODUCT = columnsOf(Object.keys(Prisma.ProductScalarFieldEnum), 'q', 'product_')

/** Our rows of these prices, with their products. */
export async function pricesOf(db: Db, ids: readonly string[]): Promise<PriceRow[]> {
  const sql = Prisma.sql`
    SELECT ${PRICE}, ${PRODUCT}
    FROM "Price" p JOIN "Product" q ON q."id" = p."productId"
    WHERE p."stripePriceId" = ANY(${ids})`
  const rows = await queryNamed<Price & Record<`product_${string}`, unknown>>(db, 'prices_of', sql)
  return rows.map((row) => {
    const product = Object.entries(row).flatMap(([name, value]) =>
      name.startsWith('product_') ? [[name.slice('product_'.length), value]] : [],
    )
    return { ...row, product: Object.fromEntries(product) as Product }
  })
}

/** How long syncs wait before they ask again about a product that belongs to no plan. */
const ASK_AGAIN_MS = 60_000

/**
 * Loads the price's product from Stripe again if the price belongs to no plan. The product's metadata may
 * have been set since, and the event about that may be lost.
 */
async function mended(ctx: BillingContext, row: PriceRow): Promise<PriceRow> {
  const isFresh = Date.now() - row.product.updatedAt.getTime() < ASK_AGAIN_MS
  if (isFresh || planOfPrice(ctx.plans, row) !== null) return row
  const product = await refreshProduct(ctx, row.product.stripeProductId)
  return product ? { ...row, product } : row
}

/** Updates a product's row from Stripe. Null: there is no such row, or Stripe no longer has the product. */
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

/** Updates a price's row from Stripe. Does nothing where there is no such row or Stripe no longer has the price. */
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

/**
 * Inserts or updates the price. Two syncs may insert the same price at the same moment; `ON CONFLICT` makes
 * that one row.
 */
async function write(ctx: BillingContext, shape: PriceShape): Promise<PriceRow> {
  const { stripeProductId, stripePriceId, lookupKey, amount, currency, interval, active } = shape
  const productId = await ensureProduct(ctx, stripeProductId)
  await ctx.db.$executeRaw`
    INSERT INTO "Price" ("id", "stripePriceId", "productId", "lookupKey", "amount", "currency",
      "interval", "active", "updatedAt")
    VALUES (${uuid()}, ${stripePriceId}, ${productId}, ${lookupKey}, ${amount}, ${currency},
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
