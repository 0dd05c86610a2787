/**
 * Limits a session that lacks its second factor: it can show the second factor, sign out or sign in anew, and
 * nothing else. This holds on every instance, also where the option `twoFactor` is off; there the user can
 * show a passkey or sign out.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware } from 'better-auth/api'
import { cookieSession } from './cookie-session.ts'

/** The endpoints that such a session may use. A new endpoint is closed to it until it is listed here. */
const OPEN = new Set([
  '/two-factor/verify-totp',
  '/two-factor/verify-backup-code',
  '/passkey/generate-authenticate-options',
  '/passkey/verify-authentication',
  '/sign-in/email',
  '/sign-in/social',
  '/callback/:id',
  '/sign-in/magic-link',
  '/sign-in/magic-link/confirm',
  '/magic-link/verify',
  '/sign-up/email',
  '/change-email/undo',
  '/confirm-email',
  '/send-verification-email',
  '/request-password-reset',
  '/reset-password',
  '/reset-password/:token',
  '/sign-out',
  '/access/refresh',
  '/access/renew',
  '/jwks',
  '/ok',
  '/error',
])

/**
 * The plugin. It comes before plugins that read more of the request, and also covers server functions that
 * get headers.
 *
 * @param signInPaths the paths at which the host's plugins sign people in
 */
export function refusePending(db: Database, signInPaths: ReadonlySet<string>): BetterAuthPlugin {
  const isOpen = (path = '') => OPEN.has(path) || signInPaths.has(path)
  const handler = createAuthMiddleware(async (ctx) => {
    if (!(await cookieSession(ctx, db))?.isPending) return
    throw new APIError('FORBIDDEN', {
      code: 'mfa_required',
      message: 'Show the second factor first.',
    })
  })
  return {
    id: 'tollgate-pending',
    hooks: { before: [{ matcher: ({ path }) => !isOpen(path), handler }] },
  }
}
