/**
 * The token in a confirmation mail. The token is random, stored hashed, and good once within an hour. It
 * proves the address and nothing else. The password comes from a sign-up: from the sign-up of the browser
 * that presses the button, or else from the sign-up whose password the user types in. Without either, only
 * the address is proven: everything that was chosen before is dropped, and the user chooses a password at
 * once.
 *
 * Pressing the wrong of two mails, or a mail that was sent again, therefore gives nothing away.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthEndpoint, formCsrfMiddleware } from 'better-auth/api'
import { expireCookie } from 'better-auth/cookies'
import { generateRandomString } from 'better-auth/crypto'
import * as z from 'zod'
import type { OwnFields } from '../account/user-fields.ts'
import { audit } from '../audit/audit.ts'
import type { Recorder } from '../audit/recorder.ts'
import type { Keys } from '../database/keys.ts'
import { isTokenShaped } from '../database/token-shape.ts'
import { createIdentifierHash } from '../database/verification.ts'
import { proveAddress } from './linking.ts'
import type { Passwords } from './password.ts'
import { issueReset } from './resets.ts'
import type { SignUp } from './sign-up.ts'
import { findSignUp, forgetSignUp } from './sign-ups.ts'

/** How long a confirmation link lasts. */
export const CONFIRMATION_SECONDS = 3600

/** How many wrong passwords one token takes. */
const MAX_TRIES = 5

/** The part of Better Auth's context that is used here. */
type Rows = Pick<AuthContext, 'internalAdapter'>

/**
 * The user whose address is confirmed, and the sign-up that the mail was sent for. A mail that was sent again
 * has no `signUpId`.
 */
const confirmed = z.object({ userId: z.string(), signUpId: z.string().optional() })
type Confirmed = z.output<typeof confirmed>

const identifier = (token: string) => `confirm-email:${token}`

/** Makes and stores the token for a mail. */
export async function issueConfirmation(
  { internalAdapter }: Rows,
  value: Confirmed,
): Promise<string> {
  const token = generateRandomString(32)
  await internalAdapter.createVerificationValue({
    identifier: identifier(token),
    value: JSON.stringify(value),
    expiresAt: new Date(Date.now() + CONFIRMATION_SECONDS * 1000),
  })
  return token
}

/** What a token stands for, without using it up; null for an unknown, used or expired token. */
async function read({ internalAdapter }: Rows, token: string): Promise<Confirmed | null> {
  if (!isTokenShaped(token)) return null
  const row = await internalAdapter.findVerificationValue(identifier(token))
  return row && row.expiresAt > new Date() ? confirmed.parse(JSON.parse(row.value)) : null
}

/**
 * What the page behind the mail has to show. `ready`: a button, in the browser that signed up.
 * `begun_elsewhere`: a button, and a field for that sign-up's password, which may stay empty. `unknown`: the
 * token is unknown, used or expired.
 */
export type ConfirmationState = 'ready' | 'begun_elsewhere' | 'unknown'

/** The state of a token in this browser. @param signUpId from the browser's cookie */
export async function confirmationState(
  rows: Rows,
  token: string,
  signUpId: string | null,
): Promise<ConfirmationState> {
  const found = await read(rows, token)
  if (!found) return 'unknown'
  return (await findSignUp(rows, signUpId, found.userId)) ? 'ready' : 'begun_elsewhere'
}

/** The dependencies of `confirmation`. */
export interface ConfirmationOptions {
  db: Database
  own: OwnFields
  keys: Keys
  passwords: Pick<Passwords, 'verify'>
  record: Recorder
}

