import type { Database } from '@repo/db'
import { expect } from 'vitest'

/** Waits until `count` statements of this database wait for a lock. */
export async function waitForLock(db: Database, count: number): Promise<void> {
  await expect
    .poll(
      async () => {
        const [row] = await db.$queryRaw<{ waiting: number }[]>`
          SELECT count(*)::int AS "waiting" FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`
        return row?.waiting
      },
      { timeout: 60_000 },
    )
    .toBe(count)
}
