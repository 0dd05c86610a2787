/**
 * The commands `db:migrate`, `db:diff --name x`, `db:reset` and `db:grant <role>`, which manage the schema
 * without downloading an engine.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { maskText } from '@repo/core'
import pg from 'pg'
import { baselineOf, readBaseline, writeBaseline } from './baseline.ts'
import { connectionStringOf } from './connection.ts'
import { databaseOfCommand } from './database-of-command.ts'
import { functionDiff, writeFunctionSums } from './functions.ts'
import { grantRole } from './grants.ts'
import { migrate } from './migrate.ts'
import { schemaDiff } from './schema-engine.ts'
import { policyDiff } from './tenancy/policies.ts'
import { type PostgresServer, startPostgres } from './testing/postgres.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const say = (line: string) => process.stderr.write(`${line}\n`)

async function runMigrate(): Promise<void> {
  const applied = await migrate(databaseOfCommand('db:migrate'))
  for (const name of applied) say(`applied ${name}`)
  say(applied.length === 0 ? 'Nothing to apply.' : `${applied.length} migrations applied.`)
}

/** Compares the schema and `sql/` with a scratch database that has every migration applied. */
async function runDiff(name: string | undefined): Promise<void> {
  if (await writeFunctionSums()) say('wrote prisma/src/function-sums.ts')
  const server = await startPostgres()
  try {
    const url = await server.createDatabase('scratch')
    await migrate(url)
    const sql = await completeDiff(url)
    if (sql === null) {
      await refreshBaseline(server)
      say('The schema, prisma/sql and the migrations agree.')
      return
    }
    if (!name) {
      process.stdout.write(sql)
      say('To write the migration, give it a name: --name add_invoices')
      return
    }
    if (!/^[a-z0-9_]+$/.test(name)) throw new Error('--name takes lower-case letters, digits and _')
    const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
    const folder = join(ROOT, 'prisma/migrations', `${stamp}_${name}`)
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'migration.sql'), `-- ${name.replaceAll('_', ' ')}\n\n${sql}`)
    say(`wrote ${relative(ROOT, folder)}/migration.sql – give the reason in its first line.`)
    await refreshBaseline(server)
  } finally {
    await server.stop()
  }
}

/** Writes `baseline.sql` anew where it exists. A copy of this package has none. */
async function refreshBaseline(server: PostgresServer): Promise<void> {
  if ((await readBaseline()) === '') return
  const migrated = await server.createDatabase('migrated')
  await migrate(migrated)
  if (await writeBaseline(await baselineOf(migrated, await server.createDatabase('empty'))))
    say('wrote prisma/baseline.sql')
}

/**
 * The SQL that the scratch database still needs: tables and columns and policies of the schema, then functions
 * and triggers of `sql/`. Null if none.
 */
async function completeDiff(url: string): Promise<string | null> {
  const tables = await schemaDiff(url)
  if (tables !== null) {
    const client = new pg.Client({ connectionString: connectionStringOf(url) })
    await client.connect()
    await client.query(tables)
    await client.end()
  }
  const policies = await policyDiff(url)
  const functions = await functionDiff(url)
  return [tables, policies, functions.sql].filter(Boolean).join('\n') || null
}

async function runReset(force: boolean): Promise<void> {
  const url = databaseOfCommand('db:reset')
  const { hostname } = new URL(url)
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
  if (process.env.NODE_ENV === 'production' || (!local && !force)) {
    throw new Error(
      `db:reset deletes everything on ${hostname}. Pass --force to allow that; in production it is refused.`,
    )
  }
  const client = new pg.Client({ connectionString: connectionStringOf(url) })
  await client.connect()
  await client.query('DROP SCHEMA public CASCADE')
  await client.query('CREATE SCHEMA public')
  await client.end()
  const applied = await migrate(url)
  say(`The database is empty again; ${applied.length} migrations applied.`)
}

async function runGrant(role: string | undefined): Promise<void> {
  if (!role) throw new Error('db:grant needs the name of an existing role: db:grant app')
  const { tables, appendOnly } = await grantRole(databaseOfCommand('db:grant'), role)
  say(`${role} may work with ${tables} tables; to ${appendOnly.join(' and ')} it may only add.`)
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { name: { type: 'string' }, force: { type: 'boolean', default: false } },
  })
  const [command, role] = positionals
  if (command === 'migrate') return runMigrate()
  if (command === 'diff') return runDiff(values.name)
  if (command === 'reset') return runReset(values.force)
  if (command === 'grant') return runGrant(role)
  throw new Error(
    `unknown command ${command ?? '(none)'}: migrate, diff [--name x], reset [--force], grant <role>`,
  )
}

main().catch((error: unknown) => {
  say(maskText(error instanceof Error ? error.message : String(error)))
  process.exitCode = 1
})
