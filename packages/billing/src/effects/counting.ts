/**
 * Counts effects for tests and drills. The handler of each effect writes one row for each call into a table of its
 * own, in its transaction. The table has no unique key, so a second call shows as a second row.
 *
 * @module
 */

import type { Database, Db } from '@repo/db'
import type { Effect, EffectHandlers } from './facts.ts'
import { EFFECT_NAMES } from './names.ts'

/** How often each effect's handler ran and was committed, by key. */
export type EffectCalls = ReadonlyMap<string, number>

/** Creates the table of handler calls. */
export async function createCallTable(db: Database): Promise<void> {
  await db.$executeRaw`CREATE TABLE IF NOT EXISTS "DrillCall" ("key" text NOT NULL)`
}

/** Handlers that count effects. `fails` decides whether a call throws after its write. */
export function countingEffects(fails: (key: string) => boolean = () => false): EffectHandlers {
  const handler = async (tx: Db, { key }: Effect) => {
    await tx.$executeRaw`INSERT INTO "DrillCall" ("key") VALUES (${key})`
    if (fails(key)) throw new Error('The handler fails because the test wants it to.')
  }
  return Object.fromEntries(EFFECT_NAMES.map((name) => [name, handler]))
}

/** The committed calls of handlers, by key. */
export async function readCalls(db: Database): Promise<EffectCalls> {
  const rows = await db.$queryRaw<{ key: string; count: number }[]>`
    SELECT "key", count(*)::int AS "count" FROM "DrillCall" GROUP BY "key"`
  return new Map(rows.map(({ key, count }) => [key, count]))
}
