/**
 * Whether Tollgate's models go into a Prisma schema of the host, and into which.
 *
 * @module
 */

import type { Checkout } from '../checkout.ts'
import { CreateError } from '../errors.ts'
import type { Host } from '../host.ts'
import { filesOf, findSchemas, type HostSchema, schemaAt } from './locate.ts'
import { BASELINE } from './migration.ts'
import { blocksIn } from './scan.ts'

/** What is decided about the host's schema. Null: it is left alone, and a note may say why. */
export interface SchemaDecision {
  schema: HostSchema | null
  note: string | null
}

/**
 * Which schema of the host Tollgate's models go into. `choice` is `own` for none, `merge`, or a path. Without a choice
 * they go into the only schema for PostgreSQL. @throws `usage`, `invalid_host`
 */
export function decideSchema(
  checkout: Checkout,
  host: Host,
  choice: string | undefined,
): SchemaDecision {
  const own = { schema: null, note: null }
  if (choice === 'own' || checkout.read(BASELINE) === null) return own
  if (choice !== undefined && choice !== 'merge') return requirePostgres(schemaAt(host, choice))
  const found = findSchemas(host)
  const [only] = found
  if (!only) {
    if (choice === undefined) return own
    throw new CreateError(
      'usage',
      'The host has no Prisma schema. Name it with --schema <path>, or leave out --schema.',
    )
  }
  if (found.length > 1) {
    throw new CreateError(
      'usage',
      `The host has ${found.length} Prisma schemas: ${found.map(({ path }) => path).join(', ')}. ` +
        'Name the one of your users with --schema <path>, or leave them alone with --schema own.',
    )
  }
  return requirePostgres(only)

  function requirePostgres(schema: HostSchema): SchemaDecision {
    const provider = settingOf(host, schema, 'provider')
    if (provider === 'postgresql' || provider === 'postgres') return { schema, note: null }
    const why = `${schema.path} is for ${provider ?? 'an unknown database'}, and Tollgate needs PostgreSQL.`
    if (choice === undefined)
      return { schema: null, note: `${why} @repo/db brings its own schema.` }
    throw new CreateError('usage', `${why} Add --schema own.`)
  }
}

/** A setting of the schema's datasource, as it is written, without quotes. Null: it has none. */
export function settingOf(host: Host, schema: HostSchema, name: string): string | null {
  for (const [, text] of filesOf(host, schema)) {
    for (const { kind, open, close } of blocksIn(text)) {
      if (kind !== 'datasource') continue
      for (const line of text.slice(open, close).split('\n')) {
        const [, key, value = ''] = /^\s*(\w+)\s*=(.*)$/.exec(line) ?? []
        if (key === name) return (value.split('//')[0] ?? '').replaceAll('"', '').trim()
      }
    }
  }
  return null
}
