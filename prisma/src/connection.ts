/**
 * Connections that say that they act for the system, which is what row-level security asks for, and that
 * their times are UTC, which is what Prisma's adapter takes for granted: once, as they begin, or, where a
 * pooler shares them, in each transaction.
 *
 * @module
 */

import { TollgateError } from '@repo/core'
import pg from 'pg'

/** The two settings that the policies of row-level security ask; see `asSystem`. */
export const SYSTEM_SETTING = 'tollgate.system'
export const ORGANIZATION_SETTING = 'tollgate.organization'

/**
 * What a connection sets, whatever its server, its role and its address say. The adapter writes times without
 * an offset and reads them past the one they have, so that in another zone each would be shifted.
 */
const SETTINGS = [
  [SYSTEM_SETTING, 'on'],
  ['TimeZone', 'UTC'],
  ['DateStyle', 'ISO'],
] as const

/**
 * `url` for connections that act for the system and see every row: jobs, webhooks, billing, auth. A
 * connection that does not say so sees no row at all, and a transaction that names an organization
 * sees that organization's. Its times are UTC. Not for a pooler that shares connections.
 *
 * @throws `invalid_database_url`
 */
export function asSystem(url: string): string {
  const system = urlOf(url)
  const given = system.searchParams.get('options')
  // Of two values of one setting the last counts.
  const settings = SETTINGS.map(([name, value]) => `-c ${name}=${value}`)
  system.searchParams.set('options', [given, ...settings].filter(Boolean).join(' '))
  // Where libpq reads the address, a plus is a plus.
  system.search = system.search.replaceAll('+', '%20')
  return system.href
}

/**
 * `url` as `pg` takes it. `sslmode=require` and `prefer` encrypt and do not ask who signed the certificate, as
 * libpq has it and as managed databases with a certificate of their own need it; `verify-full` asks.
 */
export function connectionStringOf(url: string): string {
  if (!URL.canParse(url)) return url
  const address = new URL(url)
  const { searchParams: given } = address
  const isLoose = ['require', 'prefer'].includes(given.get('sslmode') ?? '')
  if (!isLoose || given.has('uselibpqcompat')) return url
  given.set('uselibpqcompat', 'true')
  return address.href
}

/** Which database an address names, without its user and its password. */
export interface DatabaseTarget {
  /** With its port, where the address has one; the folder of a socket. */
  host: string
  name: string
}

/**
 * Which database `url` names, for a person to read.
 *
 * @throws `invalid_database_url`
 */
export function databaseTargetOf(url: string): DatabaseTarget {
  const { host, hostname, username, pathname, searchParams } = urlOf(url)
  // As `pg` reads it: without a name the database is called as its user.
  const name = decodeURIComponent(pathname.slice(1) || username)
  return { host: searchParams.get('host') ?? (hostname === '' ? 'localhost' : host), name }
}

function urlOf(text: string): URL {
  // Node's own error would carry the address with its password.
  if (URL.canParse(text)) return new URL(text)
  throw new TollgateError('invalid_database_url', 500, 'The database URL is not a URL.')
}

interface Connection {
  connectionString: string
  Client: typeof pg.Client
  /** Whether it may be another one with each transaction. */
  isShared: boolean
}

/**
 * How the pool of `createDb` connects.
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
 * The pool and the adapter listen to a connection that either of them holds. One that is lost while
 * it passes from hand to hand would end the process, so each is listened to from the beginning.
 */
class ListenedClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config)
    this.on('error', () => {})
  }
}

const BEGINS = /^\s*(BEGIN|START\s+TRANSACTION)\b/i
const ENDS = /^\s*(COMMIT|END|ROLLBACK(?!\s+TO\b))\b/i
// No query yet to PostgreSQL, so that an isolation level may still follow.
const SAY_SO = SETTINGS.map(([name, value]) => `SET LOCAL ${name} = '${value}'`).join('; ')

type Answer = (error: unknown, result?: unknown) => void
type Query = (query: string | { text: string }, values?: unknown) => Promise<unknown>

/**
 * A connection that is another one with each transaction: PgBouncer's mode `transaction`, and what
 * hosted databases call pooled. Nothing set for a connection would last, so each transaction says what
 * it is, and a query alone becomes one.
 */
class SharedClient extends ListenedClient {
  #isOpen = false
  /** The query before, so that nobody else's comes between those that belong together. */
  #turn: Promise<unknown> = Promise.resolve()

  // @ts-expect-error pg's many forms come down to these two: with an answer, and with a promise.
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
