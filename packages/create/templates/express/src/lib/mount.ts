/**
 * Mounts auth's endpoints, Stripe's webhooks and the returns of checkout in the app, and gives its routes the caller.
 */

import { type Session, toNodeHandler } from '@repo/auth'
import { sameSiteRedirect } from '@repo/auth/edge'
import { readEnvFiles } from '@repo/core/cli'
import type { Express, RequestHandler } from 'express'
import { auth, billing } from './tollgate.ts'

/** Call it before body parsers, because Stripe's signature covers the raw bytes, and before your routes. */
export function mountTollgate(app: Express): void {
  readEnvFiles(process.cwd())
  app.all('/api/auth/*splat', toNodeHandler(auth))
  app.post('/api/webhooks/stripe', toNodeHandler(billing.handleStripeWebhook))

  // The checkout page and the billing portal lead back to these. Let them redirect to pages of yours.
  app.get(
    '/billing/success',
    forUser(async ({ userId }, req) => {
      const session = new URL(req.url).searchParams.get('session_id') ?? ''
      await billing.confirmCheckout(userId, session)
      return redirectTo('/?done=subscribed')
    }),
  )
  app.get('/billing/canceled', (_, res) => res.redirect(303, '/'))
  app.get(
    '/billing',
    forUser(async ({ userId }) => {
      await billing.syncCustomer(userId)
      return redirectTo('/')
    }),
  )
}

/**
 * A route for callers with a session, as a function of the session and a Web `Request`. A refusal becomes problem+json
 * with its status and code, anything else a 500 without details.
 */
export const forUser = (
  answer: (session: Session, req: Request) => Response | Promise<Response>,
): RequestHandler =>
  toNodeHandler(async (req) => {
    // Browsers send strict cookies to a page that was reached from another site only after this redirect.
    const redirect = sameSiteRedirect(req)
    if (redirect) return redirect
    const found = await answer(await auth.requireAuth(req), req)
    // The headers of `Response.redirect` cannot be changed, so the response is copied.
    const renewed = new Response(found.body, found)
    for (const cookie of await auth.renewCookies(req)) renewed.headers.append('set-cookie', cookie)
    return renewed
  })

const redirectTo = (location: string) => new Response(null, { status: 303, headers: { location } })
