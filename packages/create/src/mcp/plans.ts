/**
 * Plans that wait for their approval. A plan is applied by the token that was given with it: once, within ten minutes,
 * and only while the files are as the plan found them.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { CreateError } from '../errors.ts'
import type { Plan } from '../plan.ts'

/** How long a token is good. */
const LIFETIME_MS = 10 * 60_000

/** Keeps plans by their tokens. `now` is in milliseconds. */
export function createPlans(now: () => number = Date.now) {
  const waiting = new Map<string, { plan: Plan; until: number }>()
  return {
    /** Keeps a plan and returns its token. */
    keep(plan: Plan): string {
      const token = randomBytes(16).toString('base64url')
      waiting.set(token, { plan, until: now() + LIFETIME_MS })
      return token
    },
    /** The plan of a token, which is good no longer then. @throws `usage` */
    take(token: string): Plan {
      const found = waiting.get(token)
      waiting.delete(token)
      if (found && found.until > now()) return found.plan
      throw new CreateError(
        'usage',
        'No plan waits under this token: it was used, is older than ten minutes, or never existed. Make the plan again.',
      )
    },
  }
}
