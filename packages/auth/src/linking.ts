/**
 * Whose address is it? A provider's account is linked when the address is verified on both sides, and
 * nobody's unproven sign-up stands in the owner's way: who proves an address first gets it, and
 * nothing that others brought to it before (a password, a provider's account) stays.
 *
 * @see https://arxiv.org/abs/2205.10174 (account pre-hijacking)
 * @module
 */

import { atomically, type Database, type Db } from '@repo/db'
import type { AuthContext, BetterAuthPlugin, GenericEndpointContext } from 'better-auth'
import { addOAuthServerContext, createAuthMiddleware } from 'better-auth/api'
import { generateRandomString } from 'better-auth/crypto'
import { revokeUnprovenAccountAccess } from 'better-auth/db'
import { isPictureURL } from './pictures.ts'
import { presentedSession } from './presented.ts'
import type { SignUp } from './sign-up.ts'
import { accountEmail, fromStandIn } from './stand-in-address.ts'
import { noteLinked, noteUnvouched } from './unproven.ts'

/** Better Auth's side, as far as it is used here. */
type Users = Pick<AuthContext, 'internalAdapter'>

export interface LinkingOptions {
  db: Database
  /** Where somebody's first sign-in leads; undefined: where any does. */
  onboarding: string | undefined
}

/** Placed after the plugins that add providers. */
export function linking({ db, onboarding }: LinkingOptions): BetterAuthPlugin {
  /** A refresh exchanges the session's token, and Better Auth would ask for the one from before. */
  const nameSession = createAuthMiddleware(async (ctx) => {
    const session = await presentedSession(ctx, db)
    if (session) await addOAuthServerContext({ linkSessionId: session.id })
  })

  const findSession = createAuthMiddleware(async ({ query, context }) => {
    const state = query?.state
    const row =
      typeof state === 'string'
        ? await context.internalAdapter.findVerificationValue(`auth-state:${state}`)
        : null
    const { link, serverContext = {}, ...rest } = JSON.parse(row?.value ?? '{}') as LinkState
    const { linkSessionId: id } = serverContext
    if (!row || !link || !id) return
    const where = { id, userId: link.userId, expiresAt: { gt: new Date() } }
    const session = await db.session.findFirst({ where, include: { user: true } })
    const isGood = session && (session.aal > 1 || !session.user.twoFactorEnabled)
    // Without a token Better Auth asks for no session; with one that it cannot read it refuses.
    const { encryptedSessionToken: _, ...own } = link
    const changed = isGood ? own : { ...own, encryptedSessionToken: 'ended' }
    await context.adapter.update({
      model: 'verification',
      where: [{ field: 'id', value: row.id }],
      update: { value: JSON.stringify({ ...rest, serverContext, link: changed }) },
    })
  })

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
          else if (email)
            await noteUnvouched({ email, name: name ?? '', image: user.image || null })
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
        { matcher: ({ path }) => path === '/link-social', handler: nameSession },
        { matcher: ({ path }) => path === '/callback/:id', handler: findSession },
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

/** The state of a flow that links a provider, as far as it is used here. */
interface LinkState {
  link?: { userId: string; encryptedSessionToken?: string }
  serverContext?: { linkSessionId?: string }
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

/** For a person who has given no name. */
const nameFrom = (email: string): string => cut(email.slice(0, email.indexOf('@')))

/** A letter may be two code units long, and half of it is none. */
const cut = (name: string): string => name.slice(0, LONGEST_NAME).replace(/[\ud800-\udbff]$/, '')

/** The name as a row holds it: cut, or made of the address where there is none. */
export const namedOr = (name: string, email: string): string =>
  cut(name.trim()) || nameFrom(fromStandIn(email))

/** What is known of the owner of an address, once what others have said is forgotten. */
const unnamed = (email: string) => ({ name: nameFrom(email), image: null })

interface Named {
  id: string
  name: string
  email: string
  image?: string | null | undefined
}

const NAMED = {
  create: {
    /** A link in a mail or a provider without a profile says no name; mails greet people by one. */
    async before({ name, email }: { name: string; email: string }) {
      return { data: { name: namedOr(name, email) } }
    },
  },
  update: {
    /** There a user is changed only when the link proves the address: the name was chosen by nobody known. */
    async after({ id, name, image, email }: Named, ctx: GenericEndpointContext | null) {
      const known = unnamed(email)
      if (ctx?.path !== '/magic-link/verify' || (name === known.name && !image)) return
      await ctx.context.internalAdapter.updateUser(id, known)
    },
  },
}

/** It has served at sign-in; kept, it is a readable copy of the profile beside encrypted tokens. */
const forgetIdToken = async () => ({ data: { idToken: null } })
const WITHOUT_ID_TOKEN = {
  create: { before: forgetIdToken },
  update: { before: forgetIdToken, after: noteLinked },
}

/** Makes room for the owner of `email`: a user who never proved the address loses all ways in. */
async function clearUnproven(context: Users, email: string, name?: string): Promise<void> {
  const found = await context.internalAdapter.findUserByEmail(email.toLowerCase())
  if (!found || found.user.emailVerified) return
  const promoted = await revokeUnprovenAccountAccess({ context } as never, found.user.id)
  // Name and picture were the squatter's choice.
  if (!promoted) return
  const known = unnamed(email)
  await context.internalAdapter.updateUser(promoted.id, { ...known, name: name || known.name })
}

/**
 * A reset link came to the owner's mailbox: the address is proven, and only the new password stays.
 * For a user whose address was proven before nothing changes.
 */
export async function proveByReset(db: Database, userId: string): Promise<void> {
  await atomically(db, async (tx) => {
    const user = await becomesProven(tx, userId)
    if (!user) return
    await tx.account.deleteMany({ where: { userId, providerId: { not: 'credential' } } })
    await tx.user.update({ where: { id: userId }, data: unnamed(user.email) })
  })
}

/**
 * Whoever proves the address first gets it, with what was chosen in the sign-up that is theirs, and with nothing
 * of other sign-ups: not their passwords, providers' accounts or names. False when it was proven before.
 */
export const proveAddress = (
  db: Database,
  userId: string,
  signUp: SignUp | null,
): Promise<boolean> =>
  atomically(db, async (tx) => {
    const user = await becomesProven(tx, userId)
    if (!user) return false
    const { account, password } = signUp ?? {}
    await tx.account.deleteMany({ where: { userId, ...(account ? { NOT: account } : {}) } })
    if (password) {
      const credential = { providerId: 'credential', accountId: userId, password }
      await tx.account.create({ data: { id: generateRandomString(32), userId, ...credential } })
    }
    const data = unnamed(user.email)
    const name = signUp?.name.trim().slice(0, LONGEST_NAME) || data.name
    const image = signUp?.image ?? data.image
    await tx.user.update({ where: { id: userId }, data: { name, image } })
    return true
  })

/**
 * Of several at once one makes the address proven. In one transaction with what takes the other ways in
 * away: a proven address must not have them for a moment, nor after a crash.
 */
async function becomesProven(tx: Db, userId: string): Promise<{ email: string } | null> {
  const { count } = await tx.user.updateMany({
    where: { id: userId, emailVerified: false },
    data: { emailVerified: true },
  })
  if (count === 0) return null
  await tx.session.deleteMany({ where: { userId } })
  return tx.user.findUniqueOrThrow({ where: { id: userId } })
}
