/**
 * Runs frequent statements without Prisma, whose own work for each statement is more than PostgreSQL's.
 *
 * @module
 */

import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { connectionTo } from './connection.ts'
import type { Prisma } from './generated/client.ts'
import { createStatementNames, type StatementNames } from './statement-names.ts'

/** Makes Prisma's connection pool available to other code, and names the statements that Prisma repeats. */
class SharingPg extends PrismaPg {
  #pool: pg.Pool | null = null
  readonly #names: StatementNames

  constructor(config: pg.PoolConfig) {
    const names = createStatementNames()
    // The generator's type lacks `undefined`, but the adapter passes it on, and pg takes it as no name.
    super(config, { statementNameGenerator: names.of as (query: { sql: string }) => string })
    this.#names = names
  }

  override async connect() {
    const adapter = await super.connect()
    const pool = adapter.underlyingDriver()
    pool.on('connect', (client) => renewOnChange(client, this.#names))
    this.#pool = pool
    return adapter
  }

  /** Prisma's pool. Null before the client's first query and after it was closed. */
  get pool(): pg.Pool | null {
    return this.#pool && !this.#pool.ending ? this.#pool : null
  }

  /** Sends a named statement on a connection of the pool. */
  async query<Row>(connection: pg.Pool | pg.PoolClient, name: string, sql: Prisma.Sql) {
    const { text, values } = sql
    const query = { name: this.#names.given(name), text, values, types }
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

const ADAPTERS = new WeakMap<object, SharingPg>()

/**
 * Creates the adapter of a client at `url`. `useFor` registers the client, so that `queryNamed` finds its
 * pool.
 *
 * @throws `invalid_database_url`
 */
export function createAdapter(
  url: string,
  maxConnections: number,
): { adapter: PrismaPg; useFor(client: object): void } {
  const { isShared, ...connection } = connectionTo(url)
  const config = { max: maxConnections, ...connection }
  // Prepared statements do not survive on connections that a pooler shares.
  if (isShared) return { adapter: new PrismaPg(config), useFor: () => {} }
  // The option `pipeline` is for `pipelineQuery` and does not affect callers that wait for each answer.
  const adapter = new SharingPg({ ...config, pipeline: true })
  return { adapter, useFor: (client: object) => void ADAPTERS.set(client, adapter) }
}

/** Lets `queryNamed` use the pool of `client` for `alias`, which wraps `client`. */
export function shareAdapter(client: object, alias: object): void {
  const adapter = ADAPTERS.get(client)
  if (adapter) ADAPTERS.set(alias, adapter)
}

const types = {
  // Like Prisma: a number cannot hold every int8.
  getTypeParser: ((oid, format) =>
    oid === pg.types.builtins.INT8
      ? BigInt
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}

/**
 * Returns the rows of `sql`. A client of `createDb` prepares the statement under `name`, which must always stand for
 * this text. A transaction or any other client runs the statement through Prisma. A bigint column becomes a BigInt either way. Name the columns instead of `*`, because PostgreSQL
 * refuses a prepared statement whose columns a migration has changed.
 *
 * @throws PostgreSQL's error, or Prisma's error around it; `sqlErrorOf` reads both.
 */
export async function queryNamed<Row>(
  db: Queryable,
  name: string,
  sql: Prisma.Sql,
): Promise<Row[]> {
  const adapter = ADAPTERS.get(db)
  return adapter?.pool ? adapter.query(adapter.pool, name, sql) : db.$queryRaw<Row[]>(sql)
}

/** A client, or a transaction of a client. */
export interface Queryable {
  /** Runs one statement and returns its rows. */
  $queryRaw<T>(sql: Prisma.Sql): Promise<T>
}

/**
 * Takes a connection out of the pool of `db`, a client of `createDb`. Null for any other client, and before
 * the first query.
 */
export async function takeConnection(db: Queryable): Promise<{
  query<Row>(name: string, sql: Prisma.Sql): Promise<Row[]>
  release(isLost: boolean): void
} | null> {
  const adapter = ADAPTERS.get(db)
  if (!adapter?.pool) return null
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
