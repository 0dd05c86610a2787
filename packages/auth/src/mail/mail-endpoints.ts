/**
 * Replaces Better Auth's two endpoints that mail on request. Better Auth looks the address up first and does
 * more for a known one. Ours queue a job in both cases, and the answer is the same.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { createAuthEndpoint, originCheck } from 'better-auth/api'
import * as z from 'zod'
import { accountAddress } from '../database/stand-in-address.ts'
import type { Mails } from './mail-requests.ts'

/** The answer for every address. */
const ANSWER = {
  status: true,
  message: 'If this address is known here, a mail is on its way.',
}

/** The plugin with the two endpoints. */
export function mailEndpoints(mails: Mails) {
  return {
    id: 'tollgate-mails',
    endpoints: {
      // Better Auth uses these names too, and an endpoint with the same name replaces its own.
      /** Mails a link to set a new password. Answers alike for known and unknown addresses. */
      requestPasswordReset: createAuthEndpoint(
        '/request-password-reset',
        {
          method: 'POST',
          use: [originCheck((ctx) => ctx.body.redirectTo)],
          body: z.object({ email: accountAddress, redirectTo: z.string().optional() }),
        },
        async (ctx) => {
          await mails.request({ mail: 'reset', to: ctx.body.email })
          return ctx.json(ANSWER)
        },
      ),
      /** Mails the confirmation link again. Answers alike for known and unknown addresses. */
      sendVerificationEmail: createAuthEndpoint(
        '/send-verification-email',
        {
          method: 'POST',
          use: [originCheck((ctx) => ctx.body.callbackURL)],
          body: z.object({ email: accountAddress, callbackURL: z.string().optional() }),
        },
        async (ctx) => {
          // The browser that signed up gets a link for its own sign-up.
          const { name } = ctx.context.createAuthCookie('sign_up')
          const id = await ctx.getSignedCookie(name, ctx.context.secret)
          await mails.request({ mail: 'confirm', to: ctx.body.email, ...(id ? { id } : {}) })
          return ctx.json(ANSWER)
        },
      ),
    },
  } satisfies BetterAuthPlugin
}
