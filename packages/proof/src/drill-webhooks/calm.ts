/**
 * Does in a short time what cron does in production: sweeps, a pull, and the remaining work until nothing is
 * pending.
 *
 * @module
 */

import { setTimeout as wait } from 'node:timers/promises'
import { createBilling } from '@repo/billing'
import { PROCESS_EVENTS } from '@repo/billing/testing'
import { createProgress } from '@repo/core/cli'
import type Stripe from 'stripe'
import type { Violation } from '../drill/index.ts'
import { silent } from '../harness/silent.ts'
import { type DrillDatabase, patiently } from './database.ts'
import { APP_URL } from './product.ts'

const MAIL = 'billing.mail'
/** The time between two sweeps. */
const SWEEP_MS = 1_000
/** Cron pulls every hour, which is too rare for a drill. */
const SWEEPS_PER_PULL = 30
/** After this long without progress the rest is taken as stuck. */
const STUCK_MS = 300_000

/** Counts of the database at the end. */
export interface Figures {
  /** Number of syncs that began. */
  syncs: number
  /** Number of attempts to process events. */
  passes: number
  effects: number
  /** Number of events, by status. */
  statuses: Record<string, number>
}

/** Creates the functions that bring a drill to its end. */
export function createCalm({ db }: DrillDatabase) {
  const enqueue = (job: string) =>
    db.$executeRaw`SELECT 1 FROM graphile_worker.add_job(${job}, job_key := ${job})`
  const left = () =>
    patiently(async () => {
      const [{ events, jobs }] = await db.$queryRaw<[{ events: number; jobs: number }]>`
        SELECT (SELECT count(*) FROM "WebhookEvent" WHERE "status" = 'pending')::int AS "events",
          (SELECT count(*) FROM graphile_worker.jobs
            WHERE "attempts" < "max_attempts" AND "task_identifier" = ${MAIL})::int AS "jobs"`
      return { events, jobs }
    })
  return {
    backlog: async () => (await left()).events,
    /** Starts sweeps as cron does, only more often. */
    sweep() {
      let isOver = false
      const run = async () => {
        for (let sweep = 1; !isOver; sweep += 1) {
          await wait(SWEEP_MS)
          // The next sweep makes up for a sweep that fails.
          await enqueue(PROCESS_EVENTS).catch(() => {})
          if (sweep % SWEEPS_PER_PULL === 0) await enqueue('billing.pullEvents').catch(() => {})
        }
      }
      const running = run()
      return {
        stop() {
          isOver = true
          return running
        },
      }
    },
    /** Waits until the workers have finished everything, or make no more progress. */
    async drain(): Promise<void> {
      const progress = createProgress('remaining events and mails')
      let moved = Date.now()
      let least = Number.POSITIVE_INFINITY
      let most = 0
      for (;;) {
        // A job that failed in a mishap may have to wait for hours, so its retry is brought
        // forward.
        await db.$executeRaw`
          UPDATE graphile_worker._private_jobs SET "run_at" = now() WHERE "run_at" > now()`
        const { events, jobs } = await left()
        if (events + jobs === 0) break
        if (events + jobs < least) moved = Date.now()
        least = Math.min(least, events + jobs)
        if (Date.now() - moved > STUCK_MS) break
        most = Math.max(most, events + jobs)
        progress.show(most - events - jobs, most)
        await wait(250)
      }
      progress.end()
    },
    /** Pulls events that never arrived, after a pull that is under way has ended. Returns their number. */
    async pull(stripe: Stripe): Promise<number> {
      const billing = createBilling({
        db,
        stripe,
        appUrl: APP_URL,
        livemode: false,
        logger: silent,
      })
      // A worker's pull that is under way would still store events while the tables are compared.
      while ((await billing.pullEvents()).outcome !== 'done') await wait(SWEEP_MS)
      return db.webhookEvent.count({ where: { source: 'pull' } })
    },
    /** Violations for jobs of mails that did not end. Other jobs are repeated by sweeps. */
    async leftMails(): Promise<Violation[]> {
      const jobs = await db.$queryRaw<{ key: string; what: string }[]>`
        SELECT j."payload"->>'key' AS "key", CASE
          WHEN j."attempts" >= j."max_attempts" THEN 'is dead: ' || coalesce(j."last_error", '')
          WHEN j."locked_by" IS NULL THEN 'waits for a worker'
          WHEN w."id" IS NULL THEN 'is held by an unknown worker'
          ELSE 'is held by a running worker' END AS "what"
        FROM graphile_worker._private_jobs j
        JOIN graphile_worker._private_tasks t ON t."id" = j."task_id" AND t."identifier" = ${MAIL}
        LEFT JOIN "JobWorker" w ON w."id" = j."locked_by"`
      return jobs.map(({ key, what }) => ({ invariant: 'job', id: key, message: `mail ${what}` }))
    },
    async figures(): Promise<Figures> {
      const [{ syncs, passes, effects }] = await db.$queryRaw<[Omit<Figures, 'statuses'>]>`
        SELECT (SELECT last_value FROM sync_ticket)::int AS "syncs",
          (SELECT coalesce(sum("attempts"), 0) FROM "WebhookEvent")::int AS "passes",
          (SELECT count(*) FROM "Effect")::int AS "effects"`
      const statuses = await db.$queryRaw<{ status: string; count: number }[]>`
        SELECT "status", count(*)::int AS "count" FROM "WebhookEvent" GROUP BY 1 ORDER BY 2 DESC`
      return {
        syncs,
        passes,
        effects,
        statuses: Object.fromEntries(statuses.map(({ status, count }) => [status, count])),
      }
    },
  }
}
