/**
 * Runs jobs: with a worker that stays, or in one pass for hosts that keep no process.
 *
 * The engine holds the jobs of a killed worker for four hours. So workers record every few seconds that they
 * are alive, and any worker frees the jobs of one that has been silent for a minute. A silent worker may
 * still be alive and run its job beside another worker: jobs run at least once.
 *
 * @module
 */

import { EventEmitter } from 'node:events'
import { type Clock, type CronEntry, createLogger, type Logger, systemClock } from '@repo/core'
import { type TollgateConfig, workOf } from '@repo/core/config'
import { connectionStringOf, repeatGrants } from '@repo/db'
import type { RunnerOptions, TaskList } from 'graphile-worker'
import pg from 'pg'
import { enqueueDue, parseCron } from './cron.ts'
import type { Jobs } from './definitions.ts'
import { JobsError } from './errors.ts'
import { createSql, type Sql, type SqlPool } from './sql.ts'

const BEAT_MS = 10_000
const SILENT_MS = 60_000

/** The options of `createWorker`. */
export interface WorkerOptions {
  /** A direct address of the database: LISTEN does not work through a pooler that shares connections. */
  databaseUrl: string
  /** The export of `tollgate.config.ts`: jobs and cron entries of the host's instances, and the host's own. */
  config?: TollgateConfig
  /** Further lists of jobs. Give `config`, `jobs` or both. */
  jobs?: Jobs
  /** How many jobs run at the same time. Default 4. */
  concurrency?: number
  /** The schedule of further jobs. */
  cron?: readonly CronEntry[]
  /** The host's logger; its entries are masked. Default: JSON lines on standard error. */
  logger?: Logger
  /** How many milliseconds `stop` waits before it aborts running jobs by their signal. Default 5,000. */
  graceMs?: number
  /** How often a worker records that it is alive. Default 10,000. */
  beatMs?: number
  /** After how much silence a worker counts as dead. Default 60,000. */
  silentMs?: number
}

/** A running worker. */
export interface Worker {
  /** Takes no more jobs, waits for the running ones, and closes its connections. */
  stop(): Promise<void>
}

/**
 * Creates or updates the engine's schema. Run it on each deployment, after the migrations and as the same
 * role. Roles that `grantRole` was called with get their rights on new tables.
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

/** How often a worker looks for jobs of which it was not told. */
const POLL_MS = 500

/**
 * Starts a worker, which runs new jobs as they come: at once, or within half a second if a transaction added them.
 *
 * @throws `duplicate_job` if two jobs have the same name, `unknown_job` for a cron entry whose job is
 *   missing, `no_jobs`
 *
 * @example
 * ```ts
 * import { auth } from '@repo/auth'
 * import { billing } from '@repo/billing'
 * import { createWorker } from '@repo/jobs'
 *
 * const worker = await createWorker({
 *   databaseUrl: process.env.DATABASE_URL ?? '',
 *   config: { auth, billing },
 * })
 * process.once('SIGTERM', () => worker.stop())
 * ```
 */
export async function createWorker(options: WorkerOptions): Promise<Worker> {
  const { run } = await import('graphile-worker')
  const { concurrency = 4, beatMs = BEAT_MS, silentMs = SILENT_MS } = options
  const logger = createLogger(options.logger)
  const { jobs, entries } = allWork(options)
  const taskList = tasksOf(jobs, logger)
  const parsedCronItems = await parseCron(entries, jobs)
  const pool = createPool(options.databaseUrl, concurrency + 2)
  const sql = createSql(options.databaseUrl)
  const heart = beat({ sql, logger, beatMs, silentMs })
  const close = async () => {
    await heart.stop()
    await sql.close()
    await pool.end()
  }
  const runner = await run({
    ...(await shared(pool, logger)),
    taskList,
    concurrency,
    noHandleSignals: true,
    // Jobs that transactions add come without NOTIFY.
    pollInterval: POLL_MS,
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

/** The options of `runPending`. */
export interface PendingOptions extends Omit<WorkerOptions, 'concurrency' | 'graceMs'> {
  /** The clock for cron. Default: the machine's clock. */
  clock?: Clock
}

/**
 * Runs the jobs that are due, one after the other, then returns: for the cron route of a host that keeps no
 * process. Jobs and retries are the same as with a worker, and the jobs of a route that is cut off are freed
 * like those of a worker.
 *
 * `cron` is enqueued first. The first call that sees an entry only records it. Each later call enqueues the
 * newest minute that the pattern has matched since the last run, so an entry runs once between two calls,
 * however rare they are. Older minutes are each enqueued as far back as `backfillMs` reaches. Minutes more
 * than two days ago are skipped unless `backfillMs` reaches them. One minute of one entry is enqueued once,
 * however many calls and workers share the entries.
 *
 * @throws `duplicate_job` if two jobs have the same name, `unknown_job` for a cron entry whose job is
 *   missing, `no_jobs`
 *
 * @example
 * ```ts
 * import { auth } from '@repo/auth'
 * import { billing } from '@repo/billing'
 * import { runPending } from '@repo/jobs'
 *
 * // A route that the platform's own cron requests each minute.
 * export async function GET(): Promise<Response> {
 *   await runPending({ databaseUrl: process.env.DATABASE_URL ?? '', config: { auth, billing } })
 *   return new Response('done')
 * }
 * ```
 */
export async function runPending(options: PendingOptions): Promise<void> {
  const { runOnce } = await import('graphile-worker')
  const { beatMs = BEAT_MS, silentMs = SILENT_MS } = options
  const logger = createLogger(options.logger)
  const { jobs, entries } = allWork(options)
  const taskList = tasksOf(jobs, logger)
  const cron = await parseCron(entries, jobs)
  const pool = createPool(options.databaseUrl, 2)
  const sql = createSql(options.databaseUrl)
  const heart = beat({ sql, logger, beatMs, silentMs })
  const events = listen(heart.add)
  try {
    await enqueueDue(sql, cron, options.clock ?? systemClock)
    await runOnce({ ...(await shared(pool, logger)), taskList, events, noHandleSignals: true })
  } finally {
    await heart.stop()
    await sql.close()
    await pool.end()
    // The engine keeps its options for good. Without this, each pass would keep the jobs of its host, too.
    events.removeAllListeners()
    for (const name of Object.keys(taskList)) delete taskList[name]
  }
}

async function shared(
  pgPool: pg.Pool,
  logger: Logger,
): Promise<Pick<RunnerOptions, 'pgPool' | 'logger'>> {
  const { Logger: EngineLogger } = await import('graphile-worker')
  return {
    pgPool,
    // Drops the engine's own log lines. We log a failed job ourselves, with its error masked.
    logger: new EngineLogger(() => (level, message) => {
      if (level === 'error') logger.warn({}, message)
    }),
  }
}

function createPool(databaseUrl: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: connectionStringOf(databaseUrl), max })
  // A lost idle connection reports here; without a listener the event would end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    client.on('error', () => {})
    client.query = asRetryable(client.query.bind(client))
  })
  pool.connect = asRetryable(pool.connect.bind(pool))
  return pool
}

