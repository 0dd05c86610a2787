/**
 * Runs statements that would wait for the same lock. If each used a connection of its own, waiting
 * statements would hold every connection. So the statements of one line share a connection and are sent
 * before earlier answers arrive, and PostgreSQL goes from one to the next without a round trip. Each
 * statement is a transaction by itself and fails alone.
 *
 * @module
 */

import pg from 'pg'
import type { Prisma } from './generated/client.ts'
import { type Queryable, takeConnection } from './query-named.ts'

/** The most statements sent and not yet answered. A lost connection fails at most this many. */
const DEPTH = 16
/** The limit through Prisma: one statement is on its way while the other commits. */
const PRISMA_DEPTH = 2
/** After this many statements a line returns its connection and queues for a new one behind other users. */
const TURN = 64

interface Statement {
  sql: Prisma.Sql
  resolve: (rows: unknown[]) => void
  reject: (error: unknown) => void
}

/** The connection that a line uses for one turn. */
interface Connection {
  depth: number
  ask: (sql: Prisma.Sql) => Promise<unknown[]>
  release: (isLost: boolean) => void
}

const LINES = new WeakMap<object, Map<string, Line>>()

/**
 * Returns the rows of `sql`, which runs after earlier statements of the same `line` and client. Otherwise
 * like `queryNamed`; not for use in a transaction, which has its own connection.
 *
 * @throws as `queryNamed`; the statements under way on a lost connection fail together
 */
export function pipelineQuery<Row>(
  db: Queryable,
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
  /** Null while no turn is running. */
  #send: (() => void) | null = null

  constructor(db: Queryable, name: string, ended: () => void) {
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
        // The first statement goes alone, because it prepares the statement that the others use.
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

async function connect(db: Queryable, name: string): Promise<Connection> {
  const connection = await takeConnection(db)
  if (!connection) {
    return { depth: PRISMA_DEPTH, ask: (sql) => db.$queryRaw<unknown[]>(sql), release: () => {} }
  }
  const { query, release } = connection
  return { depth: DEPTH, ask: (sql) => query(name, sql), release }
}
