/**
 * Repairs that take longer than one run. Promise: a run that is stopped, killed or out of time loses nothing,
 * because the next run continues from the saved position. Two runs of one repair never work at the same time.
 * The outcome says whether the repair is done or was stopped.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'

/** How long one run may take. */
export interface RunOptions {
  /** Stops the run when aborted. The next run continues from there. */
  signal?: AbortSignal
  /** Stops the run after this many milliseconds. Default: no limit. */
  limitMs?: number
}

/** A run that holds the lease of its repair. */
export interface Run<Position> {
  /** Where the previous run stopped. Null: start from the beginning. */
  readonly position: Position | null
  /** Saves the position and extends the lease. False: another run has taken over, so this run has to stop. */
  save(position: Position): Promise<boolean>
  /** Sets the position at which the next repair starts once this repair is done. Default: the beginning. */
  keep(position: Position): void
  /** Whether the run has to stop now: aborted, out of time, or without its lease. */
  isOver(): boolean
}

/** `done`: the repair is finished. `stopped`: a later run continues. `busy`: another run is under way. */
export type RunOutcome = 'done' | 'stopped' | 'busy'

/**
 * Runs `work` under the lease of the repair `name`. `work` returns true once the repair is done, and the next
 * run then starts from the beginning. Returns `busy` without calling `work` while another run holds the
 * lease.
 */
export async function withRun<Position extends Prisma.InputJsonObject>(
  ctx: BillingContext,
  name: string,
  { signal, limitMs }: RunOptions,
  work: (run: Run<Position>) => Promise<boolean>,
): Promise<RunOutcome> {
  const lease = randomUUID()
  const until = Date.now() + (limitMs ?? Number.POSITIVE_INFINITY)
  const [row] = await ctx.db.$queryRaw<{ position: unknown }[]>`
    INSERT INTO "RepairRun" AS r ("name", "lease", "leaseUntil", "startedAt", "updatedAt")
    VALUES (${name}, ${lease}, ${leaseEnd(ctx)}, clock_timestamp(), clock_timestamp())
    ON CONFLICT ("name") DO UPDATE SET "lease" = ${lease}, "leaseUntil" = ${leaseEnd(ctx)},
      "startedAt" = coalesce(r."startedAt", clock_timestamp()), "updatedAt" = clock_timestamp()
    WHERE r."leaseUntil" IS NULL OR r."leaseUntil" < clock_timestamp()
    RETURNING "position"`
  if (!row) return 'busy'
  const isEmpty = Object.keys(row.position as object).length === 0
  let isHeld = true
  let kept: Position | null = null
  const update = async (data: { position?: object; isDone?: boolean; letsGo?: boolean }) => {
    const json = JSON.stringify(data.position ?? null)
    const count = await ctx.db.$executeRaw`
      UPDATE "RepairRun" SET "updatedAt" = clock_timestamp(),
        "position" = CASE WHEN ${json}::text = 'null' THEN "position" ELSE ${json}::jsonb END,
        "startedAt" = CASE WHEN ${data.isDone ?? false} THEN NULL ELSE "startedAt" END,
        "finishedAt" = CASE WHEN ${data.isDone ?? false} THEN clock_timestamp() ELSE "finishedAt" END,
        "lease" = CASE WHEN ${data.letsGo ?? false} THEN NULL ELSE "lease" END,
        "leaseUntil" = CASE WHEN ${data.letsGo ?? false} THEN NULL ELSE ${leaseEnd(ctx)} END
      WHERE "name" = ${name} AND "lease" = ${lease}`
    isHeld = count === 1
    return isHeld
  }
  try {
    const isDone = await work({
      position: isEmpty ? null : (row.position as Position),
      save: (position) => update({ position }),
      keep: (position) => {
        kept = position
      },
      isOver: () => !isHeld || (signal?.aborted ?? false) || Date.now() > until,
    })
    await update({ isDone, letsGo: true, ...(isDone ? { position: kept ?? {} } : {}) })
    return isDone ? 'done' : 'stopped'
  } catch (error) {
    await update({ letsGo: true }).catch(() => {})
    throw error
  }
}

/** A run that saves no position, for repairs that a person starts with bounds of their own. */
export function unkept<Position>({ signal, limitMs }: RunOptions): Run<Position> {
  const until = Date.now() + (limitMs ?? Number.POSITIVE_INFINITY)
  return {
    position: null,
    save: async () => true,
    keep: () => {},
    isOver: () => (signal?.aborted ?? false) || Date.now() > until,
  }
}

/** The end of the lease by the database's clock, which all processes share. */
const leaseEnd = ({ events }: BillingContext): Prisma.Sql =>
  Prisma.sql`(clock_timestamp() + ${events.leaseMs} * interval '1 millisecond')`
