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
import type { LowBalance } from './settings.ts'

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
