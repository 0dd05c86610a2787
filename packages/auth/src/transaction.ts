/**
 * Better Auth's endpoints, each in one transaction. Its own transactions stay off, because signing up
 * would hold a connection while it hashes; but an organization without its owner, or an invitation
 * that is used up and made nobody a member, must not be left behind by a crash.
 *
 * @module
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { getCurrentAdapter, runWithTransaction } from '@better-auth/core/context'
import { atomically, type Database, type Db } from '@repo/db'
import type { AuthContext, BetterAuthOptions } from 'better-auth'
import { adapterOf } from './adapter.ts'
import type { Endpoint } from './endpoint.ts'

/** Waiting for one another is normal among commands of one organization. */
const LIMITS = { maxWaitMs: 15_000, timeoutMs: 20_000 }

const open = new AsyncLocalStorage<Db>()

/** The transaction of the endpoint that is running; undefined outside of one. */
export const currentTransaction = (): Db | undefined => open.getStore()

interface Call {
  context: AuthContext & { options: BetterAuthOptions }
}

export interface Around {
  /** Part of the transaction; gets what the endpoint answers. */
  after(answer: unknown): Promise<void>
  /** What is said for an error of the database; null for the error itself. */
  refusalOf(error: unknown): Error | null
}

/**
 * `work` in a transaction that Better Auth's side is a part of. Without that its statements would wait for a second
 * connection, and as many callers at once as there are connections would wait for each other.
 */
export async function withinTransaction<T>(
  db: Database,
  options: BetterAuthOptions,
  work: (tx: Db) => Promise<T>,
): Promise<T> {
  const transaction = <R>(inner: (adapter: unknown) => Promise<R>): Promise<R> =>
    atomically(db, (tx) => open.run(tx, () => inner(adapterOf(tx)(options))), LIMITS)
  const opener = { transaction } as unknown as AuthContext['adapter']
  return await runWithTransaction(opener, () => work(currentTransaction() as Db))
}

/** `endpoint` in a transaction: what it throws undoes what it did. */
export function inTransaction<E extends Endpoint>(
  db: Database,
  endpoint: E,
  { after, refusalOf }: Around,
): E {
  const wrapped = (ctx: Call) =>
    withinTransaction(db, ctx.context.options, async () => {
      const adapter = await getCurrentAdapter(ctx.context.adapter)
      const result = await endpoint({ ...ctx, context: { ...ctx.context, adapter } })
      await after((result as { response?: unknown } | undefined)?.response)
      return result
    }).catch((error: unknown) => {
      throw refusalOf(error) ?? error
    })
  return Object.assign(wrapped, endpoint) as unknown as E
}
