/**
 * Passkeys for this host: bound to its name and its origin, whatever a request says of itself. One
 * that is no passkey at all is refused as the caller's mistake.
 *
 * @see https://www.w3.org/TR/webauthn-3/
 * @module
 */

import { passkey } from '@better-auth/passkey'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import {
  APIError,
  createAuthEndpoint,
  createAuthMiddleware,
  freshSessionMiddleware,
  isAPIError,
} from 'better-auth/api'
import { z } from 'zod'
import { removeWayIn } from './ways.ts'

export interface PasskeyOptions {
  /** The host's origin. */
  origin: string
  /** The product's name, shown by the device. */
  appName: string
  db: Database
}

/** The part of an answer that says which passkey it is. */
const answered = z.object({ response: z.object({ id: z.string().min(1).max(2048) }) })

export function passkeys({ origin, appName, db }: PasskeyOptions) {
  const plugin = passkey({
    origin,
    rpID: new URL(origin).hostname,
    rpName: appName,
    authenticatorSelection: { residentKey: 'required', userVerification: 'preferred' },
    advanced: { webAuthnChallengeCookie: 'passkey_challenge' },
  })
  return {
    ...plugin,
    endpoints: {
      ...plugin.endpoints,
      // In place of the plugin's own, which would delete the last way in, or one of two twice.
      deletePasskey: createAuthEndpoint(
        '/passkey/delete-passkey',
        {
          method: 'POST',
          use: [freshSessionMiddleware],
          body: z.object({ id: z.string().min(1).max(256) }),
        },
        async (ctx) => {
          const { id } = ctx.body
          await removeWayIn(db, ctx.context.session.user.id, (tx, userId) =>
            tx.passkey.deleteMany({ where: { id, userId } }),
          )
          return ctx.json({ status: true })
        },
      ),
    },
    hooks: { before: [REFUSE_SHAPELESS], after: [BLAME_THE_CALLER, countBoth(db)] },
  } satisfies BetterAuthPlugin
}

/**
 * A passkey that asked for a fingerprint, a face or a PIN is two factors in one: what one has, and
 * what one is or knows. The device says so in what it signed.
 *
 * @see https://www.w3.org/TR/webauthn-3/#authdata-flags
 */
const countBoth = (db: Database) => ({
  matcher: ({ path }: { path?: string }) => path === '/passkey/verify-authentication',
  handler: createAuthMiddleware(async ({ body, context }) => {
    const session = context.newSession?.session
    if (!session || isAPIError(context.returned)) return
    const { authenticatorData } = body.response.response as { authenticatorData: string }
    const flags = Buffer.from(authenticatorData, 'base64url')[32] ?? 0
    if ((flags & USER_VERIFIED) === 0) return
    await db.session.updateMany({ where: { id: session.id }, data: { aal: 2 } })
  }),
})
const USER_VERIFIED = 0b100

/** The plugin looks for the passkey before it looks at what was sent. */
const REFUSE_SHAPELESS = {
  matcher: ({ path }: { path?: string }) => /^\/passkey\/verify-/.test(path ?? ''),
  handler: createAuthMiddleware(async ({ body }) => {
    if (!answered.safeParse(body).success) throw refused()
  }),
}

/** The plugin answers 500 for a registration that does not fit, and logs what it was. */
const BLAME_THE_CALLER = {
  matcher: ({ path }: { path?: string }) => path === '/passkey/verify-registration',
  handler: createAuthMiddleware(async ({ context }) => {
    const { returned } = context
    if (!(returned instanceof APIError) || returned.statusCode !== 500) return
    if (returned.body?.code === 'FAILED_TO_VERIFY_REGISTRATION') throw refused()
  }),
}

const refused = () =>
  new APIError('BAD_REQUEST', {
    code: 'PASSKEY_REFUSED',
    message: 'The answer is no passkey for this host and this challenge.',
  })
