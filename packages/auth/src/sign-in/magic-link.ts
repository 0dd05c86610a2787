/**
 * Signing in by a mailed link. The link is stored as a keyed hash and is good once within ten minutes. It
 * leads to a page with a button, because mail scanners open links. Known and unknown addresses get the same
 * mail, so that nobody learns which addresses have accounts. A new address is signed up by the link.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { createAuthEndpoint, formCsrfMiddleware, isAPIError, originCheck } from 'better-auth/api'
import { magicLink } from 'better-auth/plugins/magic-link'
import * as z from 'zod'
import { acceptedLocale } from '../account/locales.ts'
import { accountAddress, standIn, withStandIns } from '../database/stand-in-address.ts'
import type { Mails } from '../mail/mail-requests.ts'
import { invalidToken } from './confirmation.ts'

/** How long a link lasts, in minutes. */
export const MAGIC_LINK_MINUTES = 10

/** The identifier of a link's verification row, as Better Auth looks it up. */
export const linkIdentifier = (token: string): string => `magic-link:${token}`

/**
 * The value of that row, as Better Auth reads it. It holds no name, because a stranger may have asked for the
 * link: a new user is named after the address.
 */
export const linkRecord = (email: string): string =>
  JSON.stringify({ type: 'magic-link', email: standIn(email) })

/** The dependencies of `magicLinks`. */
export interface MagicLinkOptions {
  mails: Mails
  /** The languages of the host. Undefined: any. */
  locales: readonly string[] | undefined
  /** Calls Better Auth's own endpoint, which uses up the token and makes the session. */
  redeem(token: string, headers: Headers): Promise<{ headers: Headers }>
}

/** The plugin with our endpoints in front of Better Auth's. */
export function magicLinks({ mails, locales, redeem }: MagicLinkOptions) {
  // A job makes the link and sends the mail.
  const plugin = magicLink({ async sendMagicLink() {} })
  return {
    ...plugin,
    endpoints: {
      ...plugin.endpoints,
      /**
       * Better Auth's own endpoint for a clicked link. Pages use `confirmMagicLink`, which needs a button.
       */
      magicLinkVerify: withStandIns(plugin.endpoints.magicLinkVerify),
      /** Mails a link to sign in. Answers alike for known and unknown addresses. */
      signInMagicLink: createAuthEndpoint(
        '/sign-in/magic-link',
        {
          method: 'POST',
          requireHeaders: true,
          use: [formCsrfMiddleware, originCheck((ctx) => ctx.body.callbackURL)],
          body: z.object({
            email: accountAddress,
            callbackURL: z.string().max(2048).optional(),
          }),
          metadata: {
            allowedMediaTypes: ['application/x-www-form-urlencoded', 'application/json'],
          },
        },
        async (ctx) => {
          const { email, callbackURL: next } = ctx.body
          const locale = acceptedLocale(ctx.headers.get('accept-language'), locales)
          await mails.request({
            ...{ mail: 'link', to: email },
            ...(next ? { next } : {}),
            ...(locale ? { locale } : {}),
          })
          return ctx.json({ status: true })
        },
      ),
      /** Signs in by the token of the mail, which works once, and sets the cookies. */
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
            // Better Auth's endpoint reports an error as a redirect.
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
  } satisfies BetterAuthPlugin
}
