/**
 * The deny set of this process: the access tokens that are refused although they have not expired. The
 * database writes a denial in the transaction that ends a session or changes a role, and notifies every
 * process at once. A process that may have missed a notice reads the session's row instead.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { type Listener, listen } from '@repo/db'
import { ACCESS_SECONDS, type Statement } from './access-token.ts'

/** The PostgreSQL channel on which the database announces denials. */
const CHANNEL = 'tollgate_denials'
/** How long denials are kept: twice a token's life, because clocks differ. */
const KEPT_SECONDS = 2 * ACCESS_SECONDS
/** Up to this many denials are kept without looking for old ones. */
const SMALL = 1_000

/** Knows which access tokens are denied. */
export interface Denials {
  /** Returns `unknown` while this process may have missed a denial. The first call starts listening. */
  judge(statement: Statement): 'allowed' | 'denied' | 'unknown'
  /** Waits until this process has heard of everything that was committed before the call. */
  settle(): Promise<void>
  close(): void
}

/**
 * Makes an empty deny set, which listens from its first use on.
 *
 * @param urlOf returns null if there is no connection to listen on; then every answer is `unknown`.
 */
export function createDenials(urlOf: () => string | null, logger: Logger): Denials {
  const notBefore = new Map<string, number>()
  let listener: Listener | null = null
  let limit = SMALL

  const deny = (subject: string, seconds: number) => {
    if (seconds > (notBefore.get(subject) ?? 0)) notBefore.set(subject, seconds)
    if (notBefore.size <= limit) return
    const oldest = Date.now() / 1000 - KEPT_SECONDS
    for (const [key, value] of notBefore) if (value < oldest) notBefore.delete(key)
    limit = Math.max(SMALL, 2 * notBefore.size)
  }
  const start = (): Listener | null => {
    const url = urlOf()
    if (url === null) return null
    let isLost = false
    return listen({
      url,
      channel: CHANNEL,
      async onConnect(query) {
        isLost = false
        const { rows } = await query<{ subject: string; notBefore: number }>(
          `SELECT "subject", max("notBefore") AS "notBefore" FROM "AccessDenial"
           WHERE "notBefore" > extract(epoch FROM now()) - ${KEPT_SECONDS} GROUP BY "subject"`,
        )
        for (const row of rows) deny(row.subject, row.notBefore)
      },
      onNotify(payload) {
        const [subject = '', seconds] = payload.split(' ')
        deny(subject, Number(seconds))
      },
      onLost(error) {
        if (!isLost)
          logger.warn({ error }, 'not listening for revocations; session rows are read instead')
        isLost = true
      },
    })
  }

  return {
    judge({ session, issuedAt }) {
      listener ??= start()
      if (!listener?.isCurrent(Date.now())) return 'unknown'
      // A session that was denied has ended, and never comes back. Its date says nothing: a token is dated ahead
      // of the clock after several changes of the user's roles within one second.
      const denied =
        notBefore.has(session.sessionId) || issuedAt < (notBefore.get(session.userId) ?? 0)
      return denied ? 'denied' : 'allowed'
    },
    settle: async () => listener?.settle(),
    close() {
      listener?.close()
      listener = null
    },
  }
}
