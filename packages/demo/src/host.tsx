/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * The host: every route of a small SaaS. It contains no auth or billing logic; each route makes one call into
 * a package.
 */

import { sameSiteRedirect } from '@repo/auth/edge'
import { createLogger, isTollgateError, toResponse } from '@repo/core'
import { type Context, Hono } from 'hono'
import { csrf } from 'hono/csrf'
import { HTTPException } from 'hono/http-exception'
import { secureHeaders } from 'hono/secure-headers'
import { accountRoutes } from './account.tsx'
import { creditRoutes } from './credits.tsx'
import * as page from './pages.tsx'
import { planChange } from './plan-pages.tsx'
import { CALL_EVENT_TYPE, type HostOptions, isCall } from './product.ts'
import { teamRoutes } from './team.tsx'

export function createHost({ auth, billing, providers, logger }: HostOptions): Hono {
  const app = new Hono()
  const owner = async (c: Context) => (await auth.requireAuth(c.req.raw)).userId
  const form = async (c: Context, name: string) => String((await c.req.formData()).get(name) ?? '')

  const log = createLogger(logger)
  app.onError((error, c) => {
    // Errors of Hono's own middleware, for instance for a form from another site.
    if (error instanceof HTTPException) return error.getResponse()
    if (!isTollgateError(error)) log.error({ error }, 'request failed')
    return page.problem(c, toResponse(error))
  })

  // Providers call these routes. They have no session and no form, only a signed body or URL.
  app.post('/api/webhooks/stripe', (c) => billing.handleStripeWebhook(c.req.raw))
  app.post('/api/webhooks/calcom', (c) => billing.handleCalComWebhook(c.req.raw))
  app.all('/api/payment/callback', (c) => billing.handlePaymentCallback(c.req.raw))
  app.all('/api/auth/*', (c) => auth.handler(c.req.raw))
  app.get('/health', (c) => c.json({ status: 'healthy', service: 'demo' }))

  // Some forms redirect to a provider's page, so the providers' origins are allowed form targets.
  const formAction = ["'self'", ...providers]
  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], styleSrc: ["'unsafe-inline'"], formAction },
      referrerPolicy: 'same-origin',
    }),
    csrf(),
  )
  // An access token lasts minutes. If a request comes without one, the response brings a new one.
  app.use(async (c, next) => {
    await next()
    for (const cookie of await auth.renewCookies(c.req.raw)) {
      c.header('set-cookie', cookie, { append: true })
    }
  })
  // A browser sends no strict cookies when it returns from another site. After one redirect within our own
  // site it sends them.
  app.get('*', async (c, next) => sameSiteRedirect(c.req.raw) ?? (await next()))

  app.get('/', (c) => page.home(c))

  // Sign-up, sign-in, sign-out, and recovery.
  app.get('/sign-up', (c) => page.signUp(c))
  app.post('/sign-up', (c) =>
    auth.formAction(c.req.raw, {
      path: '/sign-up/email',
      success: '/check-mail',
      failure: '/sign-up',
    }),
  )
  app.get('/check-mail', (c) => page.checkMail(c))
  app.get('/verify-email', async (c) => {
    const state = await auth.confirmation(c.req.raw, c.req.query('token') ?? '')
    return page.verifyEmail(c, state)
  })
  app.post('/verify-email', (c) =>
    auth.formAction(c.req.raw, {
      path: '/confirm-email',
      success: '/sign-in?done=verified',
      failure: '/verify-email',
      keep: ['token'],
    }),
  )
  app.get('/send-again', (c) => page.sendAgain(c))
  app.post('/send-again', (c) =>
    auth.formAction(c.req.raw, {
      path: '/send-verification-email',
      success: '/check-mail',
      failure: '/send-again',
    }),
  )
  app.get('/sign-in', (c) => page.signIn(c))
  app.post('/sign-in', (c) =>
    auth.formAction(c.req.raw, {
      path: '/sign-in/email',
      success: '/dashboard',
      failure: '/sign-in',
    }),
  )
  app.get('/sign-in/link', (c) => page.askForLink(c))
  app.post('/sign-in/link', (c) =>
    auth.formAction(c.req.raw, {
      path: '/sign-in/magic-link',
      success: '/check-mail',
      failure: '/sign-in/link',
    }),
  )
  app.get('/magic-link', (c) => page.magicLink(c))
  app.post('/magic-link', (c) =>
    auth.formAction(c.req.raw, {
      path: '/sign-in/magic-link/confirm',
      success: '/dashboard',
      failure: '/sign-in/link',
    }),
  )
  app.post('/sign-out', (c) =>
    auth.formAction(c.req.raw, { path: '/sign-out', success: '/', failure: '/dashboard' }),
  )
  app.get('/forgot-password', (c) => page.forgotPassword(c))
  app.post('/forgot-password', (c) =>
    auth.formAction(c.req.raw, {
      path: '/request-password-reset',
      success: '/check-mail',
      failure: '/forgot-password',
    }),
  )
  app.get('/reset-password', (c) => page.resetPassword(c))
  app.post('/reset-password', (c) =>
    auth.formAction(c.req.raw, {
      path: '/reset-password',
      success: '/sign-in?done=reset',
      failure: '/reset-password',
      keep: ['token'],
    }),
  )

  // The pages of a signed-in user.
  app.get('/dashboard', async (c) => {
    const user = await auth.getUser(c.req.raw)
    if (!user) return c.redirect('/sign-in')
    return page.dashboard(c, {
      user,
      subscription: await billing.getSubscription(user.id),
      invoices: await billing.listInvoices(user.id),
      payments: await billing.listPayments(user.id),
      bookings: await billing.listBookings(user.id),
    })
  })

  // Sessions, address, password, a copy of the data, deletion.
  app.route('/', accountRoutes(auth, billing))

  // The organization, its members and invitations.
  app.route('/', teamRoutes(auth))

  // Buying a plan: to the checkout page and back. The dashboard is right both before and after the webhook.
  app.post('/billing/checkout', async (c) => {
    const plan = await form(c, 'plan')
    const checkout = await billing.createCheckoutSession({ ownerId: await owner(c), plan })
    return c.redirect(checkout.url, 303)
  })
  app.get('/billing/success', async (c) => {
    await billing.confirmCheckout(await owner(c), c.req.query('session_id') ?? '')
    return c.redirect('/dashboard?done=subscribed', 303)
  })
  app.get('/billing/canceled', (c) => c.redirect('/dashboard', 303))
  app.post('/billing/portal', async (c) => {
    const portal = await billing.createBillingPortalSession({ ownerId: await owner(c) })
    return c.redirect(portal.url, 303)
  })
  // Changing the plan: the page shows the price, and no more than that is charged.
  app.get('/billing/change', async (c) => {
    const plan = c.req.query('plan') ?? ''
    const quote = await billing.previewPlanChange(await owner(c), { plan })
    return planChange(c, { plan, quote })
  })
  app.post('/billing/change', async (c) => {
    const quote = await form(c, 'quote')
    const plan = await form(c, 'plan')
    const { pendingChange } = await billing.changePlan(await owner(c), { plan, quote })
    // If the card's bank asks for a confirmation, the customer pays at this URL, and the change happens after that.
    return c.redirect(pendingChange?.url ?? '/dashboard?done=changed', 303)
  })
  app.post('/billing/keep', async (c) => {
    await billing.resumeSubscription(await owner(c))
    return c.redirect('/dashboard?done=kept', 303)
  })
  app.get('/billing', async (c) => {
    await billing.syncCustomer(await owner(c))
    return c.redirect('/dashboard', 303)
  })

  // Credits: bought in packs and spent on work that may fail.
  app.route('/', creditRoutes(auth, billing))

  // A call: bought once, then booked.
  app.post('/calls/buy', async (c) => {
    const order = await billing.createOrder({
      ownerId: await owner(c),
      productId: 'STRATEGY_CALL',
      successUrl: '/dashboard?done=bought',
      cancelUrl: '/dashboard',
    })
    return c.redirect(order.url, 303)
  })
  app.post('/calls/book', async (c) => {
    const ownerId = await owner(c)
    const paymentId = await form(c, 'paymentId')
    const calls = (await billing.listPayments(ownerId)).filter(isCall)
    if (!calls.some(({ id }) => id === paymentId)) return c.notFound()
    const link = await billing.createCalComBookingLink(CALL_EVENT_TYPE, { ownerId, paymentId })
    return c.redirect(link, 303)
  })
  app.get('/calls/booked', (c) => c.redirect('/dashboard?done=booked', 303))

  return app
}
