/**
 * Writes many rows of a table in one statement, and updates only the rows that differ.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { type Db, Prisma } from '@repo/db'

/** Tables whose rows come from the provider. `upsertAll` fills in their `id` and `updatedAt`. */
export type Table = 'Invoice' | 'Payment' | 'Refund'

const quoted = (name: string): string => `"${name}"`

/**
 * Inserts new rows, updates rows that differ, and returns the keys of both. `key` is the unique column. All
 * rows have the same members, which name the columns; no text from outside becomes SQL.
 */
export async function upsertAll(
  tx: Db,
  table: Table,
  key: string,
  rows: readonly object[],
): Promise<string[]> {
  const [first] = rows
  if (!first) return []
  const columns = Object.keys(first)
  const all = [...columns, 'id', 'updatedAt'].map(quoted).join(', ')
  const updatedAt = new Date()
  const json = JSON.stringify(rows.map((row) => ({ ...row, id: randomUUID(), updatedAt })))
  const facts = columns.filter((name) => name !== key && name !== 'createdAt')
  const list = (prefix: string) => facts.map((name) => `${prefix}."${name}"`).join(', ')
  const set = [...facts, 'updatedAt'].map((name) => `"${name}" = excluded."${name}"`).join(', ')
  const changed = await tx.$queryRaw<{ key: string }[]>`
    INSERT INTO ${Prisma.raw(`"${table}" AS t (${all})`)}
    SELECT ${Prisma.raw(all)}
    FROM jsonb_populate_recordset(${Prisma.raw(`NULL::"${table}"`)}, ${json}::jsonb)
    ON CONFLICT (${Prisma.raw(quoted(key))}) DO UPDATE SET ${Prisma.raw(set)}
    WHERE (${Prisma.raw(list('t'))}) IS DISTINCT FROM (${Prisma.raw(list('excluded'))})
    RETURNING ${Prisma.raw(`t."${key}"`)} AS "key"`
  return changed.map((row) => row.key)
}
