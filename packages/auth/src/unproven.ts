/**
 * Sign-ins with an address that nobody has proven. The answer is that of a wrong password, and of a provider's
 * account the same for every address: else a stranger signs up with an address, signs in with the same password,
 * and reads from the refusal whether the address had an account. The person learns by mail how to go on.
 *
 * @module
 */

import { defineRequestState, hasRequestState } from '@better-auth/core/context'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, isAPIError } from 'better-auth/api'
import type { Background } from './background.ts'
import type { Mails } from './mail-requests.ts'
import { beginSignUp, hasBegunSignUp } from './sign-ups.ts'
import { accountEmail } from './stand-in-address.ts'

/** What a provider says of a person whose address it does not vouch for. */
interface Unvouched {
  email: string
  name: string
  image: string | null
}

/** An account of a provider, as its row says. */
interface Linked {
  userId: string
  providerId: string
  accountId: string
}

/** What the present request has learned. */
const told = defineRequestState<{
  unvouched?: Unvouched
  linked?: Linked
  hasRightPassword?: boolean
}>(() => ({}))

/** Notes that the password of a sign-up that waits was right. */
export const noteRightPassword = async (): Promise<void> => {
  Object.assign(await told.get(), { hasRightPassword: true })
}

/** Notes whom a provider does not vouch for. */
export const noteUnvouched = async (unvouched: Unvouched): Promise<void> => {
  Object.assign(await told.get(), { unvouched })
}

/** Notes the account that a provider's person has here already. */
export const noteLinked = async (linked: Linked): Promise<void> => {
  if (await hasRequestState()) Object.assign(await told.get(), { linked })
}

export interface UnprovenOptions {
  db: Database
  mails: Pick<Mails, 'request'>
  run: Background['run']
}

/** Placed before `signUps`, which sets the cookie of a sign-up that is begun here. */
export function unproven({ db, mails, run }: UnprovenOptions): BetterAuthPlugin {
  const byPassword = createAuthMiddleware(async (ctx) => {
    if (!(await told.get()).hasRightPassword) return
    const email = accountEmail(String((ctx.body as { email?: unknown }).email)) ?? ''
    // Nobody waits for it: a right password takes no longer than a wrong one.
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

  /** Mails the owner of the address, as for somebody's first time: with how to confirm it, or to sign in. */
  async function tell(isKnown: boolean): Promise<void> {
    const { unvouched, linked } = await told.get()
    if (isKnown && linked) {
      const { userId, providerId, accountId } = linked
      const user = await db.user.findUnique({ where: { id: userId } })
      const account = { providerId, accountId }
      if (user)
        await beginSignUp(mails, user.email, { name: user.name, image: user.image, account })
    } else if (unvouched) {
      // The account is not kept, so that whoever proves the address gets no way in of somebody else.
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
