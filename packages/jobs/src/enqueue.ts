/**
 * Adding jobs. A job is added by an SQL function in the caller's transaction: it exists if and only
 * if the caller's work does.
 *
 * @module
 */

import { type JobDefinition, requireDate, requireId } from '@repo/core'
import type { Db } from '@repo/db'
import { JobsError } from './errors.ts'

export interface EnqueueOptions {
  /**
   * Names the job: while one of this name waits, another is not added; the waiting one keeps its
   * time and takes the new payload. Default: none.
   */
  key?: string
  /** Not before. Wall time. Default: at once. */
  runAt?: Date
  /** Lower runs first. Default 0. */
  priority?: number
}

/**
 * Adds a job in the transaction `tx`, or at once where `tx` is a client. Returns the engine's id.
 *
 * @throws `invalid_payload` when the job itself would not take it, `invalid_argument` where the key is not text
 * or the time is not a date; nothing is added then.
 */
export async function enqueue<Payload>(
  tx: Pick<Db, '$queryRaw'>,
  job: JobDefinition<Payload>,
  payload: Payload,
  options: EnqueueOptions = {},
): Promise<string> {
  const { key, runAt } = options
  if (key !== undefined) requireId('The key of a job', key)
  if (runAt !== undefined) requireDate('runAt', runAt)
  try {
    job.parse(payload)
  } catch (cause) {
    throw new JobsError('invalid_payload', `The payload does not fit the job ${job.name}.`, {
      cause,
    })
  }
  const [row] = await tx.$queryRaw<[{ id: string }]>`
    SELECT id::text FROM graphile_worker.add_job(
      identifier => ${job.name}::text,
      payload => ${JSON.stringify(payload)}::json,
      run_at => ${runAt ?? null}::timestamptz,
      max_attempts => ${job.maxAttempts ?? null}::int,
      job_key => ${key ?? null}::text,
      priority => ${options.priority ?? null}::int,
      job_key_mode => 'preserve_run_at'
    )`
  return row.id
}
