/**
 * Column lists for statements in SQL that read whole rows. A list names its columns, because PostgreSQL
 * refuses a prepared `SELECT *` once a migration has added a column.
 *
 * @module
 */

import { Prisma } from './generated/client.ts'

/**
 * The columns `names` of a table, such as `Object.keys(Prisma.CustomerScalarFieldEnum)`. `alias` is the table's
 * alias in the statement. `prefix` is put before each name in the result, to keep two tables apart. The names
 * become SQL, so they never come from outside.
 */
export function columnsOf(names: readonly string[], alias?: string, prefix = ''): Prisma.Sql {
  const from = alias ? `${alias}.` : ''
  const named = (name: string) =>
    prefix === '' ? `${from}"${name}"` : `${from}"${name}" AS "${prefix}${name}"`
  return Prisma.raw(names.map(named).join(', '))
}
