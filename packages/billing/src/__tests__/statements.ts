/** Every statement that reaches PostgreSQL from this process, the BEGIN and COMMIT of transactions with them. */

import { createRequire } from 'node:module'

type Query = (...args: unknown[]) => unknown

/** The copy of `pg` that every client here uses. */
const pg: { Client: { prototype: { query: Query } } } = createRequire(
  import.meta.resolve('@repo/db'),
)('pg')

/** What `work` sends, in order. Calls beside it would be counted with it. */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const sent: string[] = []
  const { prototype } = pg.Client
  const { query } = prototype
  prototype.query = function (this: unknown, ...args: unknown[]) {
    const [first] = args as [string | { text?: string }]
    const text = typeof first === 'string' ? first : first.text
    if (text !== undefined) sent.push(text.replace(/\s+/g, ' ').trim())
    return Reflect.apply(query, this, args)
  }
  try {
    await work()
  } finally {
    prototype.query = query
  }
  return sent
}
