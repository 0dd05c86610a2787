/**
 * Running jobs: a worker that stays, or one pass for hosts that have no process to keep.
 *
 * The engine holds the jobs of a worker that was killed for four hours. So workers say every few
 * seconds that they are alive, and any of them frees the jobs of one that has been silent for a
 * minute. A worker that was silent and yet lives may then run a job beside another: jobs run at
 * least once.
 *
 * @module
 */

import { EventEmitter } from 'node:events'
import { type Clock, type CronEntry, createLogger, type Logger, systemClock } from '@repo/core'
import { type TollgateConfig, workOf } from '@repo/core/config'
import { connectionStringOf, createDb, type Database, repeatGrants } from '@repo/db'
import type { RunnerOptions, TaskList } from 'graphile-worker'
import pg from 'pg'
import { enqueueDue, parseCron } from './cron.ts'
import type { Jobs } from './definitions.ts'
import { JobsError } from './errors.ts'

const BEAT_MS = 10_000
const SILENT_MS = 60_000

export interface WorkerOptions {
  databaseUrl: string
  /** What `tollgate.config.ts` exports: the jobs and the times of the host's own instances, and its own. */
  config?: TollgateConfig
  /** Further lists of jobs. One of `config` and `jobs` has to be there. */
  jobs?: Jobs
  /** Jobs at the same time. Default 4. */
  concurrency?: number
  /** When further jobs run. */
  cron?: readonly CronEntry[]
  logger?: Logger
  /** How long `stop` waits before jobs under way are told by their signal. Default 5,000. */
  graceMs?: number
  /** How often a worker says that it is alive, and after what silence it counts as dead. */
  beatMs?: number
  silentMs?: number
}

export interface Worker {
  /** Takes no more jobs, waits for those under way, and leaves. */
  stop(): Promise<void>
}

/**
 * Creates or updates the engine's schema. Part of a deployment, after the migrations, and as the same
 * role. Roles that `grantRole` was called with get what new tables need.
 */
export async function migrateJobs(databaseUrl: string): Promise<void> {
  const { runMigrations } = await import('graphile-worker')
  const pool = createPool(databaseUrl, 1)
  try {
    await runMigrations({ pgPool: pool })
  } finally {
    await pool.end()
  }
  await repeatGrants(databaseUrl)
}

/**
 * Starts a worker. It listens for new jobs and runs them as they come.
 *
 * @throws `duplicate_job` when two jobs have one name, `unknown_job` for a cron entry without one, `no_jobs`.
 */
export async function createWorker(options: WorkerOptions): Promise<Worker> {
  const { run } = await import('graphile-worker')
  const { concurrency = 4, beatMs = BEAT_MS, silentMs = SILENT_MS } = options
  const logger = createLogger(options.logger)
  const { jobs, entries } = allWork(options)
  const taskList = tasksOf(jobs, logger)
  const parsedCronItems = await parseCron(entries, jobs)
  const pool = createPool(options.databaseUrl, concurrency + 2)
  const db = createDb(options.databaseUrl, { maxConnections: 1 })
  const heart = beat({ db, logger, beatMs, silentMs })
  const close = async () => {
    await heart.stop()
    await db.$disconnect()
    await pool.end()
  }
  const runner = await run({
    ...(await shared(pool, logger)),
    taskList,
    concurrency,
    noHandleSignals: true,
    parsedCronItems,
    preset: { worker: { gracefulShutdownAbortTimeout: options.graceMs ?? 5_000 } },
    events: listen(heart.add),
  }).catch(async (error: unknown) => {
    await close()
    throw error
  })
  return {
    async stop() {
      await runner.stop()
      await close()
    },
  }
}

export interface PendingOptions extends Omit<WorkerOptions, 'concurrency' | 'graceMs'> {
  /** What cron goes by. Default: the machine's time. */
  clock?: Clock
}

/**
 * Runs what is due, one job after the other, then returns: for a cron route of a host without
 * processes. The same jobs, the same retries; a route that is cut off is freed like a worker.
 *
 * `cron` is enqueued first. The first call that knows an entry only notes it. Every later one
 * enqueues the newest minute that its pattern names since the last run, so that calls may be rare
 * and an entry between two of them runs once; and the older ones that `backfillMs` reaches back to,
 * each. Minutes more than two days past are left out unless `backfillMs` reaches them. One minute of
 * one entry is enqueued once, however many calls and workers with the same entries there are.
 *
 * @throws `duplicate_job` when two jobs have one name, `unknown_job` for a cron entry without one, `no_jobs`.
 */
export async function runPending(options: PendingOptions): Promise<void> {
  const { runOnce } = await import('graphile-worker')
  const { beatMs = BEAT_MS, silentMs = SILENT_MS } = options
  const logger = createLogger(options.logger)
  const { jobs, entries } = allWork(options)
  const taskList = tasksOf(jobs, logger)
  const cron = await parseCron(entries, jobs)
  const pool = createPool(options.databaseUrl, 2)
  const db = createDb(options.databaseUrl, { maxConnections: 1 })
  const heart = beat({ db, logger, beatMs, silentMs })
  try {
    await enqueueDue(db, cron, options.clock ?? systemClock)
    const events = listen(heart.add)
    await runOnce({ ...(await shared(pool, logger)), taskList, events, noHandleSignals: true })
  } finally {
    await heart.stop()
    await db.$disconnect()
    await pool.end()
  }
}

