/**
 * Runs single endpoints of Better Auth in one transaction each. Better Auth's own transactions stay off,
 * because a sign-up would hold a connection while it hashes. But a crash must not leave behind an
 * organization without its owner, or a used invitation that made nobody a member.
 *
 * @module
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { getCurrentAdapter, runWithTransaction } from '@better-auth/core/context'
import { atomically, type Database, type Db } from '@repo/db'
import type { AuthContext, BetterAuthOptions } from 'better-auth'
import type { Endpoint } from '../http/endpoint.ts'
import { adapterOf } from './adapter.ts'

/** The times are long, because commands of one organization often wait for each other. */
const LIMITS = { maxWaitMs: 15_000, timeoutMs: 20_000 }

const open = new AsyncLocalStorage<Db>()

/** The transaction of the running endpoint; undefined outside of one. */
export const currentTransaction = (): Db | undefined => open.getStore()

/** The part of a call that is used here. */
interface Call {
  context: AuthContext & { options: BetterAuthOptions }
}

/** What happens around the endpoint. */
export interface Around {
  /** Runs in the transaction after the endpoint, with the endpoint's answer. */
  after(answer: unknown): Promise<void>
  /** The error to throw in place of a database error; null to throw the database error itself. */
  refusalOf(error: unknown): Error | null
}

/**
 * Runs `work` in a transaction that also covers Better Auth's statements. Otherwise these would wait for a
 * second connection, and as many parallel callers as there are connections would deadlock.
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

/** Wraps an endpoint in a transaction. An error undoes everything that the endpoint did. */
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
