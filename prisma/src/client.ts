/**
 * The database client: a factory, a lazy default instance, and `atomically` to join a transaction.
 *
 * @module
 */

import { lazy, readEnv } from '@repo/core'
import * as z from 'zod'
import { type Prisma, PrismaClient } from './generated/client.ts'
import { createAdapter, shareAdapter, withConnection } from './query-named.ts'

/** The argument of domain functions: a client or a transaction. */
export type Db = Prisma.TransactionClient

/** A client, which can open transactions. */
export type Database = PrismaClient

/** The environment variable of the default client. */
export const databaseEnv = z.object({
  /** postgresql://user:password@host:port/database. The user owns the database, or is a role of `db:grant`. */
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgresql:// URL' }),
})

/** The options of {@link createDb}. */
export interface DbOptions {
  /** The most connections. Default 10. */
  maxConnections?: number
}

/**
 * Creates a client for the database at `url`. It acts as the system and sees the rows of every organization;
 * `forOrganization` limits it to one organization. It connects on the first query; `$disconnect()` closes it.
 *
 * `?pgbouncer=true` in the URL means that a pooler shares connections between transactions. Then each
 * transaction declares that it acts as the system, and a single query takes three round trips.
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

/** The URL that `createDb` connected `db` to; null for a client that was created elsewhere. */
export const databaseUrlOf = (db: Database): string | null =>
  (db as { [ADDRESS]?: string })[ADDRESS] ?? null

const shared = globalThis as { [DB]?: Database }
const DB = Symbol.for('@repo/db')

/**
 * The client of this process, created from `DATABASE_URL` on first use. It survives a hot reload, so that a
 * development server does not leak connections.
 */
export const db: Database = lazy(() => {
  shared[DB] ??= createDb(readEnv(databaseEnv).DATABASE_URL)
  shareAdapter(shared[DB], db)
  return shared[DB]
})

/** The time limits of a transaction, in milliseconds. */
export interface TransactionOptions {
  /** How long to wait for a free connection. Default 5,000. */
  maxWaitMs?: number
  /** How long to run. Default 10,000. */
  timeoutMs?: number
}

/**
 * Runs `work` in the caller's transaction if `db` is one, else in a transaction of its own: all of it commits
 * or nothing does. Make no network call inside.
 *
 * @throws The error of `work`. An error where a statement failed and `work` caught its error, because PostgreSQL
 * then rolls everything back.
 */
export function atomically<T>(
  db: Db | Database,
  work: (tx: Db) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  if (!('$transaction' in db)) return work(db)
  const limits = { maxWait: options.maxWaitMs ?? 5_000, timeout: options.timeoutMs ?? 10_000 }
  return withConnection<T, Db>(db, (wrap) => (db as Database).$transaction(wrap(work), limits))
}

/** The members that a client with `$extends` needs to serve as a `Database`. */
export interface ExtendedClient {
  /** Runs one statement and returns its rows. */
  $queryRaw: unknown
  /** Runs one statement and returns the number of its rows. */
  $executeRaw: unknown
  /** Runs queries in one transaction. */
  $transaction: unknown
}

/**
 * Accepts a host's extended client as a `Database`. Prisma's types refuse a client with `$extends`, though it
 * answers the same calls.
 */
export function asDatabase(client: ExtendedClient): Database {
  return client as Database
}
