/**
 * Mounts auth's endpoints, Stripe's webhooks and the returns of checkout in the app, and gives its routes the caller.
 */

import { sameSiteRedirect } from '@repo/auth/edge'
import { toResponse } from '@repo/core'
import { readEnvFiles } from '@repo/core/cli'
import type { Env, Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { auth, billing } from './tollgate.ts'

/** Call it before your routes. */
export function mountTollgate<E extends Env>(app: Hono<E>): void {
  readEnvFiles(process.cwd())

  // A refusal becomes problem+json with its status and code, anything else a 500 without details.
  app.onError((error) => {
    const answer = toResponse(error)
    if (answer.status >= 500) console.error(error)
    return answer
  })

  app.all('/api/auth/*', (c) => auth.handler(c.req.raw))
  app.post('/api/webhooks/stripe', (c) => billing.handleStripeWebhook(c.req.raw))

  app.use(async (c, next) => {
    // Browsers send strict cookies to a page that was reached from another site only after this redirect.
    const redirect = sameSiteRedirect(c.req.raw)
    if (redirect) return redirect
    await next()
    for (const cookie of await auth.renewCookies(c.req.raw)) {
      c.header('set-cookie', cookie, { append: true })
    }
  })

  // The checkout page and the billing portal lead back to these. Let them redirect to pages of yours.
  app.get('/billing/success', requireUser, async (c) => {
    await billing.confirmCheckout(c.get('userId'), c.req.query('session_id') ?? '')
    return c.redirect('/?done=subscribed', 303)
  })
  app.get('/billing/canceled', (c) => c.redirect('/', 303))
  app.get('/billing', requireUser, async (c) => {
    await billing.syncCustomer(c.get('userId'))
    return c.redirect('/', 303)
  })
}

/** Refuses callers without a session. After it `c.get('userId')` is the caller. */
export const requireUser = createMiddleware<{ Variables: { userId: string } }>(async (c, next) => {
  const { userId } = await auth.requireAuth(c.req.raw)
  c.set('userId', userId)
  await next()
})
