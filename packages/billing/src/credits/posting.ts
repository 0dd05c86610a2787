/**
 * Sends changes without a transaction of the caller to the ledger. By default each change is a statement that
 * queues behind the others of its account. With `groupCommit`, changes that arrive together share one
 * statement and one commit, each with the same result as if it were alone. On a busy account the commits take
 * most of the time.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import { batch } from '../batch.ts'
import { accountOf, ask, type Ledger, postAlone } from './ledger.ts'
import type { PostCall, PostCredits, PostRow } from './settings.ts'

/** Sends each change by itself, behind the others of its account. */
export const createSingle =
  (ledger: Ledger): PostCredits =>
  (call) =>
    postAlone(ledger, undefined, call)

/**
 * Sends changes in groups, with at most two statements at a time of up to 64 changes. The accounts of a group
 * stay locked until its commit.
 */
export const createGroup = (ledger: Ledger): PostCredits =>
  batch(
    async (calls: PostCall[]) => {
      const [first] = calls
      if (first && calls.length === 1) return [await postAlone(ledger, undefined, first)]
      const rows = await ask<PostRow>(
        ledger,
        undefined,
        'Credit_post_all',
        Prisma.sql`SELECT * FROM "Credit_post_all"(${textOf(calls)}::jsonb)`,
      )
      const inOrder: PostRow[] = []
      for (const row of rows) inOrder[Number(row.number)] = row
      return inOrder
    },
    { concurrency: 2, maxItems: 64 },
  )

/** The changes as JSON for "Credit_post_all", grouped by account. */
function textOf(calls: PostCall[]): string {
  const accounts = new Map<string, Record<string, unknown> & { changes: unknown[] }>()
  for (const [number, { change, creditType, key, threshold, now }] of calls.entries()) {
    const { ownerId, owing = false, refundOf, ...rest } = change
    const name = accountOf(ownerId, creditType)
    const account = accounts.get(name) ?? { ownerId, creditType, threshold, changes: [] }
    accounts.set(name, account)
    account.changes.push({
      ...rest,
      owing,
      // As text, because a JSON number holds fewer digits.
      refundOf: refundOf === undefined ? undefined : `${refundOf}`,
      number,
      key,
      now,
    })
  }
  return JSON.stringify([...accounts.values()])
}
