/**
 * Passkeys for this host. They are bound to its name and origin, whatever a request claims. An answer that is
 * not a passkey is refused as the caller's mistake.
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
import * as z from 'zod'
import type { Endpoint } from '../http/endpoint.ts'
import { removeSignInMethod } from './sign-in-methods.ts'

/** The dependencies of `passkeys`. */
export interface PasskeyOptions {
  /** The host's origin. */
  origin: string
  /** The product's name, as the device shows it. */
  appName: string
  db: Database
}

/** The part of a request that names the passkey. */
const answered = z.object({ response: z.object({ id: z.string().min(1).max(2048) }) })

/** Better Auth's plugin for passkeys, with our rules on top. */
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
      /** Signs in by the answer of a passkey, and sets the cookies. */
      verifyPasskeyAuthentication: withoutCounter(plugin.endpoints.verifyPasskeyAuthentication),
      /** Removes a passkey of the caller, unless it is the last way to sign in. Requires a recent sign-in. */
      // Replaces the plugin's own endpoint, which would delete the last way to sign in, or both of the last
      // two at once.
      deletePasskey: createAuthEndpoint(
        '/passkey/delete-passkey',
        {
          method: 'POST',
          use: [freshSessionMiddleware],
          body: z.object({ id: z.string().min(1).max(256) }),
        },
        async (ctx) => {
          const { id } = ctx.body
          await removeSignInMethod(db, ctx.context.session.user.id, (tx, userId) =>
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
 * Accepts a counter of 0. A device that does not count sends 0 each time, and so does a passkey that is
 * synced to several devices, even if it counted before. So 0 does not mean that the passkey was copied; any
 * other number that does not rise does.
 *
 * @see https://www.w3.org/TR/webauthn-3/#sctn-sign-counter
 */
function withoutCounter<E extends Endpoint>(endpoint: E): E {
  const wrapped = async (ctx: Verification) => {
    if (dataOf(ctx.body)?.readUInt32BE(COUNTER_AT) !== 0) return endpoint(ctx)
    // The context is this request's own, and is changed in place because hooks read what endpoints set on it.
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

/** The authenticator data of a request; null if it is missing or too short. */
function dataOf(body: unknown): Buffer | null {
  const { response } = (body ?? {}) as { response?: { response?: { authenticatorData?: unknown } } }
  const encoded = response?.response?.authenticatorData
  const data = typeof encoded === 'string' ? Buffer.from(encoded, 'base64url') : null
  return data && data.length >= COUNTER_AT + 4 ? data : null
}
/** The position of the flags in the authenticator data. */
const FLAGS_AT = 32
/** The position of the counter in the authenticator data. */
const COUNTER_AT = 33

/**
 * Raises the session to `aal2` if the passkey asked for a fingerprint, a face or a PIN. Such a passkey is two
 * factors in one: something the user has, and something the user is or knows. The device says so in the data
 * that it signs.
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
/** The flag "user verified" of the authenticator data. */
const USER_VERIFIED = 0b100

/** Refuses a malformed body first, because the plugin looks for the passkey before it checks the body. */
const REFUSE_SHAPELESS = {
  matcher: ({ path }: { path?: string }) => /^\/passkey\/verify-/.test(path ?? ''),
  handler: createAuthMiddleware(async ({ body }) => {
    if (!answered.safeParse(body).success) throw refused()
  }),
}

/** Turns the plugin's 500 for a registration that does not fit into a 400; the plugin logs the reason. */
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
    message: 'The answer is not a passkey for this host and this challenge. Try again.',
  })
