/**
 * Warns about jobs that wait while no worker takes them. Without a worker nothing fails: requests are
 * answered, but mails are not sent. So the process that queues jobs checks now and then and logs a warning.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { type Db, Prisma, queryNamed } from '@repo/db'

/** The options of `createBacklogWatch`. */
export interface BacklogWatchOptions {
  /** The database of the queue. */
  db: Pick<Db, '$queryRaw'>
  /** Gets the warning. */
  logger: Logger
  /** The names of the jobs to watch. */
  jobs: readonly string[]
  /** A sentence that tells the host what to do. It ends the warning. */
  advice: string
  /** How many seconds a job may wait. Default 60. */
  afterSeconds?: number
  /** The shortest time between two checks. Default 60. */
  lookEverySeconds?: number
  /** The shortest time between two warnings. Default 300. */
  warnEverySeconds?: number
}

/** Watches for jobs that wait too long. */
export interface BacklogWatch {
  /**
   * Call it whenever a job may have been queued, and do not wait for it. Most calls only compare two numbers;
   * once in `lookEverySeconds` a call asks the database. It never throws.
   */
  look(): Promise<void>
}

interface Oldest {
  job: string
  waitedSeconds: number
  workers: number
}

/** Creates a watch for this process. Two processes warn independently of each other. */
export function createBacklogWatch(options: BacklogWatchOptions): BacklogWatch {
  const { db, logger, advice, afterSeconds = 60 } = options
  const { lookEverySeconds = 60, warnEverySeconds = 300 } = options
  const jobs = [...options.jobs]
  let nextLook = 0
  let nextWarning = 0

  /**
   * The job that has waited longest, if it has waited too long, and the number of workers seen in the last
   * minute.
   */
  async function oldest(): Promise<Oldest | undefined> {
    const sql = Prisma.sql`
      SELECT task_identifier AS "job",
        extract(epoch FROM clock_timestamp() - run_at)::int AS "waitedSeconds",
        (SELECT count(*)::int FROM "JobWorker"
          WHERE "seenAt" > clock_timestamp() - interval '1 minute') AS "workers"
      FROM graphile_worker.jobs
      WHERE task_identifier = ANY(${jobs}) AND locked_at IS NULL AND attempts < max_attempts
        AND run_at < clock_timestamp() - make_interval(secs => ${afterSeconds})
      ORDER BY run_at LIMIT 1`
    const [found] = await queryNamed<Oldest>(db, 'jobs.oldest', sql)
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
            ? 'the running workers do not take it: it is not in their list of jobs, or they are too slow'
            : 'no worker is running'
        logger.warn(
          { job, waitedSeconds, workers },
          `The job ${job} has waited for ${waitedSeconds} s, and ${why}. ${advice}`,
        )
      } catch (error) {
        logger.debug({ error }, 'Waiting jobs could not be checked.')
      }
    },
  }
}
