/**
 * Builds the parts of sessions and access tokens, once per auth instance. These read a session and need no Better
 * Auth; `token-hooks.ts` has the parts that change a session.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { type Database, databaseUrlOf } from '@repo/db'
import type { AuthContext } from 'better-auth'
import type { AuditEntry } from '../audit/audit.ts'
import { AuthError } from '../errors.ts'
import type { AnyAuthOptions } from '../options.ts'
import { createVerifier } from './access-token.ts'
import type { CookieKeys } from './cookie-keys.ts'
import { cookiesAt } from './cookies.ts'
import { createRevocations } from './revocations.ts'
import { createSessionRows } from './session-rows.ts'
import { createSessions } from './sessions.ts'
import { createSigningKeys } from './signing-keys.ts'

const SECONDS_PER_DAY = 86_400
/** The longest time that browsers keep a cookie. */
const LONGEST_DAYS = 400

/** The dependencies of `createSessionTokens`. */
export interface SessionTokensOptions {
  options: AnyAuthOptions
  cookies: CookieKeys
  db: Database
  origin: string
  logger: Logger
  context(): Promise<AuthContext>
  /** Better Auth's endpoints. */
  handler(req: Request): Promise<Response>
  /** Adds an entry to the audit log without waiting. */
  record(entry: AuditEntry, req?: Request): void
}

/** Builds them. @throws `invalid_options` for lifetimes or signing keys that make no sense */
export function createSessionTokens({
  options,
  cookies,
  db,
  origin,
  logger,
  context,
  ...rest
}: SessionTokensOptions) {
  const { idleDays = 7, absoluteDays = 30 } = options.session ?? {}
  if (!(idleDays > 0 && idleDays <= absoluteDays && absoluteDays <= LONGEST_DAYS)) {
    throw new AuthError(
      'invalid_options',
      `session.idleDays must be above 0 and at most session.absoluteDays, which is at most ${LONGEST_DAYS}.`,
    )
  }
  const sessionCookie = cookiesAt(origin).session
  const idleSeconds = Math.ceil(idleDays * SECONDS_PER_DAY)
  const absoluteSeconds = Math.ceil(absoluteDays * SECONDS_PER_DAY)
  const { alg = 'ES256', keys: given } = options.accessToken ?? {}
  const keys = createSigningKeys({ db, origin, alg, keys: given, context })
  const rows = createSessionRows({
    db,
    absoluteSeconds,
    onReuse: (session) => rest.record({ action: 'session_reused', ...session }),
    settle: () => revocations.settle(),
  })
  const revocations = createRevocations(() => options.listenUrl ?? databaseUrlOf(db), logger)
  const refresh = (cookie: string) =>
    rest.handler(
      new Request(`${origin}/api/auth/access/refresh`, {
        method: 'POST',
        headers: { cookie, origin },
      }),
    )
  const verifier = createVerifier(origin, keys.find)
  return {
    idleSeconds,
    rows,
    keys,
    sessions: createSessions({
      db,
      rows,
      verifier,
      revocations,
      cookies: cookies.signerOf(sessionCookie),
      sessionCookie,
      refresh,
      record: rest.record,
    }),
    settle: revocations.settle,
    close: revocations.close,
  }
}

/** The parts of sessions and access tokens. */
export type SessionTokens = ReturnType<typeof createSessionTokens>
