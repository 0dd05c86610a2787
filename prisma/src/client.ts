/**
 * The database client: one factory, one lazy default, one way to join a transaction.
 *
 * @module
 */

import { lazy, readEnv } from '@repo/core'
import { z } from 'zod'
import { type Prisma, PrismaClient } from './generated/client.ts'
import { createAdapter, useAs } from './query-named.ts'

/** What domain functions take: a client or a transaction of one. */
export type Db = Prisma.TransactionClient

/** A client that can open a transaction. */
export type Database = PrismaClient

export const databaseEnv = z.object({
  /** postgresql://user:password@host:port/database, of the role that owns it, or one of `db:grant`. */
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgresql:// URL' }),
})

export interface DbOptions {
  /** Connections at the most. Default 10. */
  maxConnections?: number
}

/**
 * A client of the database at `url`, as the system: it sees the rows of every organization, and
 * `forOrganization` holds it to one. Connects on the first query; `$disconnect()` ends it.
 *
 * `?pgbouncer=true` in the address says that a pooler shares connections between transactions. Then
 * each transaction says that it is the system's, and a query alone takes three round trips.
 *
 * @throws `invalid_database_url`
 */
export function createDb(url: string, options: DbOptions = {}): Database {
  const { adapter, useFor } = createAdapter(url, options.maxConnections ?? 10)
  const client = Object.defineProperty(new PrismaClient({ adapter }), ADDRESS, { value: url })
  useFor(client)
  return client
}

const ADDRESS = Symbol.for('@repo/db/address')

/** Where `createDb` made `db` connect to; null for a client that was made elsewhere. */
export const databaseUrlOf = (db: Database): string | null =>
  (db as { [ADDRESS]?: string })[ADDRESS] ?? null

const shared = globalThis as { [DB]?: Database }
const DB = Symbol.for('@repo/db')

/**
 * The process-wide client, made from `DATABASE_URL` on first use. It outlives a hot reload, so that
 * a development server does not leak connections.
 */
export const db: Database = lazy(() => {
  shared[DB] ??= createDb(readEnv(databaseEnv).DATABASE_URL)
  useAs(shared[DB], db)
  return shared[DB]
})

export interface TransactionOptions {
  /** How long it may wait for a free connection, then run. Defaults 5,000 and 10,000. */
  maxWaitMs?: number
  timeoutMs?: number
}

/**
 * Runs `work` in the caller's transaction where `db` is one, else in its own: all of it commits or
 * none. No network call belongs inside.
 */
export function atomically<T>(
  db: Db | Database,
  work: (tx: Db) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  if (!('$transaction' in db)) return work(db)
  return (db as Database).$transaction(work, {
    maxWait: options.maxWaitMs ?? 5_000,
    timeout: options.timeoutMs ?? 10_000,
  })
}

/**
 * A host's extended client as ours. Prisma's types refuse a client with `$extends`, though it
 * answers the same calls.
 */
export function asDatabase(client: {
  $queryRaw: unknown
  $executeRaw: unknown
  $transaction: unknown
}): Database {
  return client as Database
}
