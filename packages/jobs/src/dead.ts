/**
 * Jobs whose tries are used up. They stay until a person decides.
 *
 * @module
 */

import { ArgumentError, requireId, requireLimit } from '@repo/core'
import type { Db } from '@repo/db'

export interface DeadJob {
  id: string
  name: string
  attempts: number
  /** The last error, as the engine kept it. May name data of the payload: not for a log. */
  lastError: string | null
}

const MAX_LISTED = 10_000

/** The dead jobs, the oldest first. @throws `invalid_argument` (400) */
export async function listDeadJobs(db: Pick<Db, '$queryRaw'>, limit = 100): Promise<DeadJob[]> {
  requireLimit(limit, MAX_LISTED)
  return db.$queryRaw<DeadJob[]>`
    SELECT id::text, task_identifier AS name, attempts::int, last_error AS "lastError"
    FROM graphile_worker.jobs
    WHERE attempts >= max_attempts AND locked_at IS NULL
    ORDER BY id LIMIT ${limit}`
}

/**
 * Gives dead jobs all their tries again, at once. Returns the ids of those that were dead.
 *
 * @throws `invalid_argument` (400) where `ids` is not a list of the engine's ids
 */
export async function retryDeadJobs(db: Pick<Db, '$queryRaw'>, ids: string[]): Promise<string[]> {
  if (!Array.isArray(ids)) throw new ArgumentError('ids is not a list.')
  for (const id of ids) {
    if (!/^\d{1,18}$/.test(requireId('An id of a job', id))) {
      throw new ArgumentError('An id of a job is a number as text, as listDeadJobs has it.')
    }
  }
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT r.id::text FROM (
      SELECT coalesce(array_agg(id), '{}') AS ids FROM graphile_worker.jobs
      WHERE id = ANY(${ids}::bigint[]) AND attempts >= max_attempts AND locked_at IS NULL
    ) dead, LATERAL graphile_worker.reschedule_jobs(dead.ids, run_at => now(), attempts => 0) r`
  return rows.map(({ id }) => id)
}
