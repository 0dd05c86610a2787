/**
 * Sign-ins with an address that nobody has proven. A password gets the answer of a wrong password, and a
 * provider's account gets the same answer for every address. Otherwise a stranger could sign up with an
 * address, sign in with the same password, and learn from the refusal whether the address already had an
 * account. The owner learns by mail how to go on.
 *
 * @module
 */

import { defineRequestState, hasRequestState } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, isAPIError } from 'better-auth/api'
import type { Background } from '../background.ts'
import { accountEmail } from '../database/stand-in-address.ts'
import type { Mails } from '../mail/mail-requests.ts'
import { beginSignUp, hasBegunSignUp } from './sign-ups.ts'

/** A provider's claims about a user whose address it does not vouch for. */
interface Unvouched {
  email: string
  name: string
  image: string | null
}

/** A provider's account, as in its row. */
interface Linked {
  userId: string
  providerId: string
  accountId: string
}

/** The facts that this request has noted. */
const told = defineRequestState<{
  unvouched?: Unvouched
  linked?: Linked
  hasRightPassword?: boolean
}>(() => ({}))

/** Notes that the password of an unproven sign-up was right. */
export const noteRightPassword = async (): Promise<void> => {
  Object.assign(await told.get(), { hasRightPassword: true })
}

/** Notes the user whom a provider does not vouch for. */
export const noteUnvouched = async (unvouched: Unvouched): Promise<void> => {
  Object.assign(await told.get(), { unvouched })
}

/** Notes the existing account of a provider's user. */
export const noteLinked = async (linked: Linked): Promise<void> => {
  if (await hasRequestState()) Object.assign(await told.get(), { linked })
}

/** The dependencies of `unproven`. */
export interface UnprovenOptions {
  db: Database
  mails: Pick<Mails, 'request'>
  run: Background['run']
}

/** The plugin. It comes before `signUps`, which sets the cookie of a sign-up that begins here. */
export function unproven({ db, mails, run }: UnprovenOptions): BetterAuthPlugin {
  const byPassword = createAuthMiddleware(async (ctx) => {
    if (!(await told.get()).hasRightPassword) return
    const email = accountEmail(String((ctx.body as { email?: unknown }).email)) ?? ''
    // It runs in the background, so that a right password takes no longer than a wrong one.
    run('confirmation', async () => {
      // The browser that signed up gets a link for its own sign-up.
      const { name } = ctx.context.createAuthCookie('sign_up')
      const id = await ctx.getSignedCookie(name, ctx.context.secret)
      await mails.request({ mail: 'confirm', to: email, isReminder: true, ...(id ? { id } : {}) })
    })
  })

  const byProvider = createAuthMiddleware(async (ctx) => {
    const { returned } = ctx.context
    const location = isAPIError(returned) ? new Headers(returned.headers).get('location') : null
    const [, code] =
      /[?&]error=(email_not_verified|account_not_linked)(?:&|$)/i.exec(location ?? '') ?? []
    if (!location || !code) return
    if (!(await hasBegunSignUp())) await tell(code.toLowerCase() === 'email_not_verified')
    throw ctx.redirect(location.replace(/([?&]error=)account_not_linked/, '$1email_not_verified'))
  })

  /**
   * Mails the owner of the address as after a first sign-up: how to confirm the address, or how to sign in.
   */
  async function tell(isKnown: boolean): Promise<void> {
    const { unvouched, linked } = await told.get()
    if (isKnown && linked) {
      const { userId, providerId, accountId } = linked
      const user = await db.user.findUnique({ where: { id: userId } })
      const account = { providerId, accountId }
      if (user)
        await beginSignUp(mails, user.email, { name: user.name, image: user.image, account })
    } else if (unvouched) {
      // The account is not stored, so that whoever proves the address does not get someone else's account.
      const { email, name, image } = unvouched
      await beginSignUp(mails, email, { name, image })
    }
  }

  return {
    id: 'tollgate-unproven',
    hooks: {
      after: [
        { matcher: ({ path }) => path === '/sign-in/email', handler: byPassword },
        { matcher: ({ path }) => path === '/callback/:id', handler: byProvider },
      ],
    },
  }
}
