/**
 * Copies one customer's life: the same text with every id of that life replaced. An id keeps its form and
 * length. All copies share the prices and products, whose ids stay.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { Prisma } from '@repo/db'
import type { StripeSnapshot } from '@repo/sandbox'

const OWN_ID =
  /\b(?:(?:ch|cus|evt|il|in|inpay|pi|pm|si|sub|txn)_[A-Za-z0-9]{6,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/g
/** Replaced hex digits of an id, enough for 16 million copies. */
const TAIL = 6

/** The text of copy number `n`. */
export function copyOf(text: string, n: number): string {
  const tail = n.toString(16).padStart(TAIL, '0')
  return text.replace(OWN_ID, (id) => id.slice(0, -TAIL) + tail)
}

/** The body of event number `event`, about customer `n`. */
export const eventOf = (body: string, n: number, event: number): string =>
  copyOf(body, n).replace(/\bevt_\w+/, (id) => copyOf(id, event))

/** Tables of the stand-in that all copies share. */
const SHARED = ['endpoints', 'portalConfigurations', 'prices', 'products'] as const

/** The provider's snapshot with `count` copies of the life. */
export function copySnapshot(snapshot: StripeSnapshot, count: number): StripeSnapshot {
  const tables = { ...snapshot.tables, events: [] }
  const copied = Object.entries(tables).map(([name, records]) => {
    if ((SHARED as readonly string[]).includes(name) || records.length === 0) return [name, records]
    const text = JSON.stringify(records)
    const all = Array.from({ length: count }, (_, n) => JSON.parse(copyOf(text, n)) as object[])
    return [name, all.flat()]
  })
  return { ...snapshot, tables: Object.fromEntries(copied) as StripeSnapshot['tables'] }
}

/**
 * The tables of the database, sorted so that a table follows the tables it refers to. They are read from the
 * catalogue, so a table of a later migration is copied, too.
 */
async function tablesInOrder(db: Db): Promise<string[]> {
  const tables = await db.$queryRaw<{ name: string; refersTo: string[] }[]>`
    SELECT c.relname AS "name", array(
      SELECT r.relname::text FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid
      WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid) AS "refersTo"
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> '_prisma_migrations'
    ORDER BY 1`
  const ordered: string[] = []
  while (ordered.length < tables.length) {
    const next = tables.filter(
      ({ name, refersTo }) =>
        !ordered.includes(name) && refersTo.every((other) => ordered.includes(other)),
    )
    if (next.length === 0)
      throw new Error(
        'Foreign keys between tables form a cycle, so the tables cannot be copied in order.',
      )
    ordered.push(...next.map(({ name }) => name))
  }
  return ordered
}

/** Replaces the life in the database with `count` copies. Shared rows stay. */
export async function copyRows(db: Db, count: number): Promise<void> {
  // All copies share products and prices, so these rows get ids that copying does not change.
  await db.$executeRaw`UPDATE "Product" SET "id" = "stripeProductId"`
  await db.$executeRaw`UPDATE "Price" SET "id" = "stripePriceId"`
  const originals: [table: string, rows: string][] = []
  for (const name of await tablesInOrder(db)) {
    const table = Prisma.raw(`"${name}"`)
    const [found] = await db.$queryRaw<[{ rows: string | null }]>`
      SELECT jsonb_agg(to_jsonb(t))::text AS "rows" FROM ${table} t`
    if (found.rows && copyOf(found.rows, 0) !== found.rows) originals.push([name, found.rows])
  }
  for (const [name] of [...originals].reverse())
    await db.$executeRaw`DELETE FROM ${Prisma.raw(`"${name}"`)}`
  for (const [name, rows] of originals) {
    const table = Prisma.raw(`"${name}"`)
    for (let from = 0; from < count; from += 500) {
      const length = Math.min(500, count - from)
      const all = Array.from({ length }, (_, n) => copyOf(rows, from + n).slice(1, -1))
      await db.$executeRaw`
        INSERT INTO ${table}
        SELECT * FROM jsonb_populate_recordset(NULL::${table}, ${`[${all.join(',')}]`}::jsonb)`
    }
  }
}
