/**
 * Statements that are asked all the time, past Prisma, whose own work for each statement is more than PostgreSQL's.
 *
 * @module
 */

import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { connectionTo } from './connection.ts'
import type { Prisma } from './generated/client.ts'
import { createStatementNames } from './statement-names.ts'

/** Makes connections for Prisma that others may use, too. */
class SharingPg extends PrismaPg {
  #pool: pg.Pool | null = null

  override async connect() {
    const adapter = await super.connect()
    this.#pool = adapter.underlyingDriver()
    return adapter
  }

  /** Null before the client's first query and after its last. */
  get pool(): pg.Pool | null {
    return this.#pool && !this.#pool.ending ? this.#pool : null
  }
}

const ADAPTERS = new WeakMap<object, SharingPg>()

/**
 * What a client at `url` connects by; `queryNamed` finds it by the client once it is told of it.
 *
 * @throws `invalid_database_url`
 */
export function createAdapter(
  url: string,
  maxConnections: number,
): { adapter: PrismaPg; useFor(client: object): void } {
  const { isShared, ...connection } = connectionTo(url)
  const config = { max: maxConnections, ...connection }
  // Where a pooler shares connections, nothing can be prepared on them.
  if (isShared) return { adapter: new PrismaPg(config), useFor: () => {} }
  // For `queryInLine`; whoever waits for each answer notices nothing of it.
  // Its type has no undefined, which it passes on, and which pg takes as no name.
  const statementNameGenerator = createStatementNames() as (query: { sql: string }) => string
  const adapter = new SharingPg({ ...config, pipeline: true }, { statementNameGenerator })
  return { adapter, useFor: (client: object) => void ADAPTERS.set(client, adapter) }
}

/** Lets `alias`, which passes everything on to `client`, be as good as it. */
export function useAs(client: object, alias: object): void {
  const adapter = ADAPTERS.get(client)
  if (adapter) ADAPTERS.set(alias, adapter)
}

const types = {
  // As Prisma has it: a number would not hold every one.
  getTypeParser: ((oid, format) =>
    oid === pg.types.builtins.INT8
      ? BigInt
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}

/**
 * The rows that `sql` answers. A client of `createDb` prepares it under `name`, which stands for this
 * text alone; a transaction and any other client ask it through Prisma. A bigint is one either way.
 *
 * @throws PostgreSQL's errors as either way has them; `sqlErrorOf` reads both.
 */
export async function queryNamed<Row>(db: Asking, name: string, sql: Prisma.Sql): Promise<Row[]> {
  const pool = poolOf(db)
  return pool ? queryOn(pool, name, sql) : db.$queryRaw<Row[]>(sql)
}

/** A client, or a transaction of one. */
export interface Asking {
  $queryRaw<T>(sql: Prisma.Sql): Promise<T>
}

/** Of a client of `createDb`; null for any other, and before its first query. */
export const poolOf = (db: Asking): pg.Pool | null => ADAPTERS.get(db)?.pool ?? null

export async function queryOn<Row>(
  connection: pg.Pool | pg.PoolClient,
  name: string,
  { text, values }: Prisma.Sql,
): Promise<Row[]> {
  const { rows } = await connection.query({ name, text, values, types })
  return rows
}

export interface SqlError {
  /** `23505` and the like. Null: the server said none. */
  state: string | null
  message: string
}

/** What PostgreSQL said, where `error` is its own or Prisma's around it. */
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
