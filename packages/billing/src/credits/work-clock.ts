/**
 * The database's clock, as this process knows it: whether a call began before work ended in another process is told
 * by one clock. It is never behind what the database has said, so of calls one after the other here, the later one
 * always began later.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import { ask, type Ledger } from './ledger.ts'

export interface Watch {
  /** The present moment by the database's clock, in milliseconds since 1970. */
  now(): Promise<number>
  /** Learns that the database has reached this moment. */
  saw(clock: number): void
}

/** For how long a comparison holds. */
const FRESH_MS = 60_000
/** The first answer may have waited for a connection; the fastest one says the most. */
const SAMPLES = 3

export function createWatch(ledger: Ledger): Watch {
  let seen = 0
  let compared: { at: number; ahead: Promise<number> } | undefined

  const watch: Watch = {
    async now() {
      const [here, known] = [performance.now(), seen]
      if (!compared || here - compared.at > FRESH_MS) {
        compared = { at: here, ahead: compare(ledger) }
        // A comparison that failed is not kept.
        compared.ahead.catch(() => {
          compared = undefined
        })
      }
      return Math.max(known, here + (await compared.ahead))
    },
    saw(clock) {
      seen = Math.max(seen, clock)
    },
  }
  return watch
}

/**
 * By how much the database's clock is ahead of this process's, or a moment more: the way to the database is counted in.
 * So a call that came after another one's end never seems to have come before it.
 */
async function compare(ledger: Ledger): Promise<number> {
  let ahead = Number.POSITIVE_INFINITY
  for (let n = 0; n < SAMPLES; n += 1) {
    const asked = performance.now()
    const [row] = await ask<{ clock: number }>(
      ledger,
      undefined,
      'Credit_clock',
      Prisma.sql`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "clock"`,
    )
    ahead = Math.min(ahead, (row?.clock ?? 0) - asked)
  }
  return ahead
}
