/**
 * What a job is. Plain typed data, so that a package can declare its jobs without the engine that
 * runs them.
 *
 * @module
 */

export interface JobDefinition<Payload = unknown> {
  /** Stable and unique among all packages: `email.send`. */
  name: string
  /** Checks a stored payload, which may be older than the code. Throws when it does not fit. */
  parse(payload: unknown): Payload
  /** Runs at least once; what must happen once has a key of its own. A throw means: try again. */
  run(payload: Payload, info: JobInfo): Promise<unknown>
  /** Tries in all before the job is dead. Default 25, about three days. */
  maxAttempts?: number
}

export interface JobInfo {
  /** The engine's id of the job. */
  id: string
  /** 1 for the first try. */
  attempt: number
  /** Aborted when the worker is told to stop. */
  signal: AbortSignal
}

/** When cron runs a job. */
export interface CronEntry {
  /** Five fields, UTC: `0 * * * *`. */
  pattern: string
  /** The job's name; its payload is `{}`. */
  job: string
  /** How far back missed runs are made good, e.g. after a stop. Default 0: not at all. */
  backfillMs?: number
}

/** Checks a job's parts against each other. */
export const defineJob = <Payload>(job: JobDefinition<Payload>): JobDefinition<Payload> => job
