/**
 * The jobs of orders, and their cron schedule.
 *
 * @module
 */

import { defineJob, type JobDefinition, type JobInfo } from '@repo/core'
import type { CronEntry } from '@repo/jobs'
import type { BillingContext } from '../context.ts'
import { repairJob } from '../sync/repair-job.ts'
import { pullOrders } from './pull.ts'
import { reconcileOrders } from './reconcile.ts'
import { checkOrders } from './stuck.ts'
import { watchOrders } from './watch.ts'

const HOUR = 60 * 60 * 1000

/** Jobs that check, pull and reconcile orders. */
export function orderJobs(ctx: BillingContext): JobDefinition<object>[] {
  const job = (name: string, run: (info: JobInfo) => Promise<unknown>): JobDefinition<object> =>
    defineJob<object>({ name, parse: () => ({}), run: (_, info) => run(info), maxAttempts: 3 })
  return [
    job('billing.checkOrders', async ({ signal }) => {
      await checkOrders(ctx, { signal })
      await watchOrders(ctx)
    }),
    repairJob(ctx, 'billing.pullOrders', (how) => pullOrders(ctx, how)),
    repairJob(ctx, 'billing.reconcileOrders', (how) => reconcileOrders(ctx, how)),
  ]
}

/** When cron runs the jobs of orders. */
export const orderCron: readonly CronEntry[] = [
  { pattern: '* * * * *', job: 'billing.checkOrders' },
  { pattern: '37 * * * *', job: 'billing.pullOrders', backfillMs: HOUR },
  { pattern: '53 3 * * *', job: 'billing.reconcileOrders', backfillMs: 24 * HOUR },
]
