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

/** Waiting for one another is normal among commands of one organization. */
const LIMITS = { maxWaitMs: 15_000, timeoutMs: 20_000 }

const open = new AsyncLocalStorage<Db>()

/** The transaction of the endpoint that is running; undefined outside of one. */
export const currentTransaction = (): Db | undefined => open.getStore()

/** An endpoint as Better Auth calls it. */
export interface Endpoint {
  // biome-ignore lint/suspicious/noExplicitAny: each endpoint has a context of its own.
  (ctx: any): Promise<any>
  path?: string
  options?: unknown
}

interface Call {
  context: AuthContext & { options: BetterAuthOptions }
}

export interface Around {
  /** Part of the transaction; gets what the endpoint answers. */
  after(answer: unknown): Promise<void>
  /** What is said for an error of the database; null for the error itself. */
  refusalOf(error: unknown): Error | null
}

/** `endpoint` in a transaction: what it throws undoes what it did. */
export function inTransaction<E extends Endpoint>(
  db: Database,
  endpoint: E,
  { after, refusalOf }: Around,
): E {
  const wrapped = (ctx: Call) => {
    const transaction = <T>(work: (adapter: unknown) => Promise<T>): Promise<T> =>
      atomically(db, (tx) => open.run(tx, () => work(adapterOf(tx)(ctx.context.options))), LIMITS)
    const opener = { transaction } as unknown as AuthContext['adapter']
    return runWithTransaction(opener, async () => {
      const adapter = await getCurrentAdapter(ctx.context.adapter)
      const result = await endpoint({ ...ctx, context: { ...ctx.context, adapter } })
      await after((result as { response?: unknown } | undefined)?.response)
      return result
    }).catch((error: unknown) => {
      throw refusalOf(error) ?? error
    })
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}
