/**
 * Notices jobs that wait for a worker that is not there. Nothing fails without a worker: requests are
 * answered, and mails do not come. So the process that queues jobs looks now and then, and says it.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { Db } from '@repo/db'

export interface BacklogWatchOptions {
  db: Pick<Db, '$queryRaw'>
  logger: Logger
  /** The names of the jobs to look at. */
  jobs: readonly string[]
  /** What the host has to do, as a sentence. It ends the warning. */
  advice: string
  /** How long a job may wait. Default 60. */
  afterSeconds?: number
  /** How often there is a look at the most. Default 60. */
  lookEverySeconds?: number
  /** How often there is a warning at the most. Default 300. */
  warnEverySeconds?: number
}

export interface BacklogWatch {
  /**
   * Call it whenever a job may have been queued, and do not wait for it. Mostly it compares two numbers;
   * once in `lookEverySeconds` it asks the database. It never throws.
   */
  look(): Promise<void>
}

interface Oldest {
  job: string
  waitedSeconds: number
  workers: number
}

/** Each process has its own: two processes warn independently of each other. */
export function createBacklogWatch(options: BacklogWatchOptions): BacklogWatch {
  const { db, logger, advice, afterSeconds = 60 } = options
  const { lookEverySeconds = 60, warnEverySeconds = 300 } = options
  const jobs = [...options.jobs]
  let nextLook = 0
  let nextWarning = 0

  /** The job that has waited longest, if it is too long, and how many workers have been alive lately. */
  async function oldest(): Promise<Oldest | undefined> {
    const [found] = await db.$queryRaw<Oldest[]>`
      SELECT task_identifier AS "job",
        extract(epoch FROM clock_timestamp() - run_at)::int AS "waitedSeconds",
        (SELECT count(*)::int FROM "JobWorker"
          WHERE "seenAt" > clock_timestamp() - interval '1 minute') AS "workers"
      FROM graphile_worker.jobs
      WHERE task_identifier = ANY(${jobs}) AND locked_at IS NULL AND attempts < max_attempts
        AND run_at < clock_timestamp() - make_interval(secs => ${afterSeconds})
      ORDER BY run_at LIMIT 1`
    return found
  }

  return {
    async look() {
      const now = performance.now()
      if (now < nextLook) return
      nextLook = now + lookEverySeconds * 1000
      try {
        const found = await oldest()
        if (!found || now < nextWarning) return
        nextWarning = now + warnEverySeconds * 1000
        const { job, waitedSeconds, workers } = found
        const why =
          workers > 0
            ? 'the running workers do not take it: their list of jobs lacks it, or they are too slow'
            : 'no worker is running'
        logger.warn(
          { job, waitedSeconds, workers },
          `The job ${job} has waited for ${waitedSeconds} s, and ${why}. ${advice}`,
        )
      } catch (error) {
        logger.debug({ error }, 'The jobs that wait could not be looked at.')
      }
    },
  }
}
