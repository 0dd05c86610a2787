/**
 * Checks at the first use of auth that the table `User` has a column for each of the host's own fields. The error
 * says which line of the schema is missing, and which commands add the column.
 *
 * @module
 */

import { type Database, Prisma } from '@repo/db'
import { AuthError } from '../errors.ts'
import { lineOf } from './user-field-columns.ts'
import type { OwnFields } from './user-fields.ts'

/** A column of the database. */
export interface Column {
  name: string
  /** As `format_type` writes it, without lengths; `enum` for any enum. */
  type: string
  isNullable: boolean
}

/** Checks the columns. @throws `invalid_options` (500) */
export async function requireColumns(db: Database, own: OwnFields): Promise<void> {
  const fields = [...own.all].filter(([name]) => name !== 'locale')
  if (fields.length === 0) return
  const lines = fields.map(([name, { column, fallback }]) => [name, lineOf(name, column, fallback)])
  const known = new Set<string>(Object.keys(Prisma.UserScalarFieldEnum))
  const lacking = lines.filter(([name = '']) => !known.has(name))
  if (lacking.length > 0) {
    throw misfit(
      `The model User lacks ${namesOf(lacking)}, which user.fields of createAuth names.`,
      lacking,
    )
  }
  const columns = await columnsOf(db, 'User')
  const missing = lines.filter(([name = '']) => !columns.has(name))
  if (missing.length > 0) {
    throw new AuthError(
      'invalid_options',
      `The table User of this database lacks ${namesOf(missing)}, which the schema has. ${MIGRATE}`,
    )
  }
  for (const [name, { column, fallback }] of fields) {
    const { type, isNullable } = columns.get(name) as Column
    const line = [[name, lineOf(name, column, fallback)]]
    if (!column.postgres.includes(type)) {
      throw misfit(
        `The column ${name} of User is ${type}, and its schema gives other values.`,
        line,
      )
    }
    if (fallback === undefined && !isNullable) {
      throw misfit(
        `The column ${name} of User must be optional: a user who comes by a provider or a mailed link has no value yet.`,
        line,
      )
    }
  }
}

/** What to do after a change of the schema. */
export const MIGRATE = 'Run `pnpm db:diff --name user_fields`, then `pnpm db:migrate`.'

const namesOf = (lines: readonly (readonly string[])[]) => lines.map(([name]) => name).join(', ')

function misfit(why: string, lines: readonly (readonly string[])[]): AuthError {
  const added = lines.map(([, line]) => `  ${line}`).join('\n')
  return new AuthError(
    'invalid_options',
    `${why} Write this into model User in prisma/schema/auth.prisma:\n\n${added}\n\n${MIGRATE}`,
  )
}

/** The columns of a table by name; none if the table does not exist. */
export async function columnsOf(db: Database, table: string): Promise<Map<string, Column>> {
  const rows = await db.$queryRaw<Column[]>`
    SELECT a.attname AS "name", NOT a.attnotnull AS "isNullable",
      CASE WHEN coalesce(e.typtype, t.typtype) = 'e'
        THEN 'enum' || CASE WHEN e.oid IS NULL THEN '' ELSE '[]' END
        ELSE format_type(a.atttypid, NULL) END AS "type"
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    WHERE a.attrelid = to_regclass(quote_ident(${table})) AND a.attnum > 0 AND NOT a.attisdropped`
  return new Map(rows.map((row) => [row.name, row]))
}
