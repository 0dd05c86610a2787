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
import { dashboard } from './dashboard.tsx'
import { home } from './home.tsx'
import { moreWaysRoutes, PASSKEY_PAGES } from './more-ways.tsx'
import { planChange } from './plan-pages.tsx'
import { CALL_EVENT_TYPE, type HostOptions, isCall } from './product.ts'
import { askToSignIn, notFound, problem, refusal, wantsPage } from './refusal.tsx'
import { signInRoutes } from './sign-in.ts'
import { teamRoutes } from './team.tsx'

export function createHost(options: HostOptions): Hono {
  const { auth, billing, providers, tools, logger } = options
  const app = new Hono<{ Variables: { tools: typeof tools } }>()
  const owner = async (c: Context) => (await auth.requireAuth(c.req.raw)).userId
  const form = async (c: Context, name: string) => String((await c.req.formData()).get(name) ?? '')

  const log = createLogger(logger)
  app.onError((error, c) => {
    // Errors of Hono's own middleware, for instance for a form from another site.
    if (error instanceof HTTPException) {
      return wantsPage(c) ? refusal(c, error.status) : error.getResponse()
    }
    if (!isTollgateError(error)) log.error({ error }, 'request failed')
    return problem(c, toResponse(error))
  })
  app.notFound(notFound)

  // Providers call these routes. They have no session and no form, only a signed body or URL.
  app.post('/api/webhooks/stripe', (c) => billing.handleStripeWebhook(c.req.raw))
  app.post('/api/webhooks/calcom', (c) => billing.handleCalComWebhook(c.req.raw))
  app.all('/api/payment/callback', (c) => billing.handlePaymentCallback(c.req.raw))
  app.all('/api/auth/*', (c) => auth.handler(c.req.raw))
  app.get('/health', (c) => c.json({ status: 'healthy', service: 'demo' }))

  // Some forms redirect to a provider's page, so the providers' origins are allowed form targets.
  const policy = {
    defaultSrc: ["'none'"],
    styleSrc: ["'unsafe-inline'"],
    formAction: ["'self'", ...providers],
  }
  const strict = secureHeaders({ contentSecurityPolicy: policy, referrerPolicy: 'same-origin' })
  // Passkeys are the one thing that needs a script: the host's own, on the pages that offer them.
  const scripted = secureHeaders({
    contentSecurityPolicy: { ...policy, scriptSrc: ["'self'"], connectSrc: ["'self'"] },
    referrerPolicy: 'same-origin',
  })
  app.use((c, next) => (PASSKEY_PAGES.has(c.req.path) ? scripted : strict)(c, next), csrf())
  app.use(async (c, next) => {
    c.set('tools', tools)
    await next()
  })
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

  app.get('/', async (c) => home(c, (await auth.getSession(c.req.raw)) !== null))

  // Sign-up, sign-in, sign-out, and recovery.
  app.route('/', signInRoutes(options))

  // The pages of a signed-in user.
  app.get('/dashboard', async (c) => {
    const user = await auth.getUser(c.req.raw)
    if (!user) return askToSignIn(auth, c)
    return dashboard(c, {
      user,
      subscription: await billing.getSubscription(user.id),
      invoices: await billing.listInvoices(user.id),
      payments: await billing.listPayments(user.id),
      bookings: await billing.listBookings(user.id),
    })
  })

  // Sessions, address, password, a copy of the data, deletion.
  app.route('/', accountRoutes(options))
  app.route('/', moreWaysRoutes(auth))

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

  return app as unknown as Hono
}
