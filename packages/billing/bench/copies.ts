/**
 * Copies of one life: the same text with each id of its own replaced. An id keeps its form and its
 * length; prices and products are everybody's and stay.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { Prisma } from '@repo/db'
import type { StripeSnapshot } from '@repo/sandbox'

const OWN_ID =
  /\b(?:(?:ch|cus|evt|il|in|inpay|pi|pm|si|sub|txn)_[A-Za-z0-9]{6,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/g
/** Enough for 16 million copies. */
const TAIL = 6

/** `text` as copy number `n` has it. */
export function copyOf(text: string, n: number): string {
  const tail = n.toString(16).padStart(TAIL, '0')
  return text.replace(OWN_ID, (id) => id.slice(0, -TAIL) + tail)
}

/** A body about customer `n`, as the event number `event`. */
export const eventOf = (body: string, n: number, event: number): string =>
  copyOf(body, n).replace(/\bevt_\w+/, (id) => copyOf(id, event))

const SHARED = ['endpoints', 'portalConfigurations', 'prices', 'products'] as const

/** What the provider knows once `count` have lived this life. */
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
 * The tables of the database, each behind the tables that its rows refer to. Asked of the catalog: a
 * table that a later migration adds is copied as well.
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
    if (next.length === 0) throw new Error('Tables refer to each other in a circle.')
    ordered.push(...next.map(({ name }) => name))
  }
  return ordered
}

/** Replaces the one life in the database by `count` copies. A row that everybody shares stays. */
export async function copyRows(db: Db, count: number): Promise<void> {
  // Products and prices are everybody's: under an id that a copy leaves as it is, all copies refer to
  // the one row.
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
