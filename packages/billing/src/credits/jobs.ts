/**
 * The jobs of the ledger, and their cron schedule.
 *
 * @module
 */

import { defineJob, type JobDefinition, type JobInfo } from '@repo/core'
import type { CronEntry } from '@repo/jobs'
import type { BillingContext } from '../context.ts'
import { expireCredits } from './balance.ts'
import { releaseOverdueHolds } from './holds.ts'
import { lowBalanceJob, topUpJob } from './low-balance.ts'
import { grantMonthlyCredits } from './plan-credits.ts'
import { reconcileCredits } from './reconcile.ts'
import { forgetEndedWork } from './work.ts'

const HOUR = 60 * 60 * 1000

/** Jobs that announce low balances, top up, release holds, and expire, grant and reconcile credits. */
export function creditJobs(ctx: BillingContext): JobDefinition<object>[] {
  const job = (name: string, run: (info: JobInfo) => Promise<unknown>): JobDefinition<object> =>
    defineJob<object>({ name, parse: () => ({}), run: (_, info) => run(info), maxAttempts: 3 })
  return [
    lowBalanceJob(ctx),
    topUpJob(ctx),
    job('billing.releaseHolds', async ({ signal }) => {
      await releaseOverdueHolds(ctx, { signal })
      await forgetEndedWork(ctx)
    }),
    job('billing.expireCredits', ({ signal }) => expireCredits(ctx, { signal })),
    job('billing.monthlyCredits', ({ signal }) => grantMonthlyCredits(ctx, { signal })),
    job('billing.reconcileCredits', ({ signal }) => reconcileCredits(ctx, { signal })),
  ]
}

/** When cron runs the jobs of the ledger. */
export const creditCron: readonly CronEntry[] = [
  { pattern: '* * * * *', job: 'billing.releaseHolds' },
  { pattern: '29 * * * *', job: 'billing.expireCredits', backfillMs: HOUR },
  { pattern: '37 * * * *', job: 'billing.monthlyCredits', backfillMs: HOUR },
  { pattern: '53 3 * * *', job: 'billing.reconcileCredits', backfillMs: 24 * HOUR },
]
