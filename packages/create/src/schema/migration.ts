/**
 * The migration that brings the tables into the host's database: the baseline, with the columns that the host's `User`
 * lacks instead of a table of that name.
 *
 * @module
 */

import type { Checkout } from '../checkout.ts'
import { CreateError } from '../errors.ts'
import { textFile, textOf } from '../files.ts'
import type { Host } from '../host.ts'
import type { Placed } from '../place.ts'
import type { Receipt } from '../receipt.ts'
import { type HostSchema, migrationsOf } from './locate.ts'

/** The file of the checkout with the baseline. */
export const BASELINE = 'prisma/baseline.sql'

/** The names of the checkout's migrations, the oldest first. */
export const ourMigrations = (checkout: Checkout): string[] =>
  (checkout.parts.get('db')?.files ?? [])
    .flatMap((path) => /^prisma\/migrations\/([^/]+)\/migration\.sql$/.exec(path)?.[1] ?? [])
    .sort()

/**
 * The migration of a host that has a table `User`. `columns` are those that its `User` lacks. Null: the host has no
 * `User`, so the whole baseline is its migration.
 */
export function migrationFor(baseline: string, columns: readonly string[] | null): string {
  if (columns === null) return `${HEAD}\n${baseline}`
  const [table] = /-- CreateTable\nCREATE TABLE "User" \([\s\S]*?\n\);\n/.exec(baseline) ?? []
  const [index] =
    /-- CreateIndex\nCREATE UNIQUE INDEX "User_email_key" ON "User"\("email"\);\n\n/.exec(
      baseline,
    ) ?? []
  const policy = baseline
    .split('\n')
    .find((line) => line.startsWith('CREATE POLICY "as_system" ON "User" USING '))
  if (!table || !index || !policy) {
    throw new CreateError('invalid_checkout', 'prisma/baseline.sql does not create User.')
  }
  const definitions = new Map(
    [...table.matchAll(/^ {4}"(\w+)" (.+?),?$/gm)].map(([, name = '', type = '']) => [name, type]),
  )
  const added = columns.map((name) => {
    const type = definitions.get(name)
    if (type !== undefined) return `ADD COLUMN "${name}" ${withDefault(name, type)}`
    throw new CreateError(
      'invalid_checkout',
      `prisma/baseline.sql has no column ${name} of User. Run db:diff in the checkout.`,
    )
  })
  const alter = added.length === 0 ? '' : `ALTER TABLE "User"\n  ${added.join(',\n  ')};\n`
  return `${HEAD}\n${GUARD}\n${baseline
    .replace(table, () => `-- Your table "User" stays, with its rows.\n${alter}`)
    .replace(index, '')
    .replace(policy, () => POLICY)}`
}

/** A column that must have a value has one in the rows that exist, as the schema says for new ones. */
function withDefault(name: string, type: string): string {
  if (!type.includes('NOT NULL') || type.includes('DEFAULT')) return type
  return `${type} DEFAULT ${name === 'name' ? "''" : 'CURRENT_TIMESTAMP'}`
}

const HEAD = `-- The tables, functions, triggers and policies of Tollgate. Once a database has run this file, leave it as it is.
`

/** Sign-in looks for addresses in lower case. */
const GUARD = `DO $check$
BEGIN
  IF EXISTS (SELECT FROM "User" WHERE "email" <> lower("email")) THEN
    RAISE EXCEPTION 'Some rows of "User" have an e-mail address with upper-case letters, and sign-in would not find them. Correct them first: UPDATE "User" SET "email" = lower("email"). Nothing was changed.';
  END IF;
END $check$;
`

const POLICY = `-- Your own code reads and writes "User" as before. A transaction that names an organization sees its users alone.
CREATE POLICY "as_system" ON "User" USING ((SELECT coalesce(current_setting('tollgate.organization', true), '') = ''));`

/**
 * The migrations in their places: the first with all that the checkout has at that time, and each that came later. One
 * that was copied stays as it was copied, because databases have run it.
 */
export function placeMigrations(
  checkout: Checkout,
  host: Host,
  schema: HostSchema,
  receipt: Receipt | null,
  columns: readonly string[] | null,
): [string, Placed][] {
  const placed = Object.entries(receipt?.files ?? {}).flatMap(
    ([path, source]): [string, Placed][] => {
      const file = receipt?.base.get(path)
      return isMigration(schema, path) && file ? [[path, { source, file }]] : []
    },
  )
  const has = new Set([...placed.map(([, { source }]) => source)])
  const included = new Set(receipt?.schema?.included)
  const sources = receipt?.schema
    ? ourMigrations(checkout)
        .filter((name) => !included.has(name))
        .map((name) => ({ name, source: `prisma/migrations/${name}/migration.sql` }))
        .filter(({ source }) => !has.has(source))
    : [{ name: 'tollgate', source: BASELINE }]
  let stamp = [...migrationsOf(host, schema), ...ourMigrations(checkout)]
    .flatMap((name) => /^\d{14}/.exec(name)?.[0] ?? [])
    .sort()
    .at(-1)
  for (const { name, source } of sources) {
    const file = checkout.read(source)
    if (!file) continue
    stamp = secondAfter(stamp ?? '20260101000000')
    const to = `${schema.migrations}/${stamp}_${name.replace(/^\d+_/, '')}/migration.sql`
    const text = textOf(file) ?? ''
    const sql = source === BASELINE ? migrationFor(text, columns) : text
    placed.push([to, { source, file: textFile(sql) }])
  }
  return placed
}

/** The second after a stamp of 14 digits, so that a migration comes after all that are there. */
function secondAfter(stamp: string): string {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(stamp)?.map(Number) ?? []
  const at = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, (second ?? 0) + 1)
  return new Date(at).toISOString().replaceAll(/\D/g, '').slice(0, 14)
}

/** Whether a path is that of a migration of the host. */
export const isMigration = (
  { migrations }: Pick<HostSchema, 'migrations'>,
  path: string,
): boolean => path.startsWith(`${migrations}/`) && path.endsWith('/migration.sql')
