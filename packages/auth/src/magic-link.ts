/**
 * Signing in by a link in a mail: stored hashed, good once and for ten minutes. The link leads to a
 * page with a button, because mail scanners open links; known and unknown addresses get the same
 * mail, so that nobody learns who is known here. Whoever is new is signed up by it.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { createAuthEndpoint, formCsrfMiddleware, isAPIError } from 'better-auth/api'
import { magicLink } from 'better-auth/plugins/magic-link'
import { z } from 'zod'
import { invalidToken } from './confirmation.ts'

export const MAGIC_LINK_MINUTES = 10

export interface MagicLinkOptions {
  /** Mails a link with `token`; `next` is the path to go on to, as the request named it. */
  send(email: string, query: { token: string; next?: string }): void
  /** Better Auth's own endpoint: uses up the token and makes the session. */
  redeem(token: string, headers: Headers): Promise<{ headers: Headers }>
}

export function magicLinks({ send, redeem }: MagicLinkOptions) {
  return [
    magicLink({
      storeToken: 'hashed',
      expiresIn: MAGIC_LINK_MINUTES * 60,
      async sendMagicLink({ email, token, url }) {
        const next = new URL(url).searchParams.get('callbackURL')
        send(email, { token, ...(next && next !== '/' ? { next } : {}) })
      },
    }),
    {
      id: 'tollgate-magic-link',
      endpoints: {
        confirmMagicLink: createAuthEndpoint(
          '/sign-in/magic-link/confirm',
          {
            method: 'POST',
            requireHeaders: true,
            use: [formCsrfMiddleware],
            body: z.object({ token: z.string().min(1).max(256) }),
            metadata: {
              allowedMediaTypes: ['application/x-www-form-urlencoded', 'application/json'],
            },
          },
          async (ctx) => {
            const cookies = await redeem(ctx.body.token, ctx.headers).catch((error: unknown) => {
              // The endpoint says what is wrong by a redirect.
              if (isAPIError(error) && error.statusCode === 302) throw invalidToken()
              throw error
            })
            for (const cookie of cookies.headers.getSetCookie()) {
              ctx.responseHeaders.append('set-cookie', cookie)
            }
            return ctx.json({ status: true })
          },
        ),
      },
    },
  ] satisfies BetterAuthPlugin[]
}
