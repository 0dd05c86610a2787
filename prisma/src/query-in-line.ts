/**
 * Statements that would wait for the same lock. Each on a connection of its own would hold it while it
 * waits, until nobody else has one. Those of one line share a connection and are sent before the answers
 * to the ones before them are there, so that PostgreSQL goes from one to the next without a way back to
 * the process. Each is a transaction by itself: what fails fails alone.
 *
 * @module
 */

import pg from 'pg'
import type { Prisma } from './generated/client.ts'
import { type Asking, poolOf, queryOn } from './query-named.ts'

/** How many are sent and not answered. A connection that is lost fails so many at the most. */
const DEPTH = 16
/** Through Prisma: one is on its way while the other is at its commit. */
const PRISMA_DEPTH = 2
/** After so many a line gives its connection back and asks for one anew, behind whoever waits. */
const TURN = 64

interface Statement {
  sql: Prisma.Sql
  resolve: (rows: unknown[]) => void
  reject: (error: unknown) => void
}

/** Where the statements of a turn are asked. */
interface Connection {
  depth: number
  ask: (sql: Prisma.Sql) => Promise<unknown[]>
  release: (isLost: boolean) => void
}

const LINES = new WeakMap<object, Map<string, Line>>()

/**
 * The rows that `sql` answers, behind those of the same `line` that were asked of this client before.
 * Otherwise as `queryNamed`; not for transactions, which have a connection.
 *
 * @throws as `queryNamed`; those under way on a connection that is lost fail together
 */
export function queryInLine<Row>(
  db: Asking,
  line: string,
  name: string,
  sql: Prisma.Sql,
): Promise<Row[]> {
  const lines = LINES.get(db) ?? new Map<string, Line>()
  LINES.set(db, lines)
  const key = `${name} ${line}`
  const its = lines.get(key) ?? new Line(db, name, () => lines.delete(key))
  lines.set(key, its)
  return its.ask(sql) as Promise<Row[]>
}

class Line {
  readonly #waiting: Statement[] = []
  readonly #connect: () => Promise<Connection>
  readonly #ended: () => void
  /** Null: nobody serves it. */
  #send: (() => void) | null = null

  constructor(db: Asking, name: string, ended: () => void) {
    this.#connect = () => connect(db, name)
    this.#ended = ended
  }

  ask(sql: Prisma.Sql): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ sql, resolve, reject })
      if (this.#send) this.#send()
      else void this.#serve()
    })
  }

  async #serve(): Promise<void> {
    this.#send = () => {}
    while (this.#waiting.length > 0) {
      try {
        await this.#turn(await this.#connect())
      } catch (error) {
        for (const { reject } of this.#waiting.splice(0)) reject(error)
      }
    }
    this.#ended()
  }

  async #turn({ depth, ask, release }: Connection): Promise<void> {
    let [sent, open, isPrepared, isLost] = [0, 0, false, false]
    await new Promise<void>((done) => {
      const answered = () => {
        open -= 1
        send()
      }
      const send = () => {
        // The first goes alone, because the others need what it prepares.
        while (open < (isPrepared ? depth : 1) && sent < TURN && !isLost) {
          const next = this.#waiting.shift()
          if (!next) break
          sent += 1
          open += 1
          ask(next.sql).then(
            (rows) => {
              isPrepared = true
              next.resolve(rows)
              answered()
            },
            (error: unknown) => {
              isLost ||= !(error instanceof pg.DatabaseError) || error.severity === 'FATAL'
              next.reject(error)
              answered()
            },
          )
        }
        if (open === 0) done()
      }
      this.#send = send
      send()
    })
    this.#send = () => {}
    release(isLost)
  }
}

async function connect(db: Asking, name: string): Promise<Connection> {
  const pool = poolOf(db)
  if (!pool) {
    return { depth: PRISMA_DEPTH, ask: (sql) => db.$queryRaw<unknown[]>(sql), release: () => {} }
  }
  const client = await pool.connect()
  return {
    depth: DEPTH,
    ask: (sql) => queryOn(client, name, sql),
    release: (isLost) => client.release(isLost),
  }
}
