/**
 * A session that lacks its second factor can add it, leave, or begin anew, and nothing else: on every instance,
 * also where the option `twoFactor` is off. There it has a passkey to add, or nothing but to sign out.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware } from 'better-auth/api'
import { presentedSession } from './presented.ts'

/** What such a session may ask for. A new endpoint is closed until it is named here. */
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

/** Placed before whatever looks at more of a request; also for server functions that are given headers. */
export function refusePending(db: Database): BetterAuthPlugin {
  const handler = createAuthMiddleware(async (ctx) => {
    if (!(await presentedSession(ctx, db))?.isPending) return
    throw new APIError('FORBIDDEN', {
      code: 'mfa_required',
      message: 'A second factor is required first.',
    })
  })
  return {
    id: 'tollgate-pending',
    hooks: { before: [{ matcher: ({ path }) => !OPEN.has(path ?? ''), handler }] },
  }
}
