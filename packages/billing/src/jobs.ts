/**
 * Billing's jobs, and the times at which cron runs them.
 *
 * @module
 */

import { defineJob, type JobDefinition, type JobInfo } from '@repo/core'
import type { CronEntry } from '@repo/jobs'
import type { BillingContext } from './context.ts'
import { creditCron, creditJobs } from './credits/jobs.ts'
import { forgetRefusals } from './customers/request-keys.ts'
import { requireListener, requireOwnInstance, tellsHost } from './effects/declarations.ts'
import { mailJob } from './effects/mails.ts'
import { orderCron, orderJobs } from './orders/jobs.ts'
import { pullEvents } from './sync/pull.ts'
import { reconcile } from './sync/reconcile.ts'
import { PASS_MS, repairJob } from './sync/repair-job.ts'
import { keyTrials } from './sync/trials.ts'
import { emptyPayloads } from './webhooks/events.ts'
import { processEvents } from './webhooks/process.ts'
import { PROCESS_EVENTS } from './webhooks/signal.ts'
import { watchEvents } from './webhooks/watch.ts'

const HOUR = 60 * 60 * 1000

/** Jobs whose writes depend on plans and products. An instance that lacks the host's own does not run them. */
const WRITES: ReadonlySet<string> = new Set([
  PROCESS_EVENTS,
  'billing.pullEvents',
  'billing.reconcile',
  'billing.checkOrders',
  'billing.pullOrders',
  'billing.reconcileOrders',
])

/** The jobs of an instance. */
export function createJobs(ctx: BillingContext): JobDefinition<object>[] {
  const job = (name: string, run: (info: JobInfo) => Promise<unknown>): JobDefinition<object> =>
    // Cron runs the job again anyway, so a failed run is not retried for days.
    defineJob<object>({ name, parse: () => ({}), run: (_, info) => run(info), maxAttempts: 3 })
  const after =
    (check: (ctx: BillingContext, job: string) => Promise<void>) =>
    (each: JobDefinition<object>): JobDefinition<object> => ({
      ...each,
      async run(payload, info) {
        await check(ctx, each.name)
        return each.run(payload, info)
      },
    })
  const [own, heard] = [after(requireOwnInstance), after(requireListener)]
  const jobs = [
    job(PROCESS_EVENTS, async ({ signal }) => {
      const { isDrained } = await processEvents(ctx, { signal, limitMs: PASS_MS })
      if (!isDrained) ctx.signalWorker()
    }),
    mailJob(ctx),
    job('billing.watchEvents', () => watchEvents(ctx)),
    repairJob(ctx, 'billing.pullEvents', (how) => pullEvents(ctx, how)),
    repairJob(ctx, 'billing.reconcile', (how) => reconcile(ctx, how)),
    job('billing.emptyPayloads', async () => {
      await keyTrials(ctx)
      await emptyPayloads(ctx)
      await forgetRefusals(ctx)
    }),
    ...creditJobs(ctx),
    ...orderJobs(ctx),
  ]
  return jobs.map((each) =>
    WRITES.has(each.name) ? own(each) : tellsHost(each.name) ? heard(each) : each,
  )
}

/**
 * When each job runs, in UTC, and not on the full hour, when providers are busiest. A missed run of the hourly and
 * nightly jobs is made up for.
 */
export const billingCron: readonly CronEntry[] = [
  { pattern: '* * * * *', job: PROCESS_EVENTS },
  { pattern: '* * * * *', job: 'billing.watchEvents' },
  { pattern: '17 * * * *', job: 'billing.pullEvents', backfillMs: HOUR },
  { pattern: '23 3 * * *', job: 'billing.reconcile', backfillMs: 24 * HOUR },
  { pattern: '41 3 * * *', job: 'billing.emptyPayloads', backfillMs: 24 * HOUR },
  ...creditCron,
  ...orderCron,
]
