/**
 * Checksums of all tables, including the queue's, to test whether anything has changed.
 *
 * @module
 */

import type { Db } from '../client.ts'

/** The number of rows and a digest of each table; equal before and after if nothing has changed. */
export async function checksums(db: Pick<Db, '$queryRawUnsafe'>): Promise<Record<string, string>> {
  const tables = await db.$queryRawUnsafe<{ name: string }[]>(`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
    WHERE schemaname IN ('public', 'graphile_worker') ORDER BY 1`)
  const queries = tables.map(
    ({ name }) =>
      `SELECT '${name}' AS name, count(*) || ' ' || coalesce(md5(string_agg(t::text, E'\\n'
         ORDER BY t::text)), '') AS sum FROM ${name} t`,
  )
  const rows = await db.$queryRawUnsafe<{ name: string; sum: string }[]>(
    queries.join(' UNION ALL '),
  )
  return Object.fromEntries(rows.map(({ name, sum }) => [name, sum]))
}