/** The server was shut down, crashed, or cannot be reached. */
const LOST = new Set(['57P01', '57P02', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'])
/** PostgreSQL's "cannot connect now", which the engine retries. */
const TRY_AGAIN = '57P03'

/**
 * Makes a lost connection look like a server that is starting. After that error and few others the engine
 * repeats the end of a job; any other error would end the process, because nothing awaits it.
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

/** The jobs and cron entries of the configuration and of the options beside it. */
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
      throw new JobsError(
        'duplicate_job',
        `Two jobs have the name ${job.name}. Names must be unique.`,
      )
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

/** The engine adds the time of the run to the payload of a cron job; this removes it. */
function withoutCron(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null || !('_cron' in payload)) return payload
  const { _cron, ...rest } = payload
  return rest
}

function listen(created: (id: string) => void): NonNullable<RunnerOptions['events']> {
  const events = new EventEmitter() as NonNullable<RunnerOptions['events']>
  // A lock names the pool that took the job, and not the worker of that pool that runs it.
  events.on('pool:create', ({ workerPool }) => created(workerPool.id))
  return events
}

interface Heart {
  sql: SqlPool
  logger: Logger
  beatMs: number
  silentMs: number
}

function beat({ sql, logger, beatMs, silentMs }: Heart) {
  const ids = new Set<string>()
  let last: Promise<void> = Promise.resolve()
  const once = async () => {
    try {
      for (const id of ids) {
        await sql.query`
          INSERT INTO "JobWorker" ("id", "seenAt") VALUES (${id}, clock_timestamp())
          ON CONFLICT ("id") DO UPDATE SET "seenAt" = clock_timestamp()`
      }
      const freed = await freeSilent(sql, silentMs)
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
    /** Adds a living worker and records it at once. */
    add(id: string) {
      ids.add(id)
      tick()
    },
    async stop() {
      clearInterval(timer)
      await last
      await sql.query`DELETE FROM "JobWorker" WHERE "id" = ANY(${[...ids]}::text[])`.catch(() => {})
    },
  }
}

/**
 * Deletes the rows of workers that have been silent for `silentMs`, and frees jobs that an unknown worker has
 * held as long. These include the jobs of a worker that was killed before its first beat, and of a worker
 * whose row its own process deleted before it ended.
 */
async function freeSilent(sql: Sql, silentMs: number): Promise<string[]> {
  await sql.query`
    DELETE FROM "JobWorker"
    WHERE "seenAt" < clock_timestamp() - ${silentMs} * interval '1 millisecond'`
  const gone = await sql.query<{ id: string }>`
    SELECT DISTINCT "locked_by" AS "id" FROM graphile_worker.jobs
    WHERE "locked_at" < clock_timestamp() - ${silentMs} * interval '1 millisecond'
      AND NOT EXISTS (SELECT 1 FROM "JobWorker" w WHERE w."id" = "locked_by")`
  const ids = gone.map(({ id }) => id)
  if (ids.length > 0) {
    await sql.query`SELECT 1 FROM graphile_worker.force_unlock_workers(${ids}::text[])`
  }
  return ids
}
