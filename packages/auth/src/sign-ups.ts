/**
 * Sign-ups that wait for the proof of their address. Several people may sign up with one address, and each
 * browser gets a cookie that is good for its own sign-up only: who proves the address brings the name and the
 * password of the sign-up that the same browser began, and of no other.
 *
 * The cookie is set and the mail is queued whether or not the address is known, with the same work, so that
 * neither the answer nor its time tells. What was chosen lies hashed in a verification row for a day.
 *
 * @see https://arxiv.org/abs/2205.10174 (account pre-hijacking)
 * @module
 */

import { defineRequestState, tryGetCurrentAuthEndpointContext } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, isAPIError } from 'better-auth/api'
import { generateRandomString } from 'better-auth/crypto'
import { z } from 'zod'
import type { Mails } from './mail-requests.ts'
import { hashedPassword } from './password-hooks.ts'
import { type SignUp, signUp } from './sign-up.ts'

/** How long a browser keeps its sign-up, and the row what was chosen. */
export const SIGN_UP_SECONDS = 86_400

const stored = signUp.extend({ userId: z.string() })

/** Better Auth's side, as far as it is used here. */
type Rows = Pick<AuthContext, 'internalAdapter'>

const identifier = (id: string) => `sign-up:${id}`

/** Keeps the sign-up `id` of a user whose address waits to be proven. */
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

/** The sign-up `id` of this user; null for another user's, and for one that has ended. */
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

export const forgetSignUp = ({ internalAdapter }: Rows, id: string): Promise<void> =>
  internalAdapter.deleteVerificationByIdentifier(identifier(id))

/** The sign-up that the present request has begun. */
const begun = defineRequestState<{ id: string | null }>(() => ({ id: null }))

/** Begins a sign-up: queues its mail, and gives the browser its cookie with the answer. */
export async function beginSignUp(
  mails: Pick<Mails, 'request'>,
  to: string,
  signUp: SignUp,
): Promise<void> {
  const id = generateRandomString(32)
  await mails.request({ mail: 'sign-up', to, id, signUp })
  await begun.set({ id })
}

/** Whether the present request has begun a sign-up. */
export const hasBegunSignUp = async (): Promise<boolean> => (await begun.get()).id !== null

interface ProviderSignUps {
  db: Database
  mails: Pick<Mails, 'request'>
}

/**
 * Better Auth's `sendVerificationEmail`, which it calls for every new user. Of a provider whose word about the
 * address is not enough, the mail is asked for here; for a password see `signUps`.
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

/** Placed after the plugins that may refuse a sign-up. */
export function signUps(mails: Pick<Mails, 'request'>): BetterAuthPlugin {
  const begin = createAuthMiddleware(async (ctx) => {
    if (isAPIError(ctx.context.returned)) return
    const { email, name, image } = ctx.body as { email: string; name: string; image?: string }
    const password = await hashedPassword()
    if (password === undefined) return
    await beginSignUp(mails, email, { name, image, password })
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
