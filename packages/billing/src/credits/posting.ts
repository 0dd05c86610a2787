/**
 * How changes that join no transaction reach the ledger: each by itself behind the others of its account,
 * or, by option, together with what else arrives, in one statement and one commit, each as if it were alone.
 * On an account that many change at once, a commit is what takes the time.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import { gather } from '../gather.ts'
import { accountOf, ask, type Ledger, postAlone } from './ledger.ts'
import type { PostCall, PostCredits, PostRow } from './settings.ts'

/** Each change by itself, in the line of its account. */
export const createSingle =
  (ledger: Ledger): PostCredits =>
  (call) =>
    postAlone(ledger, undefined, call)

/** Two statements at a time, of up to 64 changes: so many accounts are locked until it commits. */
export const createGroup = (ledger: Ledger): PostCredits =>
  gather(
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
    { lanes: 2, most: 64 },
  )

/** As "Credit_post_all" reads it: by account, every field of a change by its name. */
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
      // A number of JSON holds fewer digits.
      refundOf: refundOf === undefined ? undefined : `${refundOf}`,
      number,
      key,
      now,
    })
  }
  return JSON.stringify([...accounts.values()])
}
