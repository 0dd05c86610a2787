/**
 * The definition of a job as plain typed data, so that a package can declare its jobs without depending on
 * the engine that runs them.
 *
 * @module
 */

/** A job: its name, the check of its payload, and its work. */
export interface JobDefinition<Payload = unknown> {
  /** The job's name, stable and unique among all packages: `email.send`. */
  name: string
  /**
   * Checks a stored payload, which an older version of the code may have written. Throws if the payload is
   * invalid.
   */
  parse(payload: unknown): Payload
  /**
   * Runs at least once, so work that must happen only once needs an idempotency key. A throw leads to a
   * retry.
   */
  run(payload: Payload, info: JobInfo): Promise<unknown>
  /** The number of attempts before the job is dead. Default 25, about four days. */
  maxAttempts?: number
}

/** The facts about the running attempt of a job. */
export interface JobInfo {
  /** The engine's id of the job. */
  id: string
  /** The number of this attempt, from 1. */
  attempt: number
  /** Aborted when the worker is told to stop. */
  signal: AbortSignal
}

/** The schedule of a job. */
export interface CronEntry {
  /** A cron pattern of five fields in UTC: `0 * * * *`. */
  pattern: string
  /** The name of the job, which runs with the payload `{}`. */
  job: string
  /** How far back missed runs are made up for, e.g. after a stop. Default 0: missed runs are skipped. */
  backfillMs?: number
}

/** Returns `job` and lets TypeScript infer its payload type. */
export const defineJob = <Payload>(job: JobDefinition<Payload>): JobDefinition<Payload> => job
