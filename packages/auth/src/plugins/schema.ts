/**
 * Checks at the first use of auth that the schema has the tables and columns of the host's plugins. The error holds
 * the lines to write, and the commands that bring them into the database.
 *
 * @module
 */

import { type Database, Prisma } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { columnsOf, MIGRATE } from '../account/user-field-check.ts'
import { AuthError } from '../errors.ts'

/** A column, as a plugin declares it. */
type Field = NonNullable<BetterAuthPlugin['schema']>[string]['fields'][string]

/** Our tables by Better Auth's name, where the names differ. */
const NAMES: Readonly<Record<string, string>> = { verification: 'VerificationToken' }

/** A table that plugins need, with the names and lines of its columns. */
interface Table {
  lines: Map<string, string>
  /** The plugin that needs it. */
  id: string
}

/** Checks the tables. @throws `invalid_options` (500) */
export async function requireTables(
  db: Database,
  plugins: readonly BetterAuthPlugin[],
): Promise<void> {
  const tables = tablesOf(plugins)
  for (const [model, { lines, id }] of tables) {
    const known = (Prisma as unknown as Record<string, object>)[`${model}ScalarFieldEnum`]
    const names = new Set(Object.keys(known ?? {}))
    const lacking = [...lines].filter(([name]) => !names.has(name))
    if (lacking.length > 0) throw lack(model, id, known !== undefined, lacking)
    const columns = await columnsOf(db, model)
    const missing = [...lines.keys()].filter((name) => !columns.has(name))
    if (missing.length > 0) {
      throw new AuthError(
        'invalid_options',
        `The table ${model} of this database lacks ${missing.join(', ')}, which the schema has for the plugin ${id}. ${MIGRATE}`,
      )
    }
  }
}

function tablesOf(plugins: readonly BetterAuthPlugin[]): Map<string, Table> {
  const tables = new Map<string, Table>()
  for (const { id, schema = {} } of plugins) {
    for (const [key, { modelName = key, fields }] of Object.entries(schema)) {
      const model = NAMES[modelName] ?? `${modelName.charAt(0).toUpperCase()}${modelName.slice(1)}`
      const table = tables.get(model) ?? { lines: new Map<string, string>(), id }
      for (const [name, field] of Object.entries(fields)) {
        for (const [column, line] of linesOf(field.fieldName ?? name, field)) {
          table.lines.set(column, line)
        }
      }
      tables.set(model, table)
    }
  }
  return tables
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'String',
  number: 'Int',
  boolean: 'Boolean',
  date: 'DateTime',
  json: 'Json',
  'string[]': 'String[]',
  'number[]': 'Int[]',
}

/** The columns of a field with their lines in the Prisma schema. */
function linesOf(name: string, field: Field): [string, string][] {
  const { type, required = true, unique = false, bigint = false, defaultValue } = field
  const named = typeof type === 'string' ? (TYPES[type] ?? 'String') : 'String'
  const prisma = bigint && named === 'Int' ? 'BigInt' : named
  const isPlain = ['string', 'number', 'boolean'].includes(typeof defaultValue)
  const parts = [
    `${name} ${prisma}${required || prisma.endsWith('[]') ? '' : '?'}`,
    ...(unique ? ['@unique'] : []),
    ...(isPlain ? [`@default(${JSON.stringify(defaultValue)})`] : []),
    ...(prisma === 'DateTime' ? ['@db.Timestamptz(3)'] : []),
  ]
  return [[name, parts.join(' ')]]
}

function lack(
  model: string,
  id: string,
  isKnown: boolean,
  lines: readonly (readonly [string, string])[],
): AuthError {
  const added = lines.map(([, line]) => `  ${line}`).join('\n')
  const names = lines.map(([name]) => name).join(', ')
  const hasUser = lines.some(([name]) => name === 'userId')
  const tenancy = hasUser ? '/// @tenancy owner userId' : '/// @tenancy global'
  const relation = '  user User @relation(fields: [userId], references: [id], onDelete: Cascade)\n'
  const whole = `${tenancy}\nmodel ${model} {\n  id String @id\n${added}\n${hasUser ? relation : ''}}`
  return new AuthError(
    'invalid_options',
    isKnown
      ? `The model ${model} lacks ${names}, which the plugin ${id} needs. Write this into it in prisma/schema/auth.prisma:\n\n${added}\n\n${MIGRATE}`
      : `The plugin ${id} needs the model ${model}. Write this into a file of prisma/schema${hasUser ? ', and the relation into model User' : ''}:\n\n${whole}\n\n${MIGRATE}`,
  )
}
