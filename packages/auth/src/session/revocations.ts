/**
 * The deny set of this process: the access tokens that are refused although they have not expired. The
 * database writes a denial in the transaction that ends a session or changes a role, and every process reads
 * the new revocations. A process that may have missed a denial reads the session's row instead.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { createInvalidations, type Invalidations } from '@repo/db'
import { ACCESS_SECONDS, type Claims } from './access-token.ts'

/** The PostgreSQL channel on which processes wake each other. */
const CHANNEL = 'tollgate_denials'
/** How long revocations are kept: twice a token's life, because clocks differ. */
const KEPT_SECONDS = 2 * ACCESS_SECONDS
/** Up to this many revocations are kept without looking for old ones. */
const SMALL = 1_000

/** Knows which access tokens are denied. */
export interface Revocations {
  /** Returns `unknown` while this process may have missed a denial. The first call connects. */
  check(claims: Claims): 'allowed' | 'denied' | 'unknown'
  /**
   * Waits until this process has heard of everything that was committed before the call, and wakes the others.
   */
  settle(): Promise<void>
  close(): void
}

/**
 * Makes an empty deny set, which connects at its first use.
 *
 * @param urlOf returns null if the database's address is not known; then every answer is `unknown`.
 */
export function createRevocations(urlOf: () => string | null, logger: Logger): Revocations {
  const notBefore = new Map<string, number>()
  let heard: Invalidations | null = null
  let limit = SMALL

  const deny = (subject: string, seconds: number) => {
    if (seconds > (notBefore.get(subject) ?? 0)) notBefore.set(subject, seconds)
    if (notBefore.size <= limit) return
    const oldest = Date.now() / 1000 - KEPT_SECONDS
    for (const [key, value] of notBefore) if (value < oldest) notBefore.delete(key)
    limit = Math.max(SMALL, 2 * notBefore.size)
  }
  const start = (): Invalidations | null => {
    const url = urlOf()
    if (url === null) return null
    return createInvalidations<{ subject: string; notBefore: number }>({
      url,
      channel: CHANNEL,
      changes: (since) =>
        `SELECT "subject", "notBefore" FROM "AccessDenial"
         WHERE "transaction" >= ${since} AND "notBefore" > extract(epoch FROM now()) - ${KEPT_SECONDS}`,
      onChange: ({ subject, notBefore: seconds }) => deny(subject, seconds),
      onLost: (error) =>
        logger.warn(
          { error },
          'this process does not hear of revocations; it reads session rows instead',
        ),
    })
  }

  return {
    check({ session, issuedAt }) {
      heard ??= start()
      if (!heard?.isCurrent(Date.now())) return 'unknown'
      // A session that was denied has ended, and never comes back. Its date says nothing: a token is dated ahead
      // of the clock after several changes of the user's roles within one second.
      const denied =
        notBefore.has(session.sessionId) || issuedAt < (notBefore.get(session.userId) ?? 0)
      return denied ? 'denied' : 'allowed'
    },
    settle: async () => heard?.settle(),
    close() {
      heard?.close()
      heard = null
    },
  }
}
