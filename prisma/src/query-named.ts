/**
 * Runs frequent statements without Prisma, whose own work for each statement is more than PostgreSQL's: a row
 * read in a transaction takes Prisma 0.3 ms of the processor and `pg` 0.06 ms.
 *
 * @module
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { connectionTo } from './connection.ts'
import type { Prisma } from './generated/client.ts'
import { createStatementNames, type StatementNames } from './statement-names.ts'

/** Shares one connection pool between Prisma and other code, and names the statements that Prisma repeats. */
class SharingPg extends PrismaPg {
  readonly #config: pg.PoolConfig
  readonly #names: StatementNames | null
  #pool: pg.Pool | null = null

  /** @param names null for connections that a pooler shares, on which prepared statements do not survive */
  constructor(config: pg.PoolConfig, names: StatementNames | null) {
    super(config, {
      disposeExternalPool: true,
      // The generator's type lacks `undefined`, but the adapter passes it on, and pg takes it as no name.
      ...(names ? { statementNameGenerator: names.of as (query: { sql: string }) => string } : {}),
    })
    this.#config = config
    this.#names = names
  }

  override async connect() {
    // The adapter takes a pool of this name for its own, and ends it when Prisma disconnects.
    Object.assign(this, { externalPool: this.pool })
    const adapter = await super.connect()
    const start = adapter.startTransaction.bind(adapter)
    adapter.startTransaction = async (isolationLevel) => {
      const transaction = await start(isolationLevel)
      refuseLostCommit(transaction)
      const began = BEGINS.getStore()
      if (began) began.connection = connectionOf(this, transaction)
      return transaction
    }
    return adapter
  }

