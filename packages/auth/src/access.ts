/**
 * What makes up sessions and access tokens, put together once for an instance of auth.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { type Database, databaseUrlOf } from '@repo/db'
import type { AuthContext } from 'better-auth'
import { createVerify } from './access-token.ts'
import { createDenials } from './denials.ts'
import type { AuthOptions } from './options.ts'
import { createRefresh } from './refresh.ts'
import { createSessionRows } from './session-rows.ts'
import { createSessions } from './sessions.ts'
import { createCookieSigner } from './signed-cookie.ts'
import { createSigningKeys } from './signing-keys.ts'

const SECONDS_PER_DAY = 86_400

/** What is recorded about sessions. Ids only. */
export interface SessionEvent {
  action: 'session.reused'
  userId: string
  sessionId: string
}

export interface AccessOptions {
  options: AuthOptions
  db: Database
  origin: string
  logger: Logger
  context(): Promise<AuthContext>
  /** Better Auth's endpoints. */
  handler(req: Request): Promise<Response>
  onAudit(event: SessionEvent): void
}

export function createAccess({ options, db, origin, logger, context, ...rest }: AccessOptions) {
  const idleSeconds = (options.session?.idleDays ?? 7) * SECONDS_PER_DAY
  const absoluteSeconds = (options.session?.absoluteDays ?? 30) * SECONDS_PER_DAY
  const { alg = 'ES256', keys: given } = options.accessToken ?? {}
  const keys = createSigningKeys({ origin, alg, keys: given, context })
  const cookies = createCookieSigner(options.secret)
  const rows = createSessionRows({
    db,
    absoluteSeconds,
    onReuse: (session) => rest.onAudit({ action: 'session.reused', ...session }),
  })
  const denials = createDenials(options.listenUrl ?? databaseUrlOf(db), logger)
  const refresh = (cookie: string) =>
    rest.handler(
      new Request(`${origin}/api/auth/access/refresh`, {
        method: 'POST',
        headers: { cookie, origin },
      }),
    )
  const verify = createVerify(origin, keys.find)
  return {
    idleSeconds,
    jwt: keys.jwt,
    refresh: createRefresh({ origin, rows, keys, cookies, idleSeconds }),
    sessions: createSessions({ db, rows, verify, denials, cookies, refresh }),
    settle: denials.settle,
    close: denials.close,
  }
}

export type Access = ReturnType<typeof createAccess>
