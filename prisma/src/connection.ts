/**
 * Connections that declare two things: they act as the system, which the policies of row-level security
 * require, and their time zone is UTC, which Prisma's adapter assumes. They declare it once on connecting or,
 * if a pooler shares the connections, in each transaction.
 *
 * @module
 */

import { parseUrl, TollgateError } from '@repo/core'
import pg from 'pg'

/** The two settings that the policies of row-level security read; see `asSystem`. */
export const SYSTEM_SETTING = 'tollgate.system'
export const ORGANIZATION_SETTING = 'tollgate.organization'

/**
 * The settings of every connection, whatever the server, the role and the URL set. The adapter writes times
 * without an offset and ignores the offset of the times it reads, so another time zone would shift every
 * time.
 */
const SETTINGS = [
  [SYSTEM_SETTING, 'on'],
  ['TimeZone', 'UTC'],
  ['DateStyle', 'ISO'],
] as const

/**
 * Adds the system's settings to `url`, for connections that see every row: jobs, webhooks, billing, auth. A
 * connection without them sees no row at all, and a transaction that names an organization sees only that
 * organization's rows. Times are UTC. Do not use it with a pooler that shares connections.
 *
 * @throws `invalid_database_url`
 */
export function asSystem(url: string): string {
  const system = urlOf(url)
  const given = system.searchParams.get('options')
  // If a setting is given twice, the last value counts.
  const settings = SETTINGS.map(([name, value]) => `-c ${name}=${value}`)
  system.searchParams.set('options', [given, ...settings].filter(Boolean).join(' '))
  // libpq does not read a plus in a URL as a space.
  system.search = system.search.replaceAll('+', '%20')
  return system.href
}

/**
 * Converts `url` for `pg`. `sslmode=require` and `prefer` encrypt without verifying the server's certificate,
 * as in libpq and as managed databases with their own certificates need it; `verify-full` verifies it.
 */
export function connectionStringOf(url: string): string {
  const address = parseUrl(url)
  if (!address) return url
  const { searchParams: given } = address
  const isLoose = ['require', 'prefer'].includes(given.get('sslmode') ?? '')
  if (!isLoose || given.has('uselibpqcompat')) return url
  given.set('uselibpqcompat', 'true')
  return address.href
}

/** The database that a URL names, without user and password. */
export interface DatabaseTarget {
  /** The host with its port, if the URL has one; or the folder of a socket. */
  host: string
  name: string
}

/**
 * The database that `url` names, for messages to people.
 *
 * @throws `invalid_database_url`
 */
export function databaseTargetOf(url: string): DatabaseTarget {
  const { host, hostname, username, pathname, searchParams } = urlOf(url)
  // Like `pg`: if the URL names no database, the database has the name of the user.
  const name = decodeURIComponent(pathname.slice(1) || username)
  return { host: searchParams.get('host') ?? (hostname === '' ? 'localhost' : host), name }
}

function urlOf(text: string): URL {
  // Node's own error would contain the URL with its password.
  const url = parseUrl(text)
  if (url) return url
  throw new TollgateError(
    'invalid_database_url',
    500,
    'The database URL is malformed. Use postgresql://user:password@host:port/database.',
  )
}

/** The settings of a `pg` pool whose connections act as the system, through a pooler as well. */
export interface Connection {
  /** The address for `pg`. */
  connectionString: string
  /** The class of the connections. */
  Client: typeof pg.Client
  /** Whether each transaction may run on a different server connection. */
  isShared: boolean
}

/**
 * The connection settings for a pool of `pg`, such as that of `createDb`.
 *
 * @throws `invalid_database_url`
 */
export function connectionTo(url: string): Connection {
  const address = urlOf(url)
  if (address.searchParams.get('pgbouncer') !== 'true') {
    const connectionString = connectionStringOf(asSystem(url))
    return { connectionString, Client: ListenedClient, isShared: false }
  }
  address.searchParams.delete('pgbouncer')
  const Client = SharedClient as unknown as typeof pg.Client
  return { connectionString: connectionStringOf(address.href), Client, isShared: true }
}

/**
 * The pool and the adapter each listen for errors only while they hold a connection. A connection lost while
 * it passes from one to the other would end the process, so this class listens from the beginning.
 */
class ListenedClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config)
    this.on('error', () => {})
  }
}

const BEGINS = /^\s*(BEGIN|START\s+TRANSACTION)\b/i
const ENDS = /^\s*(COMMIT|END|ROLLBACK(?!\s+TO\b))\b/i
// No statement here is a query, so the caller can still set the isolation level.
const SAY_SO = SETTINGS.map(([name, value]) => `SET LOCAL ${name} = '${value}'`).join('; ')

type Answer = (error: unknown, result?: unknown) => void
type Query = (query: string | { text: string }, values?: unknown) => Promise<unknown>

/**
 * A connection that can be a different one for each transaction: PgBouncer's mode `transaction`, which hosted
 * databases call pooled. Settings of a connection would not last, so each transaction sets them again, and a
 * single query is wrapped into a transaction.
 */
class SharedClient extends ListenedClient {
  #isOpen = false
  /** The previous query. It keeps other callers' queries out of a transaction. */
  #turn: Promise<unknown> = Promise.resolve()

  // @ts-expect-error all forms of pg's `query` reduce to these two: with a callback, and with a promise.
  override query(query: string | { text: string }, values?: unknown, answer?: Answer) {
    if (typeof values === 'function') return this.query(query, undefined, values as Answer)
    const result = this.#turn.then(() => this.#ask(query, values))
    this.#turn = result.catch(() => {})
    if (!answer) return result
    return void result.then((value) => answer(null, value), answer)
  }

  async #ask(query: string | { text: string }, values: unknown): Promise<unknown> {
    const send = super.query.bind(this) as unknown as Query
    const text = typeof query === 'string' ? query : query.text
    if (BEGINS.test(text)) {
      const begun = await send(query, values)
      this.#isOpen = true
      await send(SAY_SO)
      return begun
    }
    if (this.#isOpen) {
      this.#isOpen = !ENDS.test(text)
      return send(query, values)
    }
    await send(`BEGIN; ${SAY_SO}`)
    try {
      const result = await send(query, values)
      await send('COMMIT')
      return result
    } catch (error) {
      await send('ROLLBACK').catch(() => {})
      throw error
    }
  }
}
