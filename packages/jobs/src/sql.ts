/**
 * The few statements that the worker itself makes, on plain connections. A Prisma client for them would cost each
 * pass of a cron route more than the jobs that it runs.
 *
 * @module
 */

import { connectionTo, Prisma } from '@repo/db'
import pg from 'pg'

/** Runs statements: a pool, or the transaction that a callback of `transaction` gets. */
export interface Sql {
  /** Runs one statement and returns its rows. */
  query<Row>(strings: TemplateStringsArray, ...values: unknown[]): Promise<Row[]>
}

/** A pool of connections that act as the system. */
export interface SqlPool extends Sql {
  /** Runs `work` in a transaction: all of it commits or nothing does. */
  transaction(work: (sql: Sql) => Promise<void>): Promise<void>
  /** Closes the connections. */
  close(): Promise<void>
}

/**
 * Creates a pool of one connection, which is opened at the first statement.
 *
 * @throws `invalid_database_url`
 */
export function createSql(databaseUrl: string): SqlPool {
  const { connectionString, Client } = connectionTo(databaseUrl)
  const pool = new pg.Pool({ connectionString, Client, max: 1 })
  // A lost idle connection reports here; without a listener the event would end the process.
  pool.on('error', () => {})
  return {
    ...on(pool),
    async transaction(work) {
      const client = await pool.connect()
      let failed: unknown
      try {
        await client.query('BEGIN')
        await work(on(client))
        await client.query('COMMIT')
      } catch (error) {
        failed = error
        await client.query('ROLLBACK').catch(() => {})
        throw error
      } finally {
        // A connection whose transaction failed is not used again.
        client.release(failed !== undefined)
      }
    },
    close: () => pool.end(),
  }
}

const on = (connection: Pick<pg.ClientBase, 'query'>): Sql => ({
  async query<Row>(strings: TemplateStringsArray, ...values: unknown[]) {
    const { text, values: given } = Prisma.sql(strings, ...values)
    return (await connection.query(text, given)).rows as Row[]
  },
})
