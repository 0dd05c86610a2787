/**
 * Writes many rows of a table in one statement, without Prisma, which takes the processor longer for a row
 * than PostgreSQL does.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { type Db, Prisma, queryNamed } from '@repo/db'
import { v7 as uuid } from 'uuid'

/** Tables whose rows come from the provider. `id` and `updatedAt` are filled in here. */
export type Table = 'Subscription' | 'Invoice' | 'Payment' | 'Refund' | 'Order'

/** Whether a column keeps the value with which its row was inserted. */
const isKept = (table: Table, column: string): boolean =>
  column === 'createdAt' || (table === 'Subscription' && column === 'customerId')

/**
 * Inserts new rows, updates rows that differ, and returns `returning` of both; by default their keys. `key` is
 * the unique column. All rows have the same members, which name the columns; no text from outside becomes SQL.
 */
export function upsertAll<Row = { key: string }>(
  tx: Db,
  table: Table,
  key: string,
  rows: readonly object[],
  returning: Prisma.Sql = Prisma.raw(`t."${key}" AS "key"`),
): Promise<Row[]> {
  const facts = Object.keys(rows[0] ?? {}).filter((name) => name !== key && !isKept(table, name))
  const list = (prefix: string) => facts.map((name) => `${prefix}."${name}"`).join(', ')
  const set = [...facts, 'updatedAt'].map((name) => `"${name}" = excluded."${name}"`).join(', ')
  const update = `("${key}") DO UPDATE SET ${set}
    WHERE (${list('t')}) IS DISTINCT FROM (${list('excluded')})`
  return insert(tx, table, rows, Prisma.sql`${Prisma.raw(update)} RETURNING ${returning}`)
}

/** Inserts the rows whose keys are new. The rows are as in `upsertAll`. */
export async function insertNew(tx: Db, table: Table, rows: readonly object[]): Promise<void> {
  await insert(tx, table, rows, Prisma.raw('DO NOTHING'))
}

async function insert<Row>(
  tx: Db,
  table: Table,
  rows: readonly object[],
  onConflict: Prisma.Sql,
): Promise<Row[]> {
  const [first] = rows
  if (!first) return []
  const columns = Prisma.raw(
    [...Object.keys(first), 'id', 'updatedAt'].map((name) => `"${name}"`).join(', '),
  )
  const updatedAt = new Date()
  const all = rows.map((row) => ({ ...row, id: uuid(), updatedAt }))
  const json = JSON.stringify(all, (_, value) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  const sql = Prisma.sql`
    INSERT INTO ${Prisma.raw(`"${table}"`)} AS t (${columns})
    SELECT ${columns} FROM jsonb_populate_recordset(${Prisma.raw(`NULL::"${table}"`)}, ${json}::jsonb)
    ON CONFLICT ${onConflict}`
  // Rows with other members make another statement, which needs another name.
  const name = createHash('md5').update(sql.text).digest('hex').slice(0, 8)
  return queryNamed<Row>(tx, `rows_of_${table}_${name}`, sql)
}
