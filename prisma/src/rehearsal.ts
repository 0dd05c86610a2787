/**
 * A rehearsal: a database client of which nothing remains. All its statements run on one connection, in one
 * transaction that is rolled back at the end, also where the process is killed. A transaction of the caller becomes a
 * savepoint. So `tollgate doctor` can try a real sign-in.
 *
 * @module
 */

import { PrismaPg } from '@prisma/adapter-pg'
import { TollgateError } from '@repo/core'
import type { CheckRun } from '@repo/core/checks'
import pg from 'pg'
import type { Database } from './client.ts'
import { connectionTo, databaseTargetOf } from './connection.ts'
import { PrismaClient } from './generated/client.ts'

/** A client of which nothing remains. */
export interface Rehearsal {
  /** The client. It writes and reads as any other; a process sees only what it has written itself. */
  db: Database
  /** Rolls everything back and closes the connection. */
  close(): Promise<void>
}

/** The options of {@link openRehearsal}. */
export interface RehearsalOptions {
  /** Lets PostgreSQL refuse every write. Default false. */
  isReadOnly?: boolean
}

/** Opens a rehearsal on the database at `url`. It connects on the first query. @throws `invalid_database_url` */
export function openRehearsal(
  url: string,
  { isReadOnly = false }: RehearsalOptions = {},
): Rehearsal {
  const pool = new RehearsalPool(url, `BEGIN${isReadOnly ? ' READ ONLY' : ''}; ${SYSTEM}`)
  const db = new PrismaClient({ adapter: new PrismaPg(pool as unknown as pg.Pool) })
  return {
    db,
    async close() {
      // The end of the connection is the end of its transaction, and nothing was committed.
      await db.$disconnect()
      await pool.close()
    },
  }
}

/** Why nothing may be rehearsed in a database; null if it may. `mayRehearse` admits a database of another machine. */
export async function rehearsalRefusal(
  db: Pick<Database, '$queryRaw'>,
  url: string | null,
  { isLive, mayRehearse }: CheckRun,
): Promise<string | null> {
  if (url === null) return 'the client was not made by createDb, so its database is not known'
  if (isLive) return 'the dry run before production writes nothing'
  if (process.env.NODE_ENV === 'production') return 'NODE_ENV is production'
  const [found] = await db.$queryRaw<[{ holds: boolean }]>`
    SELECT EXISTS (SELECT FROM "StripeAccount" WHERE "livemode") AS "holds"`
  if (found.holds) return 'the database holds customers who pay real money'
  const { host, name } = databaseTargetOf(url)
  if (isOnThisMachine(host) || mayRehearse) return null
  return `the database ${host}/${name} is on another machine; --rehearse allows it, and everything is rolled back`
}

const isOnThisMachine = (host: string): boolean =>
  host.startsWith('/') || /^(localhost|127(\.\d+){3}|\[::1\]|::1)(:\d+)?$/.test(host)

const SYSTEM =
  "SET LOCAL tollgate.system = 'on'; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'"

const BEGINS = /^\s*(BEGIN|START\s+TRANSACTION)\b/i
const COMMITS = /^\s*(COMMIT|END)\b/i
const ROLLS_BACK = /^\s*ROLLBACK(?!\s+TO\b)/i
const ISOLATES = /^\s*SET\s+TRANSACTION\b/i

type Answer = (error: unknown, result?: unknown) => void
type Query = (query: string | { text: string }, values?: unknown) => Promise<unknown>

/**
 * A pool of one connection, which is neither exchanged nor thrown away: `pg` throws a connection away after a statement
 * that failed, and the transaction would go with it.
 */
class RehearsalPool extends pg.Pool {
  readonly #client: RehearsalClient
  #connected: Promise<void> | undefined
  /** Ends when the connection is free. */
  #free: Promise<void> = Promise.resolve()

  constructor(url: string, begin: string) {
    const { connectionString } = connectionTo(url)
    super({ connectionString })
    this.#client = new RehearsalClient({ connectionString }, begin)
  }

  // @ts-expect-error the adapter uses the form that returns a promise.
  override async connect() {
    this.#connected ??= this.#client.connect().then(() => {})
    await this.#connected
    const before = this.#free
    let release = () => {}
    this.#free = new Promise((done) => {
      release = done
    })
    await before
    return Object.assign(this.#client, { release: () => release() })
  }

  override async query(query: string | { text: string }, values?: unknown) {
    const client = await this.connect()
    const { release } = client
    try {
      return await client.query(query, values)
    } finally {
      release()
    }
  }

  /** Closes the connection, with which its transaction ends. */
  async close(): Promise<void> {
    if (this.#connected) await this.#client.end().catch(() => {})
    await this.end()
  }
}

/** The connection, which never commits. */
class RehearsalClient extends pg.Client {
  readonly #begin: string
  #hasBegun = false
  #isOpen = false
  /** The previous query, so that statements do not mix. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(config: pg.ClientConfig, begin: string) {
    super(config)
    this.#begin = begin
    this.on('error', () => {})
  }

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
    if (!this.#hasBegun) {
      await send(this.#begin)
      this.#hasBegun = true
    }
    const text = typeof query === 'string' ? query : query.text
    if (BEGINS.test(text)) {
      if (this.#isOpen) throw nested()
      this.#isOpen = true
      return send('SAVEPOINT rehearsal_transaction')
    }
    // The transaction has begun, and PostgreSQL would refuse another level now.
    if (ISOLATES.test(text)) return send('SELECT 1')
    if (this.#isOpen && (COMMITS.test(text) || ROLLS_BACK.test(text))) {
      this.#isOpen = false
      return COMMITS.test(text) ? this.#release(send) : this.#undo(send)
    }
    if (this.#isOpen) return send(query, values)
    await send('SAVEPOINT rehearsal_statement')
    try {
      const result = await send(query, values)
      await send('RELEASE SAVEPOINT rehearsal_statement')
      return result
    } catch (error) {
      await send('ROLLBACK TO SAVEPOINT rehearsal_statement')
      throw error
    }
  }

  /** As PostgreSQL answers COMMIT: with ROLLBACK where a statement has failed. */
  async #release(send: Query): Promise<unknown> {
    try {
      const result = (await send('RELEASE SAVEPOINT rehearsal_transaction')) as object
      return Object.assign(result, { command: 'COMMIT' })
    } catch {
      return this.#undo(send)
    }
  }

  async #undo(send: Query): Promise<unknown> {
    await send('ROLLBACK TO SAVEPOINT rehearsal_transaction')
    const result = (await send('RELEASE SAVEPOINT rehearsal_transaction')) as object
    return Object.assign(result, { command: 'ROLLBACK' })
  }
}

const nested = () =>
  new TollgateError('rehearsal_failed', 500, 'A transaction was begun within a transaction.')
