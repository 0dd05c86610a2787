/**
 * What a session may still do whose sign-in is older than a quarter of an hour: nothing that outlasts the session
 * or that other people suffer from. Somebody left it open, or it was stolen. The endpoints that it may use are
 * named here, so a new one is closed to it until it is named; reading is always open. Everything else answers
 * `recent_sign_in_required`.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { isRecent } from './account/reauthenticate.ts'
import { notFresh } from './account/refusals.ts'
import { type Endpoints, withPath } from './password-fields.ts'
import { type HookContext, presentedSession } from './presented.ts'

/** Signing in and out, by which a session becomes another. A link, a password or a code is shown here. */
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

/** What passes with the session, can be taken back, or takes access away from others than people. */
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

/** Here the endpoint itself asks: for the password, or by what the request is about. */
const ASKS_ITSELF = [
  '/change-email',
  '/change-password',
  '/delete-user',
  // The rule of invitations goes by the role; see organization/rules.ts.
  '/organization/invite-member',
  '/two-factor/disable',
  '/two-factor/enable',
  '/two-factor/generate-backup-codes',
  '/two-factor/get-totp-uri',
  '/verify-password',
]

const OPEN = new Set([...SIGNING_IN, ...ORDINARY, ...ASKS_ITSELF])

export interface OldSessionOptions {
  db: Database
  /** Those of the running instance. */
  endpoints: Endpoints
  /** The page where people sign in. */
  signIn: URL
}

/**
 * Also for server functions that are given a session's headers. One without a path asks itself: `setPassword` in
 * `ways`, `addMember` in organization/rules.ts; the others look at no session.
 */
export function limitOldSessions({ db, endpoints, signIn }: OldSessionOptions): BetterAuthPlugin {
  const handler = createAuthMiddleware(async (ctx) => {
    if (onlyReads(ctx, endpoints) || refusesProgram(ctx)) return
    const session = await presentedSession(ctx, db)
    if (session && !isRecent(session)) throw notFresh(onward(ctx, signIn))
  })
  return {
    id: 'tollgate-old-sessions',
    hooks: { before: [{ matcher: ({ path }) => path !== undefined && !OPEN.has(path), handler }] },
  }
}

/** By its method; a server function has none, so its endpoint's methods count. */
function onlyReads({ path, request, method }: HookContext, endpoints: Endpoints): boolean {
  const asked = request?.method ?? (method as string | undefined)
  if (asked) return asked === 'GET' || asked === 'HEAD'
  const methods = withPath(endpoints)
    .filter((endpoint) => endpoint.path === path)
    .flatMap(({ options }) => options?.method ?? 'GET')
  return methods.length > 0 && methods.every((each) => each === 'GET')
}

/** Where the browser of a consent page goes: to sign in, with the program's request as `/oauth2/authorize` gives it. */
function onward({ path, body }: HookContext, signIn: URL): { url?: string } {
  const { oauth_query } = (body ?? {}) as { oauth_query?: unknown }
  if (path !== '/oauth2/consent' || typeof oauth_query !== 'string') return {}
  return { url: `${signIn.href}?${new URLSearchParams(oauth_query)}` }
}

/** To say no to a program needs no sign-in. */
const refusesProgram = ({ path, body }: HookContext): boolean =>
  path === '/oauth2/consent' && (body as { accept?: unknown } | undefined)?.accept === false
