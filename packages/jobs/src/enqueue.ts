/**
 * Adds jobs in the caller's transaction, so that the job exists if and only if the transaction commits.
 *
 * The engine's function `add_job` calls NOTIFY, and PostgreSQL commits all transactions that did so one after the other.
 * So a job without a key is added in a transaction as a row, and workers find it when they look, twice a second. Outside
 * of a transaction, and with a key, `add_job` wakes a worker at once.
 *
 * @module
 */

import { ArgumentError, type JobDefinition, requireDate, requireId } from '@repo/core'
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
 *   string, the time is not a date, or the priority or the job's `maxAttempts` is out of range; nothing is added then.
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
  requireSmall('priority', options.priority)
  requireSmall(`maxAttempts of the job ${job.name}`, job.maxAttempts, 1)
  try {
    job.parse(payload)
  } catch (cause) {
    throw new JobsError('invalid_payload', `The payload is invalid for the job ${job.name}.`, {
      cause,
    })
  }
  // A transaction cannot connect. It has `$transaction`, for transactions inside of it.
  if (key === undefined && !('$connect' in tx)) {
    const [row] = await queryNamed<Added>(tx, 'jobs.insert', rowOf(job, payload, options))
    if (row) return row.id
    // No job of this name has ever been added, and no worker has started. `add_job` makes the name known.
  }
  const sql = Prisma.sql`
    SELECT id::text FROM graphile_worker.add_job(
      identifier => ${job.name}::text,
      payload => ${JSON.stringify(payload)}::json,
      run_at => ${timeOf(runAt)}::timestamptz,
      max_attempts => ${job.maxAttempts ?? null}::int,
      job_key => ${key ?? null}::text,
      priority => ${options.priority ?? null}::int,
      job_key_mode => 'preserve_run_at'
    )`
  const [row] = await queryNamed<Added>(tx, 'jobs.add', sql)
  return (row as Added).id
}

/** The time with its offset, because a transaction may have a time zone of its own. */
const timeOf = (date: Date | undefined): string | null => date?.toISOString() ?? null

/** The engine's columns are small, and an error of PostgreSQL would end the caller's transaction. */
function requireSmall(name: string, value: number | undefined, least = -32_768): void {
  const isSmall = Number.isInteger(value) && Number(value) >= least && Number(value) <= 32_767
  if (value === undefined || isSmall) return
  throw new ArgumentError(`${name} must be a whole number from ${least} to 32767.`)
}

interface Added {
  id: string
}

/** Adds the row that `add_job` would add, without NOTIFY. No row: the engine does not know the job's name yet. */
const rowOf = (
  { name, maxAttempts }: Pick<JobDefinition<never>, 'name' | 'maxAttempts'>,
  payload: unknown,
  { runAt, priority }: EnqueueOptions,
): Prisma.Sql => Prisma.sql`
  INSERT INTO graphile_worker._private_jobs ("task_id", "payload", "run_at", "max_attempts", "priority")
  SELECT "id", coalesce(${JSON.stringify(payload)}::json, '{}'), coalesce(${timeOf(runAt)}::timestamptz, now()),
    coalesce(${maxAttempts ?? null}::smallint, 25), coalesce(${priority ?? null}::smallint, 0)
  FROM graphile_worker._private_tasks WHERE "identifier" = ${name}::text
  RETURNING "id"::text`
