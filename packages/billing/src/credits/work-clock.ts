/**
 * An estimate of the database's clock in this process. One clock decides whether a call began before work
 * ended in another process. The estimate is never behind a time that the database has reported, so calls that
 * follow each other in this process get increasing times.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import { ask, type Ledger } from './ledger.ts'

/** The database's clock. */
export interface Watch {
  /** The present moment by the database's clock, in milliseconds since 1970. */
  now(): Promise<number>
  /** Records a time that the database has reported. */
  saw(clock: number): void
}

/** How long a comparison of the clocks is used. */
const FRESH_MS = 60_000
/** Number of samples. The fastest is used, because the first may have waited for a connection. */
const SAMPLES = 3

/** Creates a clock that compares itself with the database once a minute. */
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
 * How far the database's clock is ahead of this process's, in milliseconds. The request's latency is
 * included, so a call that began after work had ended never seems to have begun before.
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
