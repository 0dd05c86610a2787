/**
 * Group commit of the ledger: changes of this process that arrive together are made by one statement and
 * one commit, each as if it were alone. On an account that many change at once, a commit is what takes
 * the time.
 *
 * @module
 */

import { gather } from '../gather.ts'
import { ask, type Ledger, type Post, type PostCall, type PostRow, postAlone } from './ledger.ts'

/** Makes one change, with others. */
export type PostInGroup = (call: PostCall) => Promise<PostRow>

/** Two statements at a time, of up to 64 changes: so many accounts are locked until it commits. */
export const createGroup = (ledger: Ledger): PostInGroup =>
  gather(
    async (calls: PostCall[]) => {
      const [first] = calls
      if (first && calls.length === 1) return [await postAlone(ledger, undefined, first)]
      const rows = await ask(
        ledger,
        undefined,
        (db) => db.$queryRaw<PostRow[]>`SELECT * FROM "Credit_post_all"(${textOf(calls)}::jsonb)`,
      )
      const inOrder: PostRow[] = []
      for (const row of rows) inOrder[Number(row.number)] = row
      return inOrder
    },
    { lanes: 2, most: 64 },
  )

/** As "Credit_post_all" reads it: every field of a change by its name. */
const textOf = (calls: PostCall[]): string =>
  JSON.stringify(
    calls.map(({ change, creditType, key, threshold, now }, number) => {
      const { owing = false, refundOf } = change
      const fields: Record<keyof Post, unknown> = {
        ownerId: change.ownerId,
        type: change.type,
        amount: change.amount,
        description: change.description,
        actor: change.actor,
        expiresAt: change.expiresAt,
        priority: change.priority,
        // A number of JSON holds fewer digits.
        refundOf: refundOf === undefined ? undefined : `${refundOf}`,
        owing,
        purchaseKey: change.purchaseKey,
        holdSeconds: change.holdSeconds,
        series: change.series,
        rollover: change.rollover,
      }
      return { ...fields, number, creditType, key, threshold, now }
    }),
  )
