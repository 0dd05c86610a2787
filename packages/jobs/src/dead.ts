/**
 * Dead jobs: their attempts are used up, and they stay until a person retries them.
 *
 * @module
 */

import { ArgumentError, requireId, requireLimit } from '@repo/core'
import type { Db } from '@repo/db'

/** A job without attempts left. */
export interface DeadJob {
  id: string
  name: string
  /** How often the job was tried. */
  attempts: number
  /** The last error, as the engine stored it. It may contain data of the payload, so do not log it. */
  lastError: string | null
}

const MAX_LISTED = 10_000

/** Lists the dead jobs, the oldest first. @throws `invalid_argument` (400) */
export async function listDeadJobs(db: Pick<Db, '$queryRaw'>, limit = 100): Promise<DeadJob[]> {
  requireLimit(limit, MAX_LISTED)
  return db.$queryRaw<DeadJob[]>`
    SELECT id::text, task_identifier AS name, attempts::int, last_error AS "lastError"
    FROM graphile_worker.jobs
    WHERE attempts >= max_attempts AND locked_at IS NULL
    ORDER BY id LIMIT ${limit}`
}

/**
 * Gives dead jobs all their attempts back and makes them due now. Returns the ids of the jobs that were dead.
 *
 * @throws `invalid_argument` (400) if `ids` is not a list of job ids of the engine
 */
export async function retryDeadJobs(db: Pick<Db, '$queryRaw'>, ids: string[]): Promise<string[]> {
  if (!Array.isArray(ids)) throw new ArgumentError('ids must be a list of job ids.')
  for (const id of ids) {
    if (!/^\d{1,18}$/.test(requireId('A job id', id))) {
      throw new ArgumentError('A job id must be a string of digits, as listDeadJobs returns it.')
    }
  }
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT r.id::text FROM (
      SELECT coalesce(array_agg(id), '{}') AS ids FROM graphile_worker.jobs
      WHERE id = ANY(${ids}::bigint[]) AND attempts >= max_attempts AND locked_at IS NULL
    ) dead, LATERAL graphile_worker.reschedule_jobs(dead.ids, run_at => now(), attempts => 0) r`
  return rows.map(({ id }) => id)
}
