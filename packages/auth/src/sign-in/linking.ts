/**
 * Links a provider's account to a user when both sides have verified the address. A sign-up that never proved
 * the address does not stand in the owner's way: the first person who proves the address gets it, and every
 * password and provider's account that others brought to it before is removed.
 *
 * @see https://arxiv.org/abs/2205.10174 (account pre-hijacking)
 * @module
 */

import { tryGetCurrentAuthEndpointContext } from '@better-auth/core/context'
import type { Logger } from '@repo/core'
import { atomically, type Database, type Db } from '@repo/db'
import type { AuthContext, BetterAuthPlugin, GenericEndpointContext } from 'better-auth'
import { addOAuthServerContext, createAuthMiddleware } from 'better-auth/api'
import { generateRandomString } from 'better-auth/crypto'
import { revokeUnprovenAccountAccess } from 'better-auth/db'
import { acceptedLocale } from '../account/locales.ts'
import type { OwnFields, Row } from '../account/user-fields.ts'
import { noteProfile, profileValues } from '../account/user-fields-plugin.ts'
import { accountEmail, fromStandIn } from '../database/stand-in-address.ts'
import { isPictureURL } from '../pictures.ts'
import { cookieSession } from '../session/cookie-session.ts'
import type { SignUp } from './sign-up.ts'
import { noteLinked, noteUnvouched } from './unproven.ts'

/** The part of Better Auth's context that is used here. */
type Users = Pick<AuthContext, 'internalAdapter'>

/** The dependencies of `linking`. */
export interface LinkingOptions {
  db: Database
  /** The page after a user's first sign-in. Undefined: the page after any sign-in. */
  onboarding: string | undefined
  own: OwnFields
  logger: Logger
}

