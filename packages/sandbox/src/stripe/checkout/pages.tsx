/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/**
 * The hosted pages: Checkout, the billing portal, an invoice. They work without script, and every form that
 * changes something must come from the page itself.
 *
 * @module
 */

import { Hono, type Context as HonoContext } from 'hono'
import type { DeliveryQueue } from '../../deliveries.ts'
import { notFound, readForm, render, sameOrigin } from '../../layout.tsx'
import type { CardEntry } from '../customers/cards.ts'
import { StripeApiError } from '../server/errors.ts'
import type { CheckoutSession, Invoice, PortalSession } from '../server/objects.ts'
import { type Store, seconds } from '../server/store.ts'
import { findSession } from './checkout.ts'
import { needsCard, needsEmail, payCheckout, settlePayment } from './checkout-payment.ts'
import {
  BankPage,
  CheckoutPage,
  ClosedCheckoutPage,
  InvoicePage,
  PortalPage,
} from './page-views.tsx'
import { portalCancel, portalCard, portalCustomer, portalResume, portalUpdate } from './portal.ts'

const AREA = 'Stripe'

/** The lifetime of a portal link, which is for one visit, as on Stripe. */
const PORTAL_LIFE_SECONDS = 24 * 60 * 60

/** The app that answers `/stripe/*`. */
export function createStripePages(options: {
  store: Store
  queue: Pick<DeliveryQueue, 'redeliver'>
  onChange(): void
}): Hono {
  const { store } = options
  const app = new Hono()
  app.use('/stripe/*', sameOrigin)
  app.get('/stripe/checkout/:id', (c) => showCheckout(store, c))
  app.post('/stripe/checkout/:id', (c) => submitCheckout(options, c))
  app.get('/stripe/portal/:id', (c) => showPortal(store, c))
  app.post('/stripe/portal/:id/:action', (c) => submitPortal(options, c))
  app.get('/stripe/invoice/:id', (c) => {
    const invoice = store.tables.invoices.get(c.req.param('id'))
    if (invoice === undefined) return notFound(c, AREA, 'This invoice does not exist.')
    return render(
      c,
      <InvoicePage store={store} invoice={invoice} asksHolder={isAsking(store, invoice)} />,
    )
  })
  app.post('/stripe/invoice/:id', (c) => answerBank(options, c))
  app.get('/stripe/authenticate/:id', (c) => {
    const intent = store.tables.paymentIntents.get(c.req.param('id'))
    if (intent === undefined) return notFound(c, AREA, 'This payment does not exist.')
    return render(c, <BankPage intent={intent} />, { leaves: true })
  })
  app.post('/stripe/authenticate/:id', (c) => authenticate(options, c))
  app.get('/stripe/receipt/:id', (c) => {
    const charge = store.tables.charges.get(c.req.param('id'))
    if (charge === undefined) return notFound(c, AREA, 'This receipt does not exist.')
    const { amount_captured: paid, amount_refunded: back, currency } = charge
    return c.text(
      `Receipt ${charge.id}: paid ${paid} ${currency}, refunded ${back}, in minor units.`,
    )
  })
  app.post('/stripe/events/:id/redeliver', async (c) => {
    const id = c.req.param('id')
    if (!store.tables.events.has(id)) return notFound(c, AREA, 'This event does not exist.')
    await options.queue.redeliver(id)
    return c.redirect('/', 303)
  })
  return app
}

/** Whether the payment of an invoice waits for the card's holder. */
const isAsking = (store: Store, invoice: Invoice): boolean =>
  store.tables.paymentIntents.get(invoice.payment_intent ?? '')?.status === 'requires_action'

/** Confirms a payment as the card's holder, or refuses it. */
async function answerBank(
  { store, onChange }: { store: Store; onChange(): void },
  c: HonoContext,
): Promise<Response> {
  const { outcome } = await readForm(c)
  const invoice = store.tables.invoices.get(c.req.param('id') ?? '')
  const intent = store.tables.paymentIntents.get(invoice?.payment_intent ?? '')
  if (invoice === undefined || intent === undefined) {
    return notFound(c, AREA, 'This invoice does not exist.')
  }
  if (intent.status === 'requires_action') {
    settlePayment(store, intent, outcome === 'succeeded' ? 'succeeded' : 'failed')
    onChange()
  }
  return c.redirect(`/stripe/invoice/${invoice.id}`, 303)
}

/** Answers the bank's question as the card's holder, and returns to the host. */
async function authenticate(
  { store, onChange }: { store: Store; onChange(): void },
  c: HonoContext,
): Promise<Response> {
  const { outcome } = await readForm(c)
  const intent = store.tables.paymentIntents.get(c.req.param('id') ?? '')
  const next = intent?.next_action as
    | { redirect_to_url?: { return_url: string } }
    | null
    | undefined
  const back = next?.redirect_to_url?.return_url
  if (intent === undefined || intent.status !== 'requires_action' || back === undefined) {
    return notFound(c, AREA, 'No payment waits for its buyer here.')
  }
  const isPaid = outcome === 'succeeded'
  settlePayment(store, intent, isPaid ? 'succeeded' : 'failed')
  onChange()
  const url = new URL(back)
  url.searchParams.set('payment_intent', intent.id)
  url.searchParams.set('payment_intent_client_secret', intent.client_secret)
  url.searchParams.set('redirect_status', isPaid ? 'succeeded' : 'failed')
  return c.redirect(url.href, 303)
}

