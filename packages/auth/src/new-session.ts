/**
 * A session that a request has just made. Several hooks after the endpoint ask about it, and it is read once for all
 * of them: what the access token may say is dated by the database when it is read, so whatever ends the session or
 * changes a role after that denies the token.
 *
 * @module
 */

import { defineRequestState } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import { type Bounds, endOldSessions } from './bounds.ts'
import type { BegunSession, SessionRows } from './session-rows.ts'

export type { BegunSession } from './session-rows.ts'

/** Null for a session that was taken back. */
export type BegunSessions = (sessionId: string) => Promise<BegunSession | null>

const read = defineRequestState<Map<string, Promise<BegunSession | null>>>(() => new Map())

export interface BegunOptions {
  db: Database
  rows: Pick<SessionRows, 'begun'>
  bounds: Bounds
  /** Waits until this process has heard of the sessions that were ended. */
  settle(): Promise<void>
}

/** Reads a new session once in a request, and ends the sessions of the user above the bound. */
export function createBegunSessions({ db, rows, bounds, settle }: BegunOptions): BegunSessions {
  async function ask(sessionId: string): Promise<BegunSession | null> {
    const begun = await rows.begun(sessionId)
    if (begun && begun.sessions > bounds.sessions) {
      await endOldSessions(db, bounds, begun.statement.session.userId)
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

/** What the present request has read of a session that it made; null where it has not. */
export const knownSession = async (sessionId: string): Promise<BegunSession | null> =>
  (await (await read.get()).get(sessionId)) ?? null