/** The plugin. It comes after the plugins that add providers. */
export function linking({ db, onboarding, own, logger }: LinkingOptions): BetterAuthPlugin {
  /**
   * Stores the session's id in the flow's state. A refresh may exchange the session's token during the flow,
   * and Better Auth would look for the old token.
   */
  const nameSession = createAuthMiddleware(async (ctx) => {
    const session = await cookieSession(ctx, db)
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
    // If the state has no token, Better Auth checks no session. If it has one that cannot be read, Better
    // Auth refuses.
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
          const claims = (answer.data ?? {}) as Readonly<Record<string, unknown>>
          await noteProfile(own, { provider: provider.id, claims }, logger)
          // By the time of a sign-in, Better Auth has added its hooks to this context.
          if (email && emailVerified === true)
            await clearUnproven({ context, db, own }, email, name)
          else if (email)
            await noteUnvouched({ email, name: name ?? '', image: user.image || null })
          return { ...answer, user }
        },
      }))
      return {
        context: { socialProviders },
        options: { databaseHooks: { user: named(db, own), account: WITHOUT_ID_TOKEN } },
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

/** The part of a linking flow's state that is used here. */
interface LinkState {
  link?: { userId: string; encryptedSessionToken?: string }
  serverContext?: { linkSessionId?: string }
}

/** A provider's claims about a user. Any value may have any type. */
interface Told {
  name?: unknown
  email?: unknown
  image?: unknown
}

/**
 * A provider's user in the form of our account rows; null if the address is malformed or not in its canonical
 * spelling. The spelling matters because lower-casing could turn look-alike letters into another person's
 * address. A picture that is not an https address is left out.
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

/** The longest name that a mail greets, in characters. */
const LONGEST_NAME = 200

/** The name of a user who has given none: the local part of the address. */
const nameFrom = (email: string): string => cut(email.slice(0, email.indexOf('@')))

/** Shortens a name, and never leaves half of a letter that is two code units long. */
const cut = (name: string): string => name.slice(0, LONGEST_NAME).replace(/[\ud800-\udbff]$/, '')

/** The name for a user's row: shortened, or made of the address if it is empty. */
export const namedOr = (name: string, email: string): string =>
  cut(name.trim()) || nameFrom(fromStandIn(email))

/** The name and picture of an address's owner once everything that others entered is dropped. */
const unnamed = (email: string) => ({ name: nameFrom(email), image: null })

/** A user's row, as far as it is read here. */
interface Named {
  id: string
  name: string
  email: string
  image?: string | null | undefined
}

/**
 * The values of the host's own fields for the user who proves the address: those of their own sign-up, and no
 * others. The locale may come from the browser.
 */
function valuesOf(own: OwnFields, signUp: SignUp | null, headers: Headers | undefined): Row {
  const values = own.ofProof(signUp?.fields)
  values.locale ??= acceptedLocale(headers?.get('accept-language'), own.locales)
  return values
}

/** The database hooks that name a user. */
const named = (db: Database, own: OwnFields) => ({
  create: {
    /** A mailed link or a provider without a profile gives no name, but mails greet by name. */
    async before({ name, email }: { name: string; email: string }) {
      return { data: { name: namedOr(name, email) } }
    },
  },
  update: {
    /**
     * This endpoint changes a user only when the link proves the address. Whoever chose the old name is
     * unknown.
     */
    async after({ id, email }: Named, ctx: GenericEndpointContext | null) {
      if (ctx?.path !== '/magic-link/verify') return
      const data = { ...unnamed(email), ...valuesOf(own, null, ctx.headers) }
      // Not through the hooks of plugins, which take no null.
      await db.user.update({ where: { id }, data })
    },
  },
})

/**
 * Drops the id token. It is not needed after sign-in, and would be a readable copy of the profile beside
 * encrypted tokens.
 */
const forgetIdToken = async () => ({ data: { idToken: null } })
/** The database hooks that keep id tokens out of the accounts. */
const WITHOUT_ID_TOKEN = {
  create: { before: forgetIdToken },
  update: { before: forgetIdToken, after: noteLinked },
}

const headersOfCaller = (): Headers | undefined => {
  const running = tryGetCurrentAuthEndpointContext()
  return running?.request?.headers ?? running?.headers
}

/**
 * Makes room for the owner of `email`: a user who never proved the address loses every password and account.
 */
async function clearUnproven(
  { context, db, own }: { context: Users; db: Database; own: OwnFields },
  email: string,
  name?: string,
): Promise<void> {
  const found = await context.internalAdapter.findUserByEmail(email.toLowerCase())
  if (!found || found.user.emailVerified) return
  const promoted = await revokeUnprovenAccountAccess({ context } as never, found.user.id)
  // The person who signed up without proving the address chose that name and picture.
  if (!promoted) return
  const known = unnamed(email)
  const fields = { ...valuesOf(own, null, headersOfCaller()), ...(await profileValues()) }
  const data = { ...known, ...fields, name: name || known.name }
  await db.user.update({ where: { id: promoted.id }, data })
}

/**
 * Marks the address as proven, because the reset link reached the owner's mailbox. Only the new password
 * stays. Does nothing if the address was proven before.
 */
export async function proveByReset(db: Database, own: OwnFields, userId: string): Promise<void> {
  await atomically(db, async (tx) => {
    const user = await becomesProven(tx, userId)
    if (!user) return
    await tx.account.deleteMany({ where: { userId, providerId: { not: 'credential' } } })
    await tx.user.update({
      where: { id: userId },
      data: { ...unnamed(user.email), ...valuesOf(own, null, headersOfCaller()) },
    })
  })
}

/**
 * Gives the address to the first person who proves it, with what they chose in their own sign-up. Passwords,
 * providers' accounts and names of other sign-ups are removed. Returns false if the address was proven
 * before.
 */
export const proveAddress = (
  db: Database,
  own: OwnFields,
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
    const values = valuesOf(own, signUp, headersOfCaller())
    await tx.user.update({ where: { id: userId }, data: { name, image, ...values } })
    return true
  })

/**
 * Marks the address as proven; of parallel requests only one succeeds, and the others get null. The caller
 * removes the other accounts in the same transaction, so that a proven address never has them, not even after
 * a crash.
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
