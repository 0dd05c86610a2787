/**
 * The parts of sessions and access tokens that change a session, for Better Auth's hooks and endpoints.
 *
 * @module
 */

import type { Database } from '@repo/db'
import { boundsOf } from '../database/bounds.ts'
import type { AnyAuthOptions } from '../options.ts'
import { createFlowCookies } from '../sign-in/flow-cookies.ts'
import type { CookieKeys } from './cookie-keys.ts'
import { createBegunSessions } from './new-session.ts'
import { createRefresh } from './refresh.ts'
import type { SessionTokens } from './session-tokens.ts'

/** The dependencies of `createTokenHooks`. */
export interface TokenHooksOptions {
  options: AnyAuthOptions
  cookies: CookieKeys
  db: Database
  origin: string
  tokens: SessionTokens
}

/** Builds them. */
export function createTokenHooks({ options, cookies, db, origin, tokens }: TokenHooksOptions) {
  const { idleSeconds, rows, keys, settle } = tokens
  return {
    idleSeconds,
    jwt: keys.jwt,
    flows: createFlowCookies(cookies.inner),
    refresh: createRefresh({ origin, db, rows, keys, cookies: cookies.inner, idleSeconds }),
    begun: createBegunSessions({ db, rows, bounds: boundsOf(options.bounds), settle }),
    settle,
  }
}

/** The parts that change a session. */
export type TokenHooks = ReturnType<typeof createTokenHooks>