/** The URL to return to, with the session's id in place of its template. */
const successUrl = (session: CheckoutSession): string =>
  session.success_url.replaceAll('{CHECKOUT_SESSION_ID}', session.id)

function sessionOf(store: Store, c: HonoContext): CheckoutSession | null {
  const id = c.req.param('id') ?? ''
  return store.tables.sessions.has(id) ? findSession(store, id) : null
}

function showCheckout(store: Store, c: HonoContext): Response {
  const session = sessionOf(store, c)
  if (session === null) return notFound(c, AREA, 'This Checkout Session does not exist.')
  return checkoutPage(store, c, session, {}, null)
}

function checkoutPage(
  store: Store,
  c: HonoContext,
  session: CheckoutSession,
  fields: Record<string, string>,
  error: string | null,
): Response {
  if (session.status !== 'open') {
    const page = <ClosedCheckoutPage session={session} successUrl={successUrl(session)} />
    return render(c, page, { status: error === null ? 200 : 409, leaves: true })
  }
  const known = session.customer_email ?? store.tables.customers.get(session.customer ?? '')?.email
  const page = (
    <CheckoutPage
      session={session}
      now={seconds(store)}
      email={known ?? null}
      asksEmail={needsEmail(store, session)}
      asksCard={needsCard(session)}
      fields={fields}
      error={error}
    />
  )
  return render(c, page, { status: error === null ? 200 : 402, leaves: true })
}

/** Reads the card fields of a form; the expiry is `MM / YY` or `MM / YYYY`. */
function cardOf(fields: Record<string, string>): CardEntry {
  const [month = '', year = ''] = (fields.expiry ?? '').replaceAll(/\s/g, '').split('/')
  const expYear = /^\d{2}$/.test(year) ? 2000 + Number(year) : Number(year || Number.NaN)
  return {
    number: fields.number ?? '',
    expMonth: /^\d{1,2}$/.test(month) ? Number(month) : Number.NaN,
    expYear,
    cvc: fields.cvc ?? '',
  }
}

async function submitCheckout(
  { store, onChange }: { store: Store; onChange(): void },
  c: HonoContext,
): Promise<Response> {
  const fields = await readForm(c)
  const session = sessionOf(store, c)
  if (session === null) return notFound(c, AREA, 'This Checkout Session does not exist.')
  try {
    const card = needsCard(session) || fields.number ? cardOf(fields) : null
    payCheckout(store, session.id, card, {
      ...(fields.email ? { email: fields.email } : {}),
      ...(fields.name ? { name: fields.name } : {}),
    })
  } catch (error) {
    if (!(error instanceof StripeApiError)) throw error
    // The typed card number is not sent back, because it would appear in the page's source.
    const { email = '', name = '' } = fields
    return checkoutPage(store, c, session, { email, name }, error.message)
  } finally {
    onChange()
  }
  return c.redirect(successUrl(session), 303)
}

function portalOf(store: Store, c: HonoContext): PortalSession | null {
  const session = store.tables.portalSessions.get(c.req.param('id') ?? '')
  if (session === undefined || session.created + PORTAL_LIFE_SECONDS <= seconds(store)) return null
  return store.tables.customers.get(session.customer)?.deleted ? null : session
}

function showPortal(store: Store, c: HonoContext): Response {
  const session = portalOf(store, c)
  if (session === null) return notFound(c, AREA, 'This portal link is no longer valid.')
  return portalPage(store, c, session, null)
}

function portalPage(
  store: Store,
  c: HonoContext,
  session: PortalSession,
  error: string | null,
): Response {
  return render(c, <PortalPage store={store} session={session} error={error} />, {
    status: error === null ? 200 : 402,
  })
}

async function submitPortal(
  { store, onChange }: { store: Store; onChange(): void },
  c: HonoContext,
): Promise<Response> {
  const fields = await readForm(c)
  const session = portalOf(store, c)
  if (session === null) return notFound(c, AREA, 'This portal link is no longer valid.')
  const subscription = fields.subscription ?? ''
  try {
    const action = c.req.param('action')
    if (action === 'cancel') portalCancel(store, session, subscription)
    else if (action === 'resume') portalResume(store, session, subscription)
    else if (action === 'card') portalCard(store, session, cardOf(fields))
    else if (action === 'customer') portalCustomer(store, session, fields)
    else if (action === 'update') {
      portalUpdate(store, session, subscription, {
        ...(fields.price ? { price: fields.price } : {}),
        ...(fields.quantity ? { quantity: Number(fields.quantity) } : {}),
      })
    } else return notFound(c, AREA)
  } catch (error) {
    if (!(error instanceof StripeApiError)) throw error
    return portalPage(store, c, session, error.message)
  } finally {
    onChange()
  }
  return c.redirect(`/stripe/portal/${session.id}`, 303)
}
