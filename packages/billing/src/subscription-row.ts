/**
 * The row of a current subscription with its prices and their products, read by one statement.
 *
 * @module
 */

import { type Database, type Db, Prisma } from '@repo/db'

export const WITH_PRICES = {
  price: { include: { product: true } },
  scheduledPrice: { include: { product: true } },
} as const

export type SubscriptionRow = Prisma.SubscriptionGetPayload<{ include: typeof WITH_PRICES }>

/** The statuses of a subscription that takes its owner's one place. */
export const CURRENT: readonly string[] = ['trialing', 'active', 'past_due', 'unpaid', 'paused']

/** Of each table of the statement: its alias, its columns, and the column that is null where there is no row. */
const TABLES = {
  s: Object.values(Prisma.SubscriptionScalarFieldEnum),
  p: Object.values(Prisma.PriceScalarFieldEnum),
  pp: Object.values(Prisma.ProductScalarFieldEnum),
  n: Object.values(Prisma.PriceScalarFieldEnum),
  np: Object.values(Prisma.ProductScalarFieldEnum),
} as const

type Alias = keyof typeof TABLES

const COLUMNS = (Object.keys(TABLES) as Alias[])
  .flatMap((alias) => TABLES[alias].map((column) => `${alias}."${column}" AS "${alias}.${column}"`))
  .join(', ')

const JOINED = Prisma.raw(`SELECT ${COLUMNS} FROM "Customer" c
  JOIN "Subscription" s ON s."customerId" = c."id"
  LEFT JOIN "Price" p ON p."id" = s."priceId" LEFT JOIN "Product" pp ON pp."id" = p."productId"
  LEFT JOIN "Price" n ON n."id" = s."scheduledPriceId" LEFT JOIN "Product" np ON np."id" = n."productId"`)

/** The row that the database allows once per customer. A relation of a Prisma query would be a statement of its own. */
export async function findCurrent(
  { db }: { db: Db | Database },
  ownerId: string,
): Promise<SubscriptionRow | null> {
  const [row] = await db.$queryRaw<Record<string, unknown>[]>`
    ${JOINED} WHERE c."ownerId" = ${ownerId} AND s."status" = ANY (${CURRENT}) AND s."needsAttention" IS NULL
    LIMIT 1`
  if (!row) return null
  const of = (alias: Alias): Record<string, unknown> | null =>
    row[`${alias}.id`] === null
      ? null
      : Object.fromEntries(TABLES[alias].map((column) => [column, row[`${alias}.${column}`]]))
  const price = of('p')
  const scheduledPrice = of('n')
  return {
    ...of('s'),
    price: price && { ...price, product: of('pp') },
    scheduledPrice: scheduledPrice && { ...scheduledPrice, product: of('np') },
  } as SubscriptionRow
}
