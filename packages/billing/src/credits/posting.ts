/**
 * How changes that join no transaction reach the ledger: each when its turn at the account has come, or,
 * by option, together with what else arrives, in one statement and one commit, each as if it were alone.
 * On an account that many change at once, a commit is what takes the time.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import { gather } from '../gather.ts'
import { createLanes } from '../lanes.ts'
import { ask, type Ledger, type PostCall, type PostRow, postAlone } from './ledger.ts'

/** Makes one change. */
export type PostCredits = (call: PostCall) => Promise<PostRow>

/** What a change takes where the database is far or its disk is slow. */
const LONG_MS = 1

/**
 * Each change by itself, one of an account at a time; two where they take long, so that one is on its way
 * while the other is at its commit. More would wait in the database for its lock, each on a connection that
 * nobody else has then, and take longer for that.
 */
export function createTurns(ledger: Ledger): PostCredits {
  let tookMs = 0
  const inTurn = createLanes(() => (tookMs > LONG_MS ? 2 : 1))
  const postNow = async (call: PostCall) => {
    const began = performance.now()
    try {
      return await postAlone(ledger, undefined, call)
    } finally {
      tookMs = performance.now() - began
    }
  }
  return (call) => inTurn(accountOf(call.change.ownerId, call.creditType), () => postNow(call))
}

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

const accountOf = (ownerId: string, creditType: string) => `${creditType}:${ownerId}`