  /**
   * The pool, which is opened at its first use. Prisma loads its compiler with its own first query, which takes
   * far longer than a connection, and the statements here do not need it.
   */
  get pool(): pg.Pool {
    if (this.#pool && !this.#pool.ending) return this.#pool
    const pool = new pg.Pool(this.#config)
    // A connection that is lost while nobody uses it must not end the process.
    pool.on('error', () => {})
    const names = this.#names
    if (names) pool.on('connect', (client) => renewOnChange(client, names))
    this.#pool = pool
    return pool
  }

  /** Ends the pool, unless Prisma has ended it. */
  async close(): Promise<void> {
    if (this.#pool && !this.#pool.ending) await this.#pool.end()
  }

  /** Sends a named statement on a connection of the pool. */
  async query<Row>(connection: pg.Pool | pg.PoolClient, name: string, sql: Prisma.Sql) {
    const { text, values } = sql
    const query = { ...(this.#names ? { name: this.#names.given(name) } : {}), text, values, types }
    const { rows } = await connection.query(query)
    return rows as Row[]
  }
}

/**
 * Renews the names after a migration has changed the type of a result. PostgreSQL refuses the prepared statement
 * from then on, and a transaction would keep its connection and fail again and again.
 */
function renewOnChange(client: pg.PoolClient, names: StatementNames): void {
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter }
  connection.on('errorMessage', ({ code, routine }: pg.DatabaseError) => {
    // The message is in the server's language; the routine is not.
    if (code === '0A000' && routine === 'RevalidateCachedQuery') names.renew()
  })
}

/** A transaction's connection, which `queryNamed` uses until the transaction ends. */
interface TransactionConnection {
  adapter: SharingPg
  client: pg.PoolClient
  hasEnded: boolean
}

/** The transaction that `withConnection` is opening, so that the adapter can pass its connection on. */
const BEGINS = new AsyncLocalStorage<{ connection: TransactionConnection | null }>()

type Transaction = Awaited<ReturnType<Awaited<ReturnType<PrismaPg['connect']>>['startTransaction']>>

/**
 * Lets the COMMIT of a transaction fail where PostgreSQL rolled back. After a statement has failed, PostgreSQL answers
 * COMMIT with `ROLLBACK` and no error, so a callback that caught the statement's error would be told of a success.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html, CommandComplete
 */
function refuseLostCommit(transaction: Transaction): void {
  const sender = transaction as unknown as {
    performIO(query: { sql: string }): Promise<{ command: string }>
  }
  const send = sender.performIO.bind(sender)
  sender.performIO = async (query) => {
    const result = await send(query)
    if (query.sql === 'COMMIT' && result.command === 'ROLLBACK') throw new Error(LOST_COMMIT)
    return result
  }
}

const LOST_COMMIT =
  'PostgreSQL rolled the transaction back, because one of its statements failed and the callback caught the error. ' +
  'Let the error leave the callback, or put a savepoint around the statement.'

/** The connection of Prisma's transaction. It ends with the COMMIT or ROLLBACK that Prisma sends. */
function connectionOf(adapter: SharingPg, transaction: Transaction): TransactionConnection {
  const { client } = transaction as unknown as { client: pg.PoolClient }
  const connection = { adapter, client, hasEnded: false }
  const execute = transaction.executeRaw.bind(transaction)
  transaction.executeRaw = (query) => {
    if (query.sql === 'COMMIT' || query.sql === 'ROLLBACK') connection.hasEnded = true
    return execute(query)
  }
  return connection
}

const TRANSACTIONS = new WeakMap<object, TransactionConnection>()

/**
 * Calls `begin`, which opens a transaction of `db` and passes it to the callback. In the callback `queryNamed`
 * uses the transaction's own connection. A client that a host or `forOrganization` has extended keeps its
 * extension: its statements go through Prisma.
 */
export function withConnection<T, Tx extends object>(
  db: object,
  begin: (wrap: (work: (tx: Tx) => Promise<T>) => (tx: Tx) => Promise<T>) => Promise<T>,
): Promise<T> {
  if (!ADAPTERS.has(db)) return begin((work) => work)
  const began: { connection: TransactionConnection | null } = { connection: null }
  const wrap = (work: (tx: Tx) => Promise<T>) => (tx: Tx) => {
    if (began.connection) TRANSACTIONS.set(tx, began.connection)
    return work(tx)
  }
  return BEGINS.run(began, () => begin(wrap))
}

/** The adapters of clients that have connections of their own. */
const ADAPTERS = new WeakMap<object, SharingPg>()
/** The adapters of clients whose connections a pooler shares. */
const POOLED = new WeakMap<object, SharingPg>()

/**
 * Creates the adapter of a client at `url`. `useFor` registers the client, so that `queryNamed` finds its
 * pool, and lets its `$disconnect` end the pool also where Prisma itself never connected.
 *
 * @throws `invalid_database_url`
 */
export function createAdapter(
  url: string,
  maxConnections: number,
): { adapter: PrismaPg; useFor(client: { $disconnect(): Promise<void> }): void } {
  const { isShared, ...connection } = connectionTo(url)
  const config = { max: maxConnections, ...connection }
  const adapter = isShared
    ? new SharingPg(config, null)
    : // The option `pipeline` is for `pipelineQuery` and does not affect callers that wait for each answer.
      new SharingPg({ ...config, pipeline: true } as pg.PoolConfig, createStatementNames())
  return {
    adapter,
    useFor(client) {
      const disconnect = client.$disconnect.bind(client)
      const value = async () => {
        await disconnect()
        await adapter.close()
      }
      Object.defineProperty(client, '$disconnect', { value })
      const adapters = isShared ? POOLED : ADAPTERS
      adapters.set(client, adapter)
    },
  }
}

/** Lets `queryNamed` use the pool of `client` for `alias`, which wraps `client`. */
export function shareAdapter(client: object, alias: object): void {
  for (const adapters of [ADAPTERS, POOLED]) {
    const adapter = adapters.get(client)
    if (adapter) adapters.set(alias, adapter)
  }
}

const types = {
  // Like Prisma: a number cannot hold every int8.
  getTypeParser: ((oid, format) =>
    oid === pg.types.builtins.INT8
      ? BigInt
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}

/**
 * Returns the rows of `sql`. A client of `createDb`, and its transaction in `atomically`, prepares the
 * statement under `name`, which must always stand for this text; where a pooler shares connections, nothing
 * is prepared. Any other client runs the statement through Prisma. A bigint column becomes a BigInt either
 * way. Name the columns instead of `*`, because PostgreSQL refuses a prepared statement whose columns a
 * migration has changed.
 *
 * @throws PostgreSQL's error, or Prisma's error around it; `sqlErrorOf` reads both. An error where the
 * transaction has ended.
 */
export async function queryNamed<Row>(
  db: Queryable,
  name: string,
  sql: Prisma.Sql,
): Promise<Row[]> {
  const transaction = TRANSACTIONS.get(db)
  if (transaction?.hasEnded)
    throw new Error(`The transaction has ended, so the statement ${name} was not sent.`)
  if (transaction) return transaction.adapter.query(transaction.client, name, sql)
  const adapter = ADAPTERS.get(db) ?? POOLED.get(db)
  return adapter ? adapter.query(adapter.pool, name, sql) : db.$queryRaw<Row[]>(sql)
}

/** A client, or a transaction of a client. */
export interface Queryable {
  /** Runs one statement and returns its rows. */
  $queryRaw<T>(sql: Prisma.Sql): Promise<T>
}

/**
 * Takes a connection out of the pool of `db`, a client of `createDb`. Null for any other client, and where a
 * pooler shares connections.
 */
export async function takeConnection(db: Queryable): Promise<{
  query<Row>(name: string, sql: Prisma.Sql): Promise<Row[]>
  release(isLost: boolean): void
} | null> {
  const adapter = ADAPTERS.get(db)
  if (!adapter) return null
  const client = await adapter.pool.connect()
  return {
    query: (name, sql) => adapter.query(client, name, sql),
    release: (isLost) => client.release(isLost),
  }
}

/** An error that PostgreSQL reported. */
export interface SqlError {
  /** The SQLSTATE, such as `23505`. Null: the server sent none. */
  state: string | null
  message: string
}

/** PostgreSQL's error, read from its own error or from Prisma's error around it. */
export function sqlErrorOf(error: unknown): SqlError {
  if (error instanceof pg.DatabaseError) {
    return { state: error.code ?? null, message: error.message }
  }
  const { message = '', meta } = (error ?? {}) as {
    message?: string
    meta?: { driverAdapterError?: { cause?: { originalCode?: string; originalMessage?: string } } }
  }
  const cause = meta?.driverAdapterError?.cause
  return { state: cause?.originalCode ?? null, message: cause?.originalMessage ?? message }
}
