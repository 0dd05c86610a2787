/**
 * The statements that one call sends to PostgreSQL: each message of a client that makes the server run something
 * is one, so `BEGIN`, `COMMIT` and `SET` count, and so does what the call sets off and does not wait for. What other
 * calls, workers and the sign of life of the listening connection send at the same time does not count.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'
import { afterAll, beforeAll } from 'vitest'

type Query = (...args: unknown[]) => unknown

/** The copy of `pg` that every client here uses. */
const pg: { Client: { prototype: { query: Query } } } = createRequire(
  import.meta.resolve('@repo/db'),
)('pg')

/** A process sends it at most once in 25 ms, for all calls together, and the first of them would be charged for it. */
const WAKE = 'NOTIFY "tollgate_denials"'

/** Counts from `beforeAll` to `afterAll` of the file that calls it. */
export function countStatements() {
  const calls = new AsyncLocalStorage<string[]>()
  const { prototype } = pg.Client
  const { query } = prototype
  beforeAll(() => {
    prototype.query = function (this: unknown, ...args: unknown[]) {
      const [first] = args as [string | { text?: string }]
      const text = (typeof first === 'string' ? first : first.text) ?? ''
      if (text !== WAKE) calls.getStore()?.push(titleOf(text))
      return Reflect.apply(query, this, args)
    }
  })
  afterAll(() => {
    prototype.query = query
  })

  /** What `call` sends, in order, each by its verb and its tables. `settled` waits for what it sets off. */
  return async function statementsOf(
    call: () => Promise<unknown>,
    settled: () => Promise<unknown>,
  ): Promise<string[]> {
    const sent: string[] = []
    await calls.run(sent, call)
    await settled()
    return sent
  }
}

/** The verb, and the tables and functions in the order of the text: `SELECT Session, User`. */
function titleOf(text: string): string {
  const verb = /^\s*(\w+)/.exec(text)?.[1]?.toUpperCase() ?? ''
  const names = text.matchAll(/\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:"?\w+"?\.)?"?(\w*[A-Za-z]\w*)"?/g)
  const known = [...names]
    .map(([, name]) => name)
    .filter((name) => /^[A-Z](?!ET$)|^add_job/.test(name ?? ''))
  return [verb, [...new Set(known)].join(', ')].join(' ').trim()
}
