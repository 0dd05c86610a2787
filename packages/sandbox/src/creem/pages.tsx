/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/**
 * Creem's hosted pages: a checkout to pay or to leave, and the customer's portal.
 *
 * @see https://docs.creem.io/features/checkout/checkout-api
 * @module
 */

import { createHash } from 'node:crypto'
import { Hono, type Context as HonoContext } from 'hono'
import type { DeliveryQueue } from '../deliveries.ts'
import { day, money, Notice, notFound, Page, readForm, render, sameOrigin } from '../layout.tsx'
import { amountOf, cancel, payCheckout } from './life.ts'
import { CreemApiError, type CreemCheckout, type CreemStore, find } from './objects.ts'

const AREA = 'Creem'

/** The one card number that pays; every other valid number is declined. */
const CARD = '4242424242424242'

interface PagesOptions {
  store: CreemStore
  apiKey: string
  queue: Pick<DeliveryQueue, 'redeliver'>
  onChange(): void
}

/** The app that answers `/creem/*` outside the API. */
export function createCreemPages(options: PagesOptions): Hono {
  const { store, onChange } = options
  const app = new Hono()
  app.use('/creem/*', sameOrigin)
  app.get('/creem/checkout/:id', (c) => checkoutPage(store, c, null))
  app.post('/creem/checkout/:id', async (c) => {
    const fields = await readForm(c)
    const checkout = checkoutOf(store, c)
    if (checkout?.status !== 'pending') return checkoutPage(store, c, null)
    const refused = await pay(store, checkout, fields)
    onChange()
    if (refused !== null) return checkoutPage(store, c, refused)
    const back = returnUrl(store, checkout, options.apiKey)
    return back === null ? checkoutPage(store, c, null) : c.redirect(back, 303)
  })
  app.get('/creem/portal/:token', (c) => portalPage(store, c))
  app.post('/creem/portal/:token/cancel', async (c) => {
    const customer = customerOf(store, c)
    const { subscription } = await readForm(c)
    const own = store.tables.subscriptions.find(
      (each) => each.id === subscription && each.customer === customer,
    )
    if (!own) return notFound(c, AREA)
    if (own.status === 'active') cancel(store, own.id, 'scheduled')
    onChange()
    return c.redirect(`/creem/portal/${c.req.param('token')}`, 303)
  })
  app.post('/creem/events/:id/redeliver', async (c) => {
    const again = await options.queue.redeliver(c.req.param('id'))
    if (again.length === 0) return notFound(c, AREA, 'This event does not exist.')
    return c.redirect('/', 303)
  })
  return app
}

const checkoutOf = (store: CreemStore, c: HonoContext): CreemCheckout | undefined =>
  store.tables.checkouts.find(({ id }) => id === c.req.param('id'))

const customerOf = (store: CreemStore, c: HonoContext): string | undefined =>
  store.tables.portals.find(({ token }) => token === c.req.param('token'))?.customer

/** Pays the checkout. Returns the reason if it was not paid, else null. */
async function pay(
  store: CreemStore,
  { id }: CreemCheckout,
  { number = '', email = '' }: Record<string, string>,
): Promise<string | null> {
  if (number.replaceAll(/\s/g, '') !== CARD) return 'Your card was declined.'
  try {
    payCheckout(store, id, email)
    return null
  } catch (error) {
    if (error instanceof CreemApiError) return error.message
    throw error
  }
}

/**
 * The host's page with the parameters that Creem appends, signed with the API key. A host that asks the API
 * does not need the signature.
 *
 * @see https://docs.creem.io/learn/checkout-session/return-url
 */
function returnUrl(store: CreemStore, checkout: CreemCheckout, apiKey: string): string | null {
  if (checkout.success_url === null) return null
  const told = {
    request_id: checkout.request_id,
    checkout_id: checkout.id,
    order_id: checkout.order,
    customer_id: checkout.customer,
    subscription_id: checkout.subscription,
    product_id: find(store, 'products', checkout.product).id,
  }
  const pairs = Object.entries(told).filter(([, value]) => value !== null) as [string, string][]
  const text = [...pairs.map((pair) => pair.join('=')), `salt=${apiKey}`].join('|')
  const url = new URL(checkout.success_url)
  for (const [name, value] of pairs) url.searchParams.set(name, value)
  url.searchParams.set('signature', createHash('sha256').update(text).digest('hex'))
  return url.href
}

function checkoutPage(store: CreemStore, c: HonoContext, error: string | null): Response {
  const checkout = checkoutOf(store, c)
  if (!checkout) return notFound(c, AREA, 'This checkout does not exist.')
  if (checkout.status !== 'pending') {
    const page = (
      <Notice title="Checkout" area={AREA}>
        <p>This checkout is {checkout.status}.</p>
        {checkout.success_url !== null && <a href={checkout.success_url}>Back</a>}
      </Notice>
    )
    return render(c, page)
  }
  const product = find(store, 'products', checkout.product)
  const rhythm = { once: '', 'every-month': ' per month', 'every-year': ' per year' }
  const price = money(amountOf(store, checkout), product.currency)
  const page = (
    <Page title="Checkout" area={AREA}>
      <section class="card">
        <h1>{product.billing_type === 'recurring' ? 'Subscribe' : 'Pay'}</h1>
        <p class="amount">
          {price}
          {rhythm[product.billing_period]}
        </p>
        <div class="row">
          <span>{product.name}</span>
          <span>{price}</span>
        </div>
      </section>
      <section class="card">
        <form method="post" action={`/creem/checkout/${checkout.id}`}>
          {error !== null && (
            <p class="error" role="alert">
              {error}
            </p>
          )}
          {checkout.buyer.id === undefined && checkout.buyer.email === undefined && (
            <label>
              E-mail
              <input name="email" type="email" autocomplete="email" required />
            </label>
          )}
          <label>
            Card number
            <input name="number" inputmode="numeric" autocomplete="cc-number" required />
          </label>
          <button class="main" type="submit">
            Pay {price}
          </button>
        </form>
      </section>
      <section class="card soft">
        <p>
          <code>4242 4242 4242 4242</code> pays, every other number is declined. No money moves.
        </p>
      </section>
    </Page>
  )
  return render(c, page, { status: error === null ? 200 : 402, leaves: true })
}

function portalPage(store: CreemStore, c: HonoContext): Response {
  const customer = customerOf(store, c)
  if (customer === undefined) return notFound(c, AREA, 'This portal link is not valid.')
  const own = store.tables.subscriptions.filter((each) => each.customer === customer)
  const token = c.req.param('token')
  const page = (
    <Page title="Your purchases" area={AREA}>
      <section class="card">
        <h1>Subscriptions</h1>
        {own.length === 0 && <p class="soft">None yet.</p>}
        {own.map((subscription) => (
          <div class="row">
            <span>
              {find(store, 'products', subscription.product).name}: {subscription.status}, until{' '}
              {day(Date.parse(subscription.current_period_end_date) / 1000)}
            </span>
            {subscription.status === 'active' && (
              <form method="post" action={`/creem/portal/${token}/cancel`}>
                <input type="hidden" name="subscription" value={subscription.id} />
                <button class="small" type="submit">
                  Cancel
                </button>
              </form>
            )}
          </div>
        ))}
      </section>
    </Page>
  )
  return render(c, page)
}
