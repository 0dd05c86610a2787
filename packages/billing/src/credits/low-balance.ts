/**
 * What happens when a balance falls below its threshold. The change that crosses it adds a job in its own
 * transaction, under the account's lock: no crossing is missed, and none told twice.
 *
 * @module
 */

import { defineJob, type JobDefinition } from '@repo/core'
import { atomically, Prisma } from '@repo/db'
import { enqueue } from '@repo/jobs'
import { z } from 'zod'
import type { BillingContext } from '../context.ts'
import { ask, domainNow } from './ledger.ts'

export interface LowBalance {
  ownerId: string
  creditType: string
  /** After the change. It may have risen since. */
  balance: number
  threshold: number
  /** The change that crossed it: a key for what is told. */
  transactionId: string
}

export interface CreditSettings {
  /**
   * Changes of this process that arrive together share one statement and one commit. For accounts that
   * more than some hundred changes a second meet. Default false.
   */
  groupCommit?: boolean
  /** By credit type: below how many credits a balance is low. Default: none is. */
  lowBalance?: Readonly<Record<string, number>>
  /**
   * Told once for each crossing, by a worker; again, where it throws. `transactionId` names the crossing.
   */
  onLowBalance?: (event: LowBalance) => unknown
  topUp?: {
    /** How often a day and account, by UTC. The database keeps count. */
    perDay: number
    /**
     * Buys more for an owner who wants that, e.g. charges a saved card. Runs again, where it throws, under
     * the same key.
     */
    run: (ownerId: string, creditType: string, key: string) => unknown
  }
}

const crossing = z.object({
  ownerId: z.string(),
  creditType: z.string(),
  transactionId: z.string(),
  balance: z.number(),
  threshold: z.number(),
})

/** "Credit_post" adds it by this name. */
export const lowBalanceJob = (ctx: BillingContext): JobDefinition<object> =>
  defineJob<object>({
    name: 'billing.lowBalance',
    parse: (payload) => crossing.parse(payload),
    run: (payload) => tell(ctx, payload as LowBalance),
  })

async function tell(ctx: BillingContext, event: LowBalance): Promise<void> {
  const { topUp, onLowBalance } = ctx.credits
  if (topUp) await beginTopUp(ctx, event, topUp.perDay)
  await onLowBalance?.(event)
}

/** Counts it and queues it in one transaction, so that a job that is run again begins no second one. */
async function beginTopUp(ctx: BillingContext, event: LowBalance, perDay: number): Promise<void> {
  const { ownerId, creditType, transactionId } = event
  const claim = await atomically(ctx.db, async (tx) => {
    const [row] = await ask<{ claim: 'claimed' | 'replayed' | 'limit_reached' }>(
      ctx,
      tx,
      'Credit_claim_top_up',
      Prisma.sql`SELECT "Credit_claim_top_up"(${ownerId}::text, ${creditType}::text,
        ${transactionId}::bigint, ${perDay}::int, ${domainNow(ctx)}::timestamptz) AS "claim"`,
    )
    if (row?.claim === 'claimed') {
      await enqueue(tx, topUpJob(ctx), { ownerId, creditType, key: `top-up:${transactionId}` })
    }
    return row?.claim
  })
  if (claim === 'limit_reached') {
    ctx.logger.warn({ ownerId, creditType }, 'no top-up: the limit of the day is reached')
  }
}

const purchase = z.object({ ownerId: z.string(), creditType: z.string(), key: z.string() })

export const topUpJob = (ctx: BillingContext): JobDefinition<object> =>
  defineJob<object>({
    name: 'billing.topUp',
    parse: (payload) => purchase.parse(payload),
    async run(payload) {
      const { ownerId, creditType, key } = payload as z.output<typeof purchase>
      await ctx.credits.topUp?.run(ownerId, creditType, key)
    },
  })
