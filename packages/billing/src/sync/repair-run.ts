/**
 * Repairs that take longer than one run. Promise: a run that is stopped, killed or out of time loses nothing, because
 * the next one goes on where it was; two runs of one repair are never under way at once; and whether a repair has
 * come to its end is told apart from having stopped.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'

/** How long one run may take. */
export interface RunOptions {
  /** Stop: the next run goes on from there. */
  signal?: AbortSignal
  /** Stop after this long. Default: not before the end. */
  limitMs?: number
}

/** A run that holds the place of its repair. */
export interface Run<Position> {
  /** Where the run before stopped. Null: from the beginning. */
  readonly position: Position | null
  /** Keeps the place, and the right to go on. False: another run has taken over, and this one has to stop. */
  save(position: Position): Promise<boolean>
  /** What the next run begins with once this repair has come to its end. Default: nothing. */
  keep(position: Position): void
  /** Whether the run has to stop now. */
  isOver(): boolean
}

export type RunOutcome = 'done' | 'stopped' | 'busy'

/**
 * Does a part of the repair `name`: `work` says true once the repair has come to its end, and the next run begins
 * anew. `busy`: another run is under way, and nothing was done.
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

/** A run that keeps no place, for what a person asks for. */
export function unkept<Position>({ signal, limitMs }: RunOptions): Run<Position> {
  const until = Date.now() + (limitMs ?? Number.POSITIVE_INFINITY)
  return {
    position: null,
    save: async () => true,
    keep: () => {},
    isOver: () => (signal?.aborted ?? false) || Date.now() > until,
  }
}

/** By the database's clock, which all processes share. */
const leaseEnd = ({ events }: BillingContext): Prisma.Sql =>
  Prisma.sql`(clock_timestamp() + ${events.leaseMs} * interval '1 millisecond')`