async function shared(
  pgPool: pg.Pool,
  logger: Logger,
): Promise<Pick<RunnerOptions, 'pgPool' | 'logger'>> {
  const { Logger: EngineLogger } = await import('graphile-worker')
  return {
    pgPool,
    // The engine logs each job; a job that failed is logged by us, with its error masked.
    logger: new EngineLogger(() => (level, message) => {
      if (level === 'error') logger.warn({}, message)
    }),
  }
}

function createPool(databaseUrl: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: connectionStringOf(databaseUrl), max })
  // An idle connection that is lost reports here; unhandled, the event would end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    client.on('error', () => {})
    client.query = asRetryable(client.query.bind(client))
  })
  pool.connect = asRetryable(pool.connect.bind(pool))
  return pool
}

/** The server was shut down or crashed, or cannot be reached. */
const LOST = new Set(['57P01', '57P02', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'])
/** "Cannot connect now", which the engine knows. */
const TRY_AGAIN = '57P03'

/**
 * Lets a lost connection look like a server that is starting. The engine repeats the end of a job
 * after that and few other errors; any other ends the process, because nobody awaits it.
 */
function asRetryable<F>(call: F): F {
  const retryable = (error: { code?: string; message?: string }): never => {
    const isLost = LOST.has(error.code ?? '') || /Connection terminated/.test(error.message ?? '')
    throw isLost ? Object.assign(error, { code: TRY_AGAIN }) : error
  }
  return ((...args: unknown[]) => {
    const result = (call as (...args: unknown[]) => unknown)(...args)
    return result instanceof Promise ? result.catch(retryable) : result
  }) as F
}

/** What the configuration says and what is said beside it. */
function allWork({
  config,
  jobs = [],
  cron = [],
}: Pick<WorkerOptions, 'config' | 'jobs' | 'cron'>) {
  const host = config === undefined ? { jobs: [], cron: [] } : workOf(config)
  const all = { jobs: [...host.jobs, ...jobs], entries: [...host.cron, ...cron] }
  if (all.jobs.flat().length > 0) return all
  throw new JobsError(
    'no_jobs',
    'The worker has no jobs: give it the config of tollgate.config.ts.',
  )
}

function tasksOf(jobs: Jobs, logger: Logger): TaskList {
  const tasks: TaskList = {}
  for (const job of jobs.flat()) {
    if (Object.hasOwn(tasks, job.name)) {
      throw new JobsError('duplicate_job', `Two jobs are called ${job.name}.`)
    }
    tasks[job.name] = async (payload, helpers) => {
      const { id, attempts: attempt } = helpers.job
      const signal = helpers.abortSignal ?? new AbortController().signal
      try {
        await job.run(job.parse(withoutCron(payload)), { id, attempt, signal })
        logger.debug({ job: job.name, id, attempt }, 'job done')
      } catch (error) {
        logger.error({ job: job.name, id, attempt, error }, 'job failed')
        throw error
      }
    }
  }
  return tasks
}

/** A job made by cron carries the time of its run beside its payload. */
function withoutCron(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null || !('_cron' in payload)) return payload
  const { _cron, ...rest } = payload
  return rest
}

function listen(created: (id: string) => void): NonNullable<RunnerOptions['events']> {
  const events = new EventEmitter() as NonNullable<RunnerOptions['events']>
  // A lock names the pool that took the job, not the worker in it that runs it.
  events.on('pool:create', ({ workerPool }) => created(workerPool.id))
  return events
}

interface Heart {
  db: Database
  logger: Logger
  beatMs: number
  silentMs: number
}

function beat({ db, logger, beatMs, silentMs }: Heart) {
  const ids = new Set<string>()
  let last: Promise<void> = Promise.resolve()
  const once = async () => {
    try {
      for (const id of ids) {
        await db.$executeRaw`
          INSERT INTO "JobWorker" ("id", "seenAt") VALUES (${id}, clock_timestamp())
          ON CONFLICT ("id") DO UPDATE SET "seenAt" = clock_timestamp()`
      }
      const freed = await freeSilent(db, silentMs)
      if (freed.length > 0) logger.warn({ workers: freed }, 'jobs of silent workers freed')
    } catch (error) {
      logger.warn({ error }, 'heartbeat failed')
    }
  }
  const tick = () => {
    last = last.then(once)
  }
  const timer = setInterval(tick, beatMs)
  return {
    /** One more that is alive, and says so at once. */
    add(id: string) {
      ids.add(id)
      tick()
    },
    async stop() {
      clearInterval(timer)
      await last
      await db.jobWorker.deleteMany({ where: { id: { in: [...ids] } } }).catch(() => {})
    },
  }
}

/**
 * Forgets the workers that have been silent for `silentMs`, and frees what nobody known has held for
 * as long: also the jobs of one that was killed before it could say anything, and of one whose end
 * was noted by a process that then ended itself.
 */
async function freeSilent(db: Database, silentMs: number): Promise<string[]> {
  await db.$executeRaw`
    DELETE FROM "JobWorker"
    WHERE "seenAt" < clock_timestamp() - ${silentMs} * interval '1 millisecond'`
  const gone = await db.$queryRaw<{ id: string }[]>`
    SELECT DISTINCT "locked_by" AS "id" FROM graphile_worker.jobs
    WHERE "locked_at" < clock_timestamp() - ${silentMs} * interval '1 millisecond'
      AND NOT EXISTS (SELECT 1 FROM "JobWorker" w WHERE w."id" = "locked_by")`
  const ids = gone.map(({ id }) => id)
  if (ids.length > 0) {
    await db.$executeRaw`SELECT 1 FROM graphile_worker.force_unlock_workers(${ids}::text[])`
  }
  return ids
}
