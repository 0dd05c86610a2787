/**
 * Whose address is it? A provider's account is linked when the address is verified on both sides, and
 * nobody's unproven sign-up stands in the owner's way: who proves an address first gets it, and
 * nothing that others brought to it before (a password, a provider's account) stays.
 *
 * @see https://arxiv.org/abs/2205.10174 (account pre-hijacking)
 * @module
 */

import { atomically, type Database, type Db } from '@repo/db'
import type { AuthContext, BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { generateRandomString } from 'better-auth/crypto'
import { revokeUnprovenAccountAccess } from 'better-auth/db'
import { isPictureURL } from './pictures.ts'
import { accountEmail, fromStandIn } from './stand-in-address.ts'

/** Better Auth's side, as far as it is used here. */
type Users = Pick<AuthContext, 'internalAdapter'>

export interface LinkingOptions {
  /** Where somebody's first sign-in leads; undefined: where any does. */
  onboarding: string | undefined
}

/** Placed after the plugins that add providers. */
export function linking({ onboarding }: LinkingOptions): BetterAuthPlugin {
  return {
    id: 'tollgate-linking',
    init(context) {
      const socialProviders = context.socialProviders.map((provider) => ({
        ...provider,
        async getUserInfo(tokens: Parameters<typeof provider.getUserInfo>[0]) {
          const answer = await provider.getUserInfo(tokens)
          if (!answer) return null
          const user = userOf(answer.user)
          if (!user) return null
          const { email, emailVerified, name } = user
          // Better Auth gets the same context later, with its hooks.
          if (email && emailVerified === true) await clearUnproven(context, email, name)
          return { ...answer, user }
        },
      }))
      return {
        context: { socialProviders },
        options: { databaseHooks: { user: NAMED, account: WITHOUT_ID_TOKEN } },
      }
    },
    hooks: {
      before: [
        {
          matcher: ({ path }) => path === '/sign-in/social' && onboarding !== undefined,
          handler: createAuthMiddleware(async ({ body }) => ({
            context: { body: { newUserCallbackURL: onboarding, ...body } },
          })),
        },
      ],
    },
  }
}

/** A provider may send anything in the place of a text. */
interface Told {
  name?: unknown
  email?: unknown
  image?: unknown
}

/**
 * A provider's user as an account holds it; null where the address is none. Lower-casing makes an address of
 * letters that look alike another person's, so the provider has to write it as it is. A picture that is not https
 * is left out.
 */
function userOf<U extends Told>(user: U): U | null {
  const { name, image, email } = user
  const told = {
    ...user,
    name: typeof name === 'string' ? name : '',
    image: typeof image === 'string' && isPictureURL(image) ? image : undefined,
  }
  if (!email) return told
  const known = typeof email === 'string' && email === email.trim() ? accountEmail(email) : null
  return known === null ? null : { ...told, email: known }
}

/** As long as a mail may greet. */
const LONGEST_NAME = 200

/** A link in a mail or a provider without a profile says no name; mails greet people by one. */
const NAMED = {
  create: {
    async before({ name, email: given }: { name: string; email: string }) {
      const email = fromStandIn(given)
      const known = name.trim() || email.slice(0, email.indexOf('@'))
      // A letter may be two code units long, and half of it is none.
      return { data: { name: known.slice(0, LONGEST_NAME).replace(/[\ud800-\udbff]$/, '') } }
    },
  },
}

/** It has served at sign-in; kept, it is a readable copy of the profile beside encrypted tokens. */
const forgetIdToken = async () => ({ data: { idToken: null } })
const WITHOUT_ID_TOKEN = {
  create: { before: forgetIdToken },
  update: { before: forgetIdToken },
}

/** Makes room for the owner of `email`: a user who never proved the address loses all ways in. */
async function clearUnproven(context: Users, email: string, name?: string): Promise<void> {
  const found = await context.internalAdapter.findUserByEmail(email.toLowerCase())
  if (!found || found.user.emailVerified) return
  const promoted = await revokeUnprovenAccountAccess({ context } as never, found.user.id)
  // The name was the squatter's choice.
  if (promoted && name) await context.internalAdapter.updateUser(promoted.id, { name })
}

/**
 * A reset link came to the owner's mailbox: the address is proven, and only the new password stays.
 * For a user whose address was proven before nothing changes.
 */
export async function proveByReset(db: Database, userId: string): Promise<void> {
  await atomically(db, async (tx) => {
    if (!(await becomesProven(tx, userId))) return
    await tx.account.deleteMany({ where: { userId, providerId: { not: 'credential' } } })
  })
}

/**
 * A second sign-up came for an address that nobody has proven: from now on only a link that was mailed for
 * one of the two brings a password along. One that is asked for later could be pressed by either.
 */
export async function contest(db: Database, userId: string): Promise<void> {
  await atomically(db, async (tx) => {
    const unproven = await tx.$queryRaw<unknown[]>`
      SELECT 1 FROM "User" WHERE "id" = ${userId} AND NOT "emailVerified" FOR UPDATE`
    if (unproven.length > 0) await tx.account.deleteMany({ where: { userId } })
  })
}

export interface PendingSignUp {
  userId: string
  name: string
  /** Hashed. */
  password: string
}

/** A sign-up that Better Auth has already checked, sent as JSON or as a form. */
export async function signUpBody(request: Request) {
  const text = await request.text()
  const form = request.headers.get('content-type')?.includes('x-www-form-urlencoded')
  const body = form ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text)
  return body as { name: string; password: string }
}

/**
 * Of several who signed up with an address, whose link is pressed first gets it, with the password of that
 * sign-up. False when it was proven before.
 */
export const proveBySignUp = (
  db: Database,
  { userId, name, password }: PendingSignUp,
): Promise<boolean> =>
  atomically(db, async (tx) => {
    if (!(await becomesProven(tx, userId))) return false
    await tx.account.deleteMany({ where: { userId } })
    const credential = { providerId: 'credential', accountId: userId, password }
    await tx.account.create({ data: { id: generateRandomString(32), userId, ...credential } })
    await tx.user.update({ where: { id: userId }, data: { name } })
    return true
  })

/**
 * Of several at once one makes the address proven. In one transaction with what takes the other ways in
 * away: a proven address must not have them for a moment, nor after a crash.
 */
async function becomesProven(tx: Db, userId: string): Promise<boolean> {
  const { count } = await tx.user.updateMany({
    where: { id: userId, emailVerified: false },
    data: { emailVerified: true },
  })
  if (count === 0) return false
  await tx.session.deleteMany({ where: { userId } })
  return true
}
