/**
 * The checks of the queue: that a worker is alive, and that no job waits or is dead. They only read.
 *
 * @module
 */

import { type Check, type CheckResult, failed, passed, skipped } from '@repo/core/checks'
import type { Database } from '@repo/db'

type Reader = Pick<Database, '$queryRaw'>

/** The checks of the queue in the database of `db`. `ours` are the names of the instance's jobs. */
export const queueChecks = (db: Reader): Check[] => [
  { id: 'jobs.worker', run: () => worker(db) },
  { id: 'jobs.dead', run: () => dead(db) },
]

const MIGRATE = 'Run db:migrate, which creates the tables of the queue as well.'
const START =
  'Start a worker beside your app (the script worker), or call runPending from a route that your cron requests.'

const hasQueue = async (db: Reader): Promise<boolean> => {
  const [found] = await db.$queryRaw<[{ has: boolean }]>`
    SELECT to_regclass('graphile_worker.jobs') IS NOT NULL AS "has"`
  return found.has
}

interface Signs {
  workers: number
  lastPassSeconds: number | null
  waiting: number
  waitedSeconds: number | null
}

async function worker(db: Reader): Promise<CheckResult> {
  if (!(await hasQueue(db))) return failed('The queue has no tables.', MIGRATE)
  const [signs] = await db.$queryRaw<[Signs]>`
    SELECT (SELECT count(*)::int FROM "JobWorker" WHERE "seenAt" > clock_timestamp() - interval '1 minute') AS "workers",
      (SELECT extract(epoch FROM clock_timestamp() - max(last_execution))::int
        FROM graphile_worker._private_known_crontabs) AS "lastPassSeconds",
      count(*)::int AS "waiting", extract(epoch FROM clock_timestamp() - min(run_at))::int AS "waitedSeconds"
    FROM graphile_worker.jobs
    WHERE locked_at IS NULL AND attempts < max_attempts AND run_at < clock_timestamp() - interval '1 minute'`
  const { workers, lastPassSeconds, waiting, waitedSeconds } = signs
  const late =
    waiting === 0 ? 'no job waits' : `${waiting} jobs wait, the oldest for ${waitedSeconds} s`
  // A cron route leaves no row of a worker behind, but the time of its last pass.
  const isPassed = lastPassSeconds !== null && lastPassSeconds < 600
  if (workers === 0 && !isPassed) return failed(`No worker is alive, and ${late}.`, START)
  const alive =
    workers > 0
      ? `${workers} ${workers === 1 ? 'worker has' : 'workers have'} reported within a minute`
      : `a pass ran ${lastPassSeconds} s ago`
  if (waiting === 0) return passed(`${capital(alive)}, and ${late}.`)
  return failed(
    `${capital(alive)}, but ${late}.`,
    'Give the worker the jobs of all instances (tollgate.config.ts), or start more workers.',
  )
}

async function dead(db: Reader): Promise<CheckResult> {
  if (!(await hasQueue(db))) return skipped('The queue has no tables.')
  const jobs = await db.$queryRaw<{ name: string; count: number }[]>`
    SELECT task_identifier AS "name", count(*)::int AS "count" FROM graphile_worker.jobs
    WHERE attempts >= max_attempts AND locked_at IS NULL GROUP BY 1 ORDER BY 1`
  if (jobs.length === 0) return passed('No job is dead.')
  return failed(
    `Jobs used up their tries: ${jobs.map(({ name, count }) => `${name} (${count})`).join(', ')}.`,
    'Correct the cause, then retry them with retryDeadJobs of the jobs package.',
  )
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