/** The plugin with the endpoint `/confirm-email`. */
export function confirmation({ db, own, keys, passwords, record }: ConfirmationOptions) {
  const hashOf = createIdentifierHash(keys)

  /** The sign-up whose password the user typed in. @throws `invalid_password`, `too_many_attempts` (400) */
  async function typed(rows: Rows, token: string, { userId, signUpId }: Confirmed, text: string) {
    // Each try is counted before the password is compared, so that parallel requests get no more tries.
    const counted = await db.$executeRaw`
      UPDATE "VerificationToken" SET "value" = jsonb_set("value"::jsonb, '{tries}',
        to_jsonb(coalesce(("value"::jsonb ->> 'tries')::int, 0) + 1))::text
      WHERE "identifier" = ${await hashOf(identifier(token))}
        AND coalesce(("value"::jsonb ->> 'tries')::int, 0) < ${MAX_TRIES}`
    if (counted === 0) {
      throw new APIError('BAD_REQUEST', {
        code: 'too_many_attempts',
        message: 'Too many wrong passwords. Confirm without a password, and choose a new one.',
      })
    }
    const found = signUpId
      ? await findSignUp(rows, signUpId, userId)
      : await firstSignUp(db, own, userId)
    if (found?.password && (await passwords.verify({ hash: found.password, password: text }))) {
      return found
    }
    throw new APIError('BAD_REQUEST', {
      code: 'invalid_password',
      message: 'This is not the password of the sign-up that the mail was sent for.',
    })
  }

  return {
    id: 'tollgate-confirmation',
    endpoints: {
      /** Answers a `resetToken` if no password came with the proof; `/reset-password` takes it at once. */
      confirmEmail: createAuthEndpoint(
        '/confirm-email',
        {
          method: 'POST',
          // Better Auth checks the origin only of requests with cookies, and this request may have none.
          use: [formCsrfMiddleware],
          body: z.object({
            token: z.string().trim().min(1).max(256),
            password: z.string().optional(),
          }),
          metadata: {
            allowedMediaTypes: ['application/x-www-form-urlencoded', 'application/json'],
          },
        },
        async (ctx) => {
          const { token, password } = ctx.body
          const found = await read(ctx.context, token)
          if (!found) throw invalidToken()
          const { userId } = found
          const cookie = ctx.context.createAuthCookie('sign_up')
          const id = await ctx.getSignedCookie(cookie.name, ctx.context.secret)
          const begunHere = await findSignUp(ctx.context, id, userId)
          const signUp =
            begunHere ?? (password ? await typed(ctx.context, token, found, password) : null)
          // Only one of several parallel requests continues.
          if (!(await ctx.context.internalAdapter.consumeVerificationValue(identifier(token)))) {
            throw invalidToken()
          }
          if (!(await proveAddress(db, own, userId, signUp))) throw invalidToken()
          await record({ action: 'address_confirmed', userId }, ctx.request ?? ctx.headers)
          if (begunHere && id) {
            await forgetSignUp(ctx.context, id)
            expireCookie(ctx, cookie)
          }
          // A provider's account that was not kept does not let the user sign in.
          if (signUp?.password || signUp?.account) return ctx.json({ status: true })
          const { email } = await db.user.findUniqueOrThrow({ where: { id: userId } })
          const resetToken = await issueReset(db, ctx.context, { id: userId, email })
          if (resetToken === null) throw invalidToken()
          await audit(db, { action: 'password_reset_requested', userId })
          return ctx.json({ status: true, resetToken })
        },
      ),
    },
  } satisfies BetterAuthPlugin
}

/** The sign-up that made the user's row, read from that row. */
async function firstSignUp(db: Database, own: OwnFields, userId: string): Promise<SignUp | null> {
  const where = { userId, providerId: 'credential' }
  const found = await db.account.findFirst({ where, include: { user: true } })
  if (!found?.password) return null
  const { name, image } = found.user
  const row: Record<string, unknown> = { ...found.user }
  const ofPlugins = Object.fromEntries(own.ofPlugins.map((field) => [field, row[field]]))
  return { name, image, password: found.password, fields: { ...ofPlugins, ...own.read(row) } }
}

/** The error for a token that is unknown, used or expired. */
export const invalidToken = () =>
  new APIError('BAD_REQUEST', {
    code: 'invalid_token',
    message: 'The token is unknown, used or expired.',
  })
