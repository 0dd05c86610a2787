/**
 * Enqueues jobs on a schedule. A tick is a minute (UTC) that an entry's pattern matches. The engine keeps the
 * last tick of each entry in the database. A tick is enqueued in the same transaction that updates the last
 * tick, so it is enqueued once, however many workers and passes there are.
 *
 * @module
 */

import type { Clock, CronEntry } from '@repo/core'
import type { ParsedCronItem } from 'graphile-worker'
import type { Jobs } from './definitions.ts'
import { JobsError } from './errors.ts'
import type { Sql, SqlPool } from './sql.ts'

const MINUTE_MS = 60_000

/** How far back a tick is looked for. A host that calls once a day may be an hour late, and miss one call. */
const LOOK_BACK_MS = 2 * 24 * 60 * MINUTE_MS

/**
 * The entries in the engine's form. A job made by cron gets as many attempts as its definition says.
 *
 * @throws `unknown_job` for an entry whose job is not in `jobs`.
 */
export async function parseCron(
  entries: readonly CronEntry[],
  jobs: Jobs,
): Promise<ParsedCronItem[]> {
  const { parseCronItems } = await import('graphile-worker')
  const known = new Map(jobs.flat().map((job) => [job.name, job]))
  return parseCronItems(
    entries.map(({ pattern, job: name, backfillMs = 0 }) => {
      const job = known.get(name)
      if (!job)
        throw new JobsError(
          'unknown_job',
          `The cron entry names the unknown job ${name}. Add it to jobs.`,
        )
      return {
        task: name,
        match: pattern,
        identifier: `${name} ${pattern}`,
        options: {
          backfillPeriod: backfillMs,
          ...(job.maxAttempts !== undefined && { maxAttempts: job.maxAttempts }),
        },
      }
    }),
  )
}

interface Known {
  identifier: string
  /** The last tick, or the time when the entry was first seen. */
  since: Date
}

/** Enqueues the jobs that have become due since each entry's last tick; see `runPending`. */
export async function enqueueDue(
  sql: SqlPool,
  items: readonly ParsedCronItem[],
  clock: Clock,
): Promise<void> {
  if (items.length === 0) return
  const now = clock.now()
  const identifiers = items.map(({ identifier }) => identifier)
  await sql.query`
    INSERT INTO graphile_worker._private_known_crontabs ("identifier", "known_since")
    SELECT unnest(${identifiers}::text[]), ${now}::timestamptz ON CONFLICT DO NOTHING`
  const rows = await sql.query<Known>`
    SELECT "identifier", coalesce("last_execution", "known_since") AS "since"
    FROM graphile_worker._private_known_crontabs WHERE "identifier" = ANY(${identifiers})`
  const since = new Map(rows.map((row) => [row.identifier, row.since]))
  for (const item of items) {
    const last = since.get(item.identifier) ?? now
    if (dueTicks(item, last, now).length > 0) await sql.transaction((tx) => advance(tx, item, now))
  }
}

/**
 * Handles one entry in one transaction. A worker updates several rows at once in its own order, so a
 * transaction that locked more than one row could deadlock with it.
 */
async function advance(tx: Sql, item: ParsedCronItem, now: Date): Promise<void> {
  const { identifier, task, options } = item
  const [known] = await tx.query<Known>`
    SELECT "identifier", coalesce("last_execution", "known_since") AS "since"
    FROM graphile_worker._private_known_crontabs WHERE "identifier" = ${identifier} FOR UPDATE`
  // Read again under the lock, because another pass may have enqueued ticks meanwhile.
  const ticks = known ? dueTicks(item, known.since, now) : []
  const newest = ticks.at(-1)
  if (!newest) return
  for (const ts of ticks) {
    const payload = JSON.stringify({ _cron: { ts, backfilled: ts !== newest } })
    // At the latest the database's own time, which may be behind ours, so that this pass runs the job.
    await tx.query`
      SELECT graphile_worker.add_job(${task}::text, ${payload}::json,
        run_at => least(${ts}::timestamptz, clock_timestamp()), max_attempts => ${options.maxAttempts ?? null}::int)`
  }
  await tx.query`
    UPDATE graphile_worker._private_known_crontabs SET "last_execution" = ${newest}::timestamptz
    WHERE "identifier" = ${identifier}`
}

/** The ticks after `since` and up to `now` that have to run, the oldest first. */
function dueTicks({ match, options }: ParsedCronItem, since: Date, now: Date): Date[] {
  const { backfillPeriod } = options
  const ticks: Date[] = []
  const oldest = Math.max(
    since.getTime() + 1,
    now.getTime() - Math.max(LOOK_BACK_MS, backfillPeriod),
  )
  let time = now.getTime() - (now.getTime() % MINUTE_MS)
  for (; time >= oldest; time -= MINUTE_MS) {
    // The newest tick always runs, older ticks only within the backfill period.
    if (ticks.length > 0 && now.getTime() - time > backfillPeriod) break
    const tick = new Date(time)
    if (match(digest(tick))) ticks.unshift(tick)
  }
  return ticks
}

const digest = (tick: Date) => ({
  min: tick.getUTCMinutes(),
  hour: tick.getUTCHours(),
  date: tick.getUTCDate(),
  month: tick.getUTCMonth() + 1,
  dow: tick.getUTCDay(),
})
