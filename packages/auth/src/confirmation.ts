/**
 * The token in a confirmation mail: random, stored hashed, good once and for an hour. It proves the address, and
 * no more. The password comes from the sign-up: of the browser that presses the button, if it began one with
 * this address, else of whoever types it in. Without either the address is proven, nothing that was chosen
 * before stays, and the person chooses a password then and there.
 *
 * So pressing the wrong of two mails, or a mail that was asked for again, hands nothing over.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthEndpoint, formCsrfMiddleware } from 'better-auth/api'
import { expireCookie } from 'better-auth/cookies'
import { generateRandomString } from 'better-auth/crypto'
import { z } from 'zod'
import { audit } from './audit.ts'
import type { Recorder } from './audit-hooks.ts'
import type { Keys } from './keys.ts'
import { proveAddress } from './linking.ts'
import type { Passwords } from './password.ts'
import { issueReset } from './resets.ts'
import type { SignUp } from './sign-up.ts'
import { findSignUp, forgetSignUp } from './sign-ups.ts'
import { createIdentifierHash } from './verification.ts'

export const CONFIRMATION_SECONDS = 3600

/** How often a password may be typed in with one token. */
const MAX_TRIES = 5

/** Better Auth's side, as far as it is used here. */
type Rows = Pick<AuthContext, 'internalAdapter'>

/** Whose address it is, and which sign-up the mail was sent for; without it was asked for again. */
const confirmed = z.object({ userId: z.string(), signUpId: z.string().optional() })
type Confirmed = z.output<typeof confirmed>

const identifier = (token: string) => `confirm-email:${token}`

/** The token for a mail. */
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

/** What a token is for, without using it up; null for one that is unknown, used or expired. */
async function read({ internalAdapter }: Rows, token: string): Promise<Confirmed | null> {
  const row = await internalAdapter.findVerificationValue(identifier(token))
  return row && row.expiresAt > new Date() ? confirmed.parse(JSON.parse(row.value)) : null
}

/**
 * What the page behind the mail has to show: a button (`ready`) in the browser that signed up; in another one
 * (`begun_elsewhere`) a field for the password of that sign-up as well, which may stay empty; nothing for a
 * token that is unknown, used or expired (`unknown`).
 */
export type ConfirmationState = 'ready' | 'begun_elsewhere' | 'unknown'

/** @param signUpId from the browser's cookie */
export async function confirmationState(
  rows: Rows,
  token: string,
  signUpId: string | null,
): Promise<ConfirmationState> {
  const found = await read(rows, token)
  if (!found) return 'unknown'
  return (await findSignUp(rows, signUpId, found.userId)) ? 'ready' : 'begun_elsewhere'
}

export interface ConfirmationOptions {
  db: Database
  keys: Keys
  passwords: Pick<Passwords, 'verify'>
  record: Recorder
}

export function confirmation({ db, keys, passwords, record }: ConfirmationOptions) {
  const hashOf = createIdentifierHash(keys)

  /** The sign-up whose password was typed in. @throws `invalid_password`, `too_many_attempts` (400) */
  async function typed(rows: Rows, token: string, { userId, signUpId }: Confirmed, text: string) {
    // Before the password is looked at, so that no number of requests at once gets more tries.
    const counted = await db.$executeRaw`
      UPDATE "VerificationToken" SET "value" = jsonb_set("value"::jsonb, '{tries}',
        to_jsonb(coalesce(("value"::jsonb ->> 'tries')::int, 0) + 1))::text
      WHERE "identifier" = ${await hashOf(identifier(token))}
        AND coalesce(("value"::jsonb ->> 'tries')::int, 0) < ${MAX_TRIES}`
    if (counted === 0) {
      throw new APIError('BAD_REQUEST', {
        code: 'too_many_attempts',
        message: 'Too many wrong passwords. Confirm without one, and choose a new one.',
      })
    }
    const found = signUpId
      ? await findSignUp(rows, signUpId, userId)
      : await firstSignUp(db, userId)
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
      /** Answers `resetToken` where no password came with the proof: `/reset-password` takes it at once. */
      confirmEmail: createAuthEndpoint(
        '/confirm-email',
        {
          method: 'POST',
          // Better Auth checks the origin of requests with cookies; this one may have none.
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
          const own = await findSignUp(ctx.context, id, userId)
          const signUp = own ?? (password ? await typed(ctx.context, token, found, password) : null)
          // Of several at once one goes on.
          if (!(await ctx.context.internalAdapter.consumeVerificationValue(identifier(token)))) {
            throw invalidToken()
          }
          if (!(await proveAddress(db, userId, signUp))) throw invalidToken()
          await record({ action: 'address_confirmed', userId }, ctx.request ?? ctx.headers)
          if (own && id) {
            await forgetSignUp(ctx.context, id)
            expireCookie(ctx, cookie)
          }
          // A provider's account that was not kept is no way in.
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

/** What the user's row holds: the sign-up that made it. */
async function firstSignUp(db: Database, userId: string): Promise<SignUp | null> {
  const where = { userId, providerId: 'credential' }
  const found = await db.account.findFirst({ where, include: { user: true } })
  if (!found?.password) return null
  const { name, image } = found.user
  return { name, image, password: found.password }
}

export const invalidToken = () =>
  new APIError('BAD_REQUEST', {
    code: 'invalid_token',
    message: 'The token is unknown, used or expired.',
  })
