/**
 * Adds jobs. An SQL function adds the job in the caller's transaction, so the job exists if and only if the
 * transaction commits.
 *
 * @module
 */

import { type JobDefinition, requireDate, requireId } from '@repo/core'
import { type Db, Prisma, queryNamed } from '@repo/db'
import { JobsError } from './errors.ts'

/** The options of `enqueue`. */
export interface EnqueueOptions {
  /**
   * Names the job. While a job with this key waits, no second one is added: the waiting job keeps its time
   * and takes the new payload. Default: none.
   */
  key?: string
  /** The earliest time of the run, in wall time. Default: at once. */
  runAt?: Date
  /** A lower number runs first. Default 0. */
  priority?: number
}

/**
 * Adds a job in the transaction `tx`, or at once if `tx` is a client. Returns the engine's id of the job.
 *
 * @throws `invalid_payload` if the job's `parse` refuses the payload, `invalid_argument` if the key is not a
 *   string or the time is not a date; nothing is added then.
 *
 * @example
 * ```ts
 * import { defineJob } from '@repo/core'
 * import { db } from '@repo/db'
 * import { enqueue } from '@repo/jobs'
 *
 * const shipOrder = defineJob<{ orderId: string }>({
 *   name: 'orders.ship',
 *   parse: (payload) => payload as { orderId: string },
 *   run: async ({ orderId }) => console.log(`Ships ${orderId}.`),
 * })
 * // A second call adds no second job while the first one waits.
 * await enqueue(db, shipOrder, { orderId: 'order_1' }, { key: 'ship/order_1' })
 * ```
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
    throw new JobsError('invalid_payload', `The payload is invalid for the job ${job.name}.`, {
      cause,
    })
  }
  const sql = Prisma.sql`
    SELECT id::text FROM graphile_worker.add_job(
      identifier => ${job.name}::text,
      payload => ${JSON.stringify(payload)}::json,
      run_at => ${runAt ?? null}::timestamptz,
      max_attempts => ${job.maxAttempts ?? null}::int,
      job_key => ${key ?? null}::text,
      priority => ${options.priority ?? null}::int,
      job_key_mode => 'preserve_run_at'
    )`
  const [row] = await queryNamed<{ id: string }>(tx, 'jobs.add', sql)
  return (row as { id: string }).id
}
