/**
 * Passkeys for this host: bound to its name and its origin, whatever a request says of itself. One
 * that is no passkey at all is refused as the caller's mistake.
 *
 * @see https://www.w3.org/TR/webauthn-3/
 * @module
 */

import { passkey } from '@better-auth/passkey'
import type { Database } from '@repo/db'
import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import {
  APIError,
  createAuthEndpoint,
  createAuthMiddleware,
  freshSessionMiddleware,
  isAPIError,
} from 'better-auth/api'
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'
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
      verifyPasskeyAuthentication: withoutCounter(plugin.endpoints.verifyPasskeyAuthentication),
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
 * A device that does not count says 0 each time, and so does a passkey that is kept on several devices, also one
 * that has counted before it came to others. 0 is therefore no sign of a copy; a number that does not rise is.
 *
 * @see https://www.w3.org/TR/webauthn-3/#sctn-sign-counter
 */
function withoutCounter<E extends Endpoint>(endpoint: E): E {
  const wrapped = async (ctx: Verification) => {
    if (dataOf(ctx.body)?.readUInt32BE(COUNTER_AT) !== 0) return endpoint(ctx)
    // Of this request alone, and kept, because the hooks look at what is set on it.
    const { context } = ctx
    const { adapter } = context
    context.adapter = {
      ...adapter,
      async findOne(query) {
        const found = await adapter.findOne<{ counter?: number }>(query)
        return (found && query.model === 'passkey' ? { ...found, counter: 0 } : found) as never
      },
    }
    try {
      return await endpoint(ctx)
    } finally {
      context.adapter = adapter
    }
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}

interface Verification {
  body: unknown
  context: AuthContext
}

/** The authenticator data of an answer; null where it is too short to be any. */
function dataOf(body: unknown): Buffer | null {
  const { response } = (body ?? {}) as { response?: { response?: { authenticatorData?: unknown } } }
  const encoded = response?.response?.authenticatorData
  const data = typeof encoded === 'string' ? Buffer.from(encoded, 'base64url') : null
  return data && data.length >= COUNTER_AT + 4 ? data : null
}
const FLAGS_AT = 32
const COUNTER_AT = 33

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
    if (((dataOf(body)?.[FLAGS_AT] ?? 0) & USER_VERIFIED) === 0) return
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
    code: 'passkey_refused',
    message: 'The answer is no passkey for this host and this challenge.',
  })
