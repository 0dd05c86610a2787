/**
 * Limits a session whose sign-in is older than a quarter of an hour, because somebody may have left it open
 * or stolen it. It can do nothing that outlasts the session or that harms other people. The endpoints that it
 * may use are listed here, so a new endpoint is closed to it until it is listed. Reading is always allowed.
 * Everything else answers `recent_sign_in_required`.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { isRecent } from '../account/recent.ts'
import { notFresh } from '../account/refusals.ts'
import { type Endpoints, withPath } from '../sign-in/password-fields.ts'
import { cookieSession, type HookContext } from './cookie-session.ts'

/**
 * Endpoints that sign in or out. The request shows a link, a password or a code, and gets another session.
 */
const SIGNING_IN = [
  '/callback/:id',
  '/change-email/confirm',
  '/change-email/undo',
  '/confirm-email',
  '/passkey/verify-authentication',
  '/request-password-reset',
  '/reset-password',
  '/send-verification-email',
  '/sign-in/email',
  '/sign-in/magic-link',
  '/sign-in/magic-link/confirm',
  '/sign-in/social',
  '/sign-out',
  '/sign-up/email',
  '/two-factor/verify-backup-code',
  '/two-factor/verify-totp',
]

/**
 * Endpoints whose effect ends with the session or can be undone, or only takes access from sessions and
 * programs.
 */
const ORDINARY = [
  '/access/refresh',
  '/delete-user/cancel',
  '/get-access-token',
  '/get-session',
  '/oauth2/authorize',
  '/oauth2/delete-consent',
  '/oauth2/end-session',
  '/oauth2/end-session/confirm',
  '/oauth2/introspect',
  '/oauth2/public-client-prelogin',
  '/oauth2/revoke',
  '/oauth2/token',
  '/oauth2/userinfo',
  '/organization/accept-invitation',
  '/organization/cancel-invitation',
  '/organization/check-slug',
  '/organization/create',
  '/organization/has-permission',
  '/organization/reject-invitation',
  '/organization/set-active',
  '/organization/update',
  '/passkey/update-passkey',
  '/refresh-token',
  '/revoke-other-sessions',
  '/revoke-session',
  '/revoke-sessions',
  '/update-user',
]

/** Endpoints that check by themselves: they ask for the password, or decide by the content of the request. */
const ASKS_ITSELF = [
  '/change-email',
  '/change-password',
  '/delete-user',
  // Here the rule depends on the invitation's role; see organization/rules.ts.
  '/organization/invite-member',
  '/two-factor/disable',
  '/two-factor/enable',
  '/two-factor/generate-backup-codes',
  '/two-factor/get-totp-uri',
  '/verify-password',
]

/** All endpoints that are open to an old session. */
const OPEN = new Set([...SIGNING_IN, ...ORDINARY, ...ASKS_ITSELF])

/** The dependencies of `limitOldSessions`. */
export interface OldSessionOptions {
  db: Database
  /** The endpoints of the running instance. */
  endpoints: Endpoints
  /** The page where people sign in. */
  signIn: URL
  /** Further endpoints that are open to an old session: those of the host's plugins. */
  open: ReadonlySet<string>
}

/**
 * The plugin. It also covers server functions that get a session's headers. Server functions without a path
 * check by themselves: `setPassword` in `sign-in-methods.ts`, `addMember` in organization/rules.ts. The others use no
 * session.
 */
export function limitOldSessions(options: OldSessionOptions): BetterAuthPlugin {
  const { db, endpoints, signIn, open } = options
  const isOpen = (path: string) => OPEN.has(path) || open.has(path)
  const handler = createAuthMiddleware(async (ctx) => {
    if (onlyReads(ctx, endpoints) || refusesProgram(ctx)) return
    const session = await cookieSession(ctx, db)
    if (session && !isRecent(session)) throw notFresh(onward(ctx, signIn))
  })
  return {
    id: 'tollgate-old-sessions',
    hooks: { before: [{ matcher: ({ path }) => path !== undefined && !isOpen(path), handler }] },
  }
}

/**
 * Whether a request only reads, by its method. A server function has no method, so its endpoint's methods
 * decide.
 */
function onlyReads({ path, request, method }: HookContext, endpoints: Endpoints): boolean {
  const asked = request?.method ?? (method as string | undefined)
  if (asked) return asked === 'GET' || asked === 'HEAD'
  const methods = withPath(endpoints)
    .filter((endpoint) => endpoint.path === path)
    .flatMap(({ options }) => options?.method ?? 'GET')
  return methods.length > 0 && methods.every((each) => each === 'GET')
}

/**
 * The sign-in page for a consent page's browser, with the program's request as `/oauth2/authorize` passes it.
 */
function onward({ path, body }: HookContext, signIn: URL): { url?: string } {
  const { oauth_query } = (body ?? {}) as { oauth_query?: unknown }
  if (path !== '/oauth2/consent' || typeof oauth_query !== 'string') return {}
  return { url: `${signIn.href}?${new URLSearchParams(oauth_query)}` }
}

/** Refusing a program needs no recent sign-in. */
const refusesProgram = ({ path, body }: HookContext): boolean =>
  path === '/oauth2/consent' && (body as { accept?: unknown } | undefined)?.accept === false
