/**
 * Compares orders with the ledger: finds paid orders without their credit transaction, and credit transactions without
 * their order. Promise: a comparison reads the rows that changed since the last comparison, and a bounded number of
 * older rows, from where the last comparison stopped. So it never reads a whole table, and in time it reads every row.
 *
 * Changes are read from a day before the last comparison began, because a row gets its time before its transaction
 * commits. A row that commits even later is read among the older rows.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import type { Run } from '../sync/repair-run.ts'

/** Time and id of a row. Rows are compared in this order. */
type Place = [at: string, id: string]

/** How far a comparison has come and what it has found. Saved between runs. */
export type LedgerPlace = {
  /** When the comparison began, and since when changes are read. ISO 8601. */
  startedAt: string
  since: string
  /** The index of the present walk in `WALKS`, and the last row that it read. Null: the walk has not begun. */
  walk: number
  after: Place | null
  /** How many older rows the walk has read. */
  read: number
  /** Where the next comparison goes on among the older orders and transactions. Null: at the first row. */
  orders: Place | null
  transactions: Place | null
  paidWithoutTransaction: string[]
  transactionsWithoutOrder: string[]
}

/** How far back the first comparison looks for changes. */
const WINDOW_MS = 48 * 60 * 60_000
/** Far longer than a transaction stays open, and than the clocks of two processes differ. */
const OVERLAP_MS = 24 * 60 * 60_000
/** Rows of one page. */
const PAGE = 1_000
/** How many older orders, and how many older transactions, one comparison reads. */
const OLDER = 20_000

interface Compared {
  id: string
  at: Date
  isSound: boolean
}

/** The walks of a comparison. `older`: among the older rows, from where the last comparison stopped. */
const WALKS = [
  { of: 'orders', older: false },
  { of: 'orders', older: true },
  { of: 'transactions', older: false },
  { of: 'transactions', older: true },
] as const

const PAGES = { orders: ordersAfter, transactions: transactionsAfter }
const FOUND = {
  orders: 'paidWithoutTransaction',
  transactions: 'transactionsWithoutOrder',
} as const

/** The place of a comparison that begins, after the comparison that ended at `last`. */
export function ledgerBeginning(
  ctx: BillingContext,
  last: LedgerPlace | null,
  since?: Date,
): LedgerPlace {
  // Times of the ledger come from the instance's clock, and an order's last change from the process's.
  const now = Math.min(ctx.clock.now().getTime(), Date.now())
  const from = last ? new Date(last.startedAt).getTime() - OVERLAP_MS : now - WINDOW_MS
  return {
    startedAt: new Date(now).toISOString(),
    since: (since ?? new Date(from)).toISOString(),
    ...{ walk: 0, after: null, read: 0 },
    ...{ orders: last?.orders ?? null, transactions: last?.transactions ?? null },
    ...{ paidWithoutTransaction: [], transactionsWithoutOrder: [] },
  }
}

/** Whether a comparison has come to its end. */
export const isLedgerDone = ({ walk }: LedgerPlace): boolean => walk >= WALKS.length

/** Makes all walks that are left, and updates `place` on the way. False: the run was stopped. */
export async function compareLedger(
  ctx: BillingContext,
  run: Run<LedgerPlace>,
  place: LedgerPlace,
): Promise<boolean> {
  for (let walk = WALKS[place.walk]; walk; walk = WALKS[place.walk]) {
    if (run.isOver()) return false
    const { of, older } = walk
    const start = older ? place[of] : ([place.since, ''] satisfies Place)
    const rows = await PAGES[of](ctx, place.after ?? start)
    const found = new Set(place[FOUND[of]])
    for (const { id, isSound } of rows) if (!isSound) found.add(id)
    place[FOUND[of]] = [...found]
    place.read += rows.length
    const last = rows.at(-1)
    if (last) place.after = [last.at.toISOString(), last.id]
    const isAtEnd = rows.length < PAGE
    if (isAtEnd || (older && place.read >= OLDER)) {
      if (older) place[of] = isAtEnd ? null : place.after
      Object.assign(place, { walk: place.walk + 1, after: null, read: 0 })
    }
    if (!(await run.save(place))) return false
  }
  return true
}

/** The first time and id, before every row. */
const FIRST: Place = ['0001-01-01T00:00:00.000Z', '']

/** The next paid orders that give credits, by the time of their last change. */
function ordersAfter({ db }: BillingContext, after: Place | null): Promise<Compared[]> {
  const [at, id] = after ?? FIRST
  // LIMIT makes PostgreSQL look up each transaction by its index instead of reading the table.
  return db.$queryRaw<Compared[]>`
    WITH "page" AS (
      SELECT "id", "ownerId", "credits", "updatedAt" FROM "Order"
      WHERE "status" = 'completed' AND "credits" > 0 AND "paymentId" IS NOT NULL
        AND ("updatedAt", "id") > (${at}::timestamptz, ${id})
      ORDER BY "updatedAt", "id" LIMIT ${PAGE})
    SELECT p."id", p."updatedAt" AS "at", t."found" IS NOT NULL AS "isSound" FROM "page" p
    LEFT JOIN LATERAL (SELECT 1 AS "found" FROM "CreditTransaction" t WHERE t."ownerId" = p."ownerId"
      AND t."idempotencyKey" = 'order:' || p."id" || ':fulfil' AND t."amount" = p."credits" LIMIT 1) t ON true
    ORDER BY p."updatedAt", p."id"`
}

/** The next transactions that grant an order's credits, by their time. */
function transactionsAfter({ db }: BillingContext, after: Place | null): Promise<Compared[]> {
  const [at, id] = after ?? FIRST
  return db.$queryRaw<Compared[]>`
    WITH "page" AS (
      SELECT "id", "ownerId", "idempotencyKey", "createdAt" FROM "CreditTransaction"
      WHERE "type" = 'purchase' AND "idempotencyKey" LIKE 'order:%:fulfil'
        AND ("createdAt", "id") > (${at}::timestamptz, ${BigInt(id === '' ? 0 : id)})
      ORDER BY "createdAt", "id" LIMIT ${PAGE})
    SELECT p."id"::text, p."createdAt" AS "at",
      o."ownerId" IS NOT DISTINCT FROM p."ownerId" AND o."status" = 'completed' AS "isSound" FROM "page" p
    LEFT JOIN LATERAL (SELECT "ownerId", "status" FROM "Order" o
      WHERE o."id" = split_part(p."idempotencyKey", ':', 2) LIMIT 1) o ON true
    ORDER BY p."createdAt", p."id"`
}

/** Those of `orderIds` that still have no credit transaction. */
export async function stillWithoutTransaction(
  { db }: BillingContext,
  orderIds: readonly string[],
): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT o."id" FROM "Order" o
    LEFT JOIN LATERAL (SELECT 1 AS "found" FROM "CreditTransaction" t WHERE t."ownerId" = o."ownerId"
      AND t."idempotencyKey" = 'order:' || o."id" || ':fulfil' AND t."amount" = o."credits" LIMIT 1) t ON true
    WHERE o."id" = ANY(${[...orderIds]}) AND t."found" IS NULL ORDER BY o."id"`
  return rows.map(({ id }) => id)
}
