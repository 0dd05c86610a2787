/**
 * The session that a request has just made. Several hooks need it after the endpoint, and it is read once for
 * all of them. The database dates the claims when it reads them, so an access token is denied if the session
 * ends or a role changes after that.
 *
 * @module
 */

import { defineRequestState } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import type { Bounds } from '../database/bounds.ts'
import { endOldSessions } from '../database/room.ts'
import type { BegunSession, SessionRows } from './session-rows.ts'

export type { BegunSession } from './session-rows.ts'

/** Returns null for a session that was ended again. */
export type BegunSessions = (sessionId: string) => Promise<BegunSession | null>

const read = defineRequestState<Map<string, Promise<BegunSession | null>>>(() => new Map())

/** The dependencies of `createBegunSessions`. */
export interface BegunOptions {
  db: Database
  rows: Pick<SessionRows, 'begun'>
  bounds: Bounds
  /** Waits until this process has heard of the ended sessions. */
  settle(): Promise<void>
}

/** Reads a new session once per request, and ends the user's sessions above the bound. */
export function createBegunSessions({ db, rows, bounds, settle }: BegunOptions): BegunSessions {
  async function ask(sessionId: string): Promise<BegunSession | null> {
    const begun = await rows.begun(sessionId)
    if (begun && begun.sessions > bounds.sessions) {
      await endOldSessions(db, bounds, begun.claims.session.userId)
      await settle()
    }
    return begun
  }
  return async (sessionId) => {
    const known = await read.get()
    const present = known.get(sessionId) ?? ask(sessionId)
    known.set(sessionId, present)
    return present
  }
}

/** The new session that this request has already read; null if it has not. */
export const knownSession = async (sessionId: string): Promise<BegunSession | null> =>
  (await (await read.get()).get(sessionId)) ?? null
