/**
 * The deny set in this process: which access tokens are no longer taken, though they have not ended.
 * The database writes it in the transaction that ends a session or changes a role, and tells every
 * process at once; a process that may not have heard reads the session's row instead.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { type Listener, listen } from '@repo/db'
import { ACCESS_SECONDS, type Statement } from './access-token.ts'

const CHANNEL = 'tollgate_denials'
/** Twice a token's life, for clocks that differ. */
const KEPT_SECONDS = 2 * ACCESS_SECONDS
const SMALL = 1_000

export interface Denials {
  /** `unknown` while this process may not have heard of a denial. The first call begins to listen. */
  judge(statement: Statement): 'allowed' | 'denied' | 'unknown'
  /** Waits until what was committed before is heard of here. */
  settle(): Promise<void>
  close(): void
}

/** @param url null where there is no connection to listen on: then nothing is ever known. */
export function createDenials(url: string | null, logger: Logger): Denials {
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
  const start = (address: string) =>
    listen({
      url: address,
      channel: CHANNEL,
      async onConnect(query) {
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
      onLost: (error) => logger.warn({ error }, 'denials are not heard of; sessions are read'),
    })

  return {
    judge({ session, issuedAt }) {
      if (url !== null) listener ??= start(url)
      if (!listener?.isCurrent(Date.now())) return 'unknown'
      const denied =
        issuedAt < (notBefore.get(session.sessionId) ?? 0) ||
        issuedAt < (notBefore.get(session.userId) ?? 0)
      return denied ? 'denied' : 'allowed'
    },
    settle: async () => listener?.settle(),
    close() {
      listener?.close()
      listener = null
    },
  }
}
