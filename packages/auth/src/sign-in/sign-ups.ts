/**
 * Sign-ups that wait until their address is proven. Several people may sign up with one address. Each browser
 * gets a cookie for its own sign-up. The person who proves the address brings the name and the password of
 * the sign-up that the same browser began, and of no other.
 *
 * For known and unknown addresses alike, the cookie is set and the mail is queued with the same work, so
 * neither the answer nor its time reveals whether an account exists. The choices are stored for a day in a
 * verification row, with the password hashed.
 *
 * @see https://arxiv.org/abs/2205.10174 (account pre-hijacking)
 * @module
 */

import { defineRequestState, tryGetCurrentAuthEndpointContext } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, isAPIError } from 'better-auth/api'
import { generateRandomString } from 'better-auth/crypto'
import * as z from 'zod'
import type { OwnFields } from '../account/user-fields.ts'
import { profileValues, signUpValues } from '../account/user-fields-plugin.ts'
import type { Mails } from '../mail/mail-requests.ts'
import { hashedPassword } from './password-hooks.ts'
import { type SignUp, signUp } from './sign-up.ts'

/** How long the browser keeps its cookie and the database its row. */
export const SIGN_UP_SECONDS = 86_400

const stored = signUp.extend({ userId: z.string() })

/** The part of Better Auth's context that is used here. */
type Rows = Pick<AuthContext, 'internalAdapter'>

const identifier = (id: string) => `sign-up:${id}`

/** Stores the sign-up `id` of a user whose address is not proven yet. */
export async function keepSignUp(
  { internalAdapter }: Rows,
  id: string,
  kept: SignUp & { userId: string },
): Promise<void> {
  await internalAdapter.createVerificationValue({
    identifier: identifier(id),
    value: JSON.stringify(kept),
    expiresAt: new Date(Date.now() + SIGN_UP_SECONDS * 1000),
  })
}

/** The sign-up `id` of this user; null if it belongs to another user or has expired. */
export async function findSignUp(
  { internalAdapter }: Rows,
  id: string | null | undefined | false,
  userId: string,
): Promise<SignUp | null> {
  const row = id ? await internalAdapter.findVerificationValue(identifier(id)) : null
  if (!row || row.expiresAt <= new Date()) return null
  const found = stored.safeParse(JSON.parse(row.value))
  return found.success && found.data.userId === userId ? found.data : null
}

/** Deletes the sign-up `id`. */
export const forgetSignUp = ({ internalAdapter }: Rows, id: string): Promise<void> =>
  internalAdapter.deleteVerificationByIdentifier(identifier(id))

/** The sign-up that this request has begun. */
const begun = defineRequestState<{ id: string | null }>(() => ({ id: null }))

/** Begins a sign-up: queues its mail, and gives the browser its cookie with the answer. */
export async function beginSignUp(
  mails: Pick<Mails, 'request'>,
  to: string,
  signUp: SignUp,
  ofPlugins: Record<string, unknown> = {},
): Promise<void> {
  const id = generateRandomString(32)
  const fields = (await signUpValues()) ?? (await profileValues())
  await mails.request({
    ...{ mail: 'sign-up', to, id },
    signUp: { ...signUp, ...(fields ? { fields: { ...fields, ...ofPlugins } } : {}) },
  })
  await begun.set({ id })
}

/** Whether this request has begun a sign-up. */
export const hasBegunSignUp = async (): Promise<boolean> => (await begun.get()).id !== null

/** The dependencies of `providerSignUp`. */
interface ProviderSignUps {
  db: Database
  mails: Pick<Mails, 'request'>
}

/**
 * Better Auth's `sendVerificationEmail`, which it calls for every new user. It queues the mail for a provider
 * that does not vouch for the address. For a sign-up by password, the plugin `signUps` does.
 */
export async function providerSignUp(
  { db, mails }: ProviderSignUps,
  user: { id: string; name: string; email: string; image?: string | null | undefined },
): Promise<void> {
  const path = tryGetCurrentAuthEndpointContext()?.path
  if (path === '/sign-up/email') return
  const { name, image, email } = user
  const linked = await db.account.findFirst({ where: { userId: user.id } })
  const account = linked
    ? { providerId: linked.providerId, accountId: linked.accountId }
    : undefined
  await beginSignUp(mails, email, { name, image, account })
}

/** The plugin. It comes after the plugins that may refuse a sign-up. */
export function signUps(mails: Pick<Mails, 'request'>, own: OwnFields): BetterAuthPlugin {
  const begin = createAuthMiddleware(async (ctx) => {
    if (isAPIError(ctx.context.returned)) return
    const { email, name, image } = ctx.body as { email: string; name: string; image?: string }
    const password = await hashedPassword()
    if (password === undefined) return
    // A plugin's value is kept in the form that the plugin gives it in the row of a new user.
    const { user = {} } = (ctx.context.returned ?? {}) as { user?: Record<string, unknown> }
    const given = own.ofPlugins.filter((field) => typeof user[field] === 'string')
    const ofPlugins = Object.fromEntries(given.map((field) => [field, user[field]]))
    await beginSignUp(mails, email, { name, image, password }, ofPlugins)
  })

  const remember = createAuthMiddleware(async (ctx) => {
    const { id } = await begun.get()
    if (id === null) return
    const { name, attributes } = ctx.context.createAuthCookie('sign_up', {
      maxAge: SIGN_UP_SECONDS,
    })
    await ctx.setSignedCookie(name, id, ctx.context.secret, attributes)
  })

  return {
    id: 'tollgate-sign-ups',
    hooks: {
      after: [
        { matcher: ({ path }) => path === '/sign-up/email', handler: begin },
        {
          matcher: ({ path }) => path === '/sign-up/email' || path === '/callback/:id',
          handler: remember,
        },
      ],
    },
  }
}
