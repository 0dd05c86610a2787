/**
 * Jobs for a balance that falls below its threshold. The change that crosses the threshold queues a job in
 * its own transaction, under the account's lock. Promise: no crossing is missed, and none is reported twice.
 *
 * @module
 */

import { defineJob, type JobDefinition } from '@repo/core'
import { atomically, Prisma } from '@repo/db'
import { enqueue } from '@repo/jobs/queue'
import * as z from 'zod'
import type { BillingContext } from '../context.ts'
import { ask, domainNow } from './ledger.ts'
import type { LowBalance } from './settings.ts'

const crossing = z.object({
  ownerId: z.string(),
  creditType: z.string(),
  transactionId: z.string(),
  balance: z.number(),
  threshold: z.number(),
})

/** Calls the host's hooks for one crossing. "Credit_post" queues this job by its name. */
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

/** Counts the top-up and queues its job in one transaction, so that a repeated job does not queue a second top-up. */
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
    ctx.logger.warn(
      { ownerId, creditType },
      'no top-up was queued, because the daily limit is reached',
    )
  }
}

const purchase = z.object({ ownerId: z.string(), creditType: z.string(), key: z.string() })

/** Calls the host's `topUp.run`. */
export const topUpJob = (ctx: BillingContext): JobDefinition<object> =>
  defineJob<object>({
    name: 'billing.topUp',
    parse: (payload) => purchase.parse(payload),
    async run(payload) {
      const { ownerId, creditType, key } = payload as z.output<typeof purchase>
      await ctx.credits.topUp?.run(ownerId, creditType, key)
    },
  })
