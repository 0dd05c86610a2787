/** The billing portal and the front page. */

import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { NEW, OLD, type Running, start, subscribe, typesOf } from './harness.ts'

const RETURN = 'http://localhost:3000/billing'

const visit = async (running: Running, path: string) => {
  const response = await fetch(new URL(path, running.url))
  return { status: response.status, text: await response.text() }
}

async function openPortal(running: Running, version = OLD) {
  const stripe = running.client(version)
  const made = await subscribe(stripe)
  const session = await stripe.billingPortal.sessions.create({
    customer: made.customer.id,
    return_url: RETURN,
  })
  return { ...made, stripe, session, path: new URL(session.url).pathname }
}

test('a customer ends the subscription in the portal and takes it back', async () => {
  const running = await start()
  const { stripe, subscription, path } = await openPortal(running)
  const { text } = await visit(running, path)
  expect(text).toContain('$49.00 per month')
  expect(text).toContain(`href="${RETURN}"`)
  expect(text).toContain('/stripe/invoice/in_')

  const form = { subscription: subscription.id }
  const cancelled = await running.post(`${path}/cancel`, form)
  expect(cancelled.headers.get('location')).toBe(path)
  expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
    status: 'active',
    cancel_at_period_end: true,
  })
  expect((await visit(running, path)).text).toContain('Keep subscription')
  await running.post(`${path}/resume`, form)
  expect((await stripe.subscriptions.retrieve(subscription.id)).cancel_at).toBeNull()
  expect(typesOf(running).slice(-2)).toEqual(Array(2).fill('customer.subscription.updated'))
})

test('in flexible billing mode the portal names a time and leaves the flag', async () => {
  const running = await start()
  const { stripe, subscription, path } = await openPortal(running, NEW)
  await running.post(`${path}/cancel`, { subscription: subscription.id })
  const shown = await stripe.subscriptions.retrieve(subscription.id)
  expect(shown.cancel_at_period_end).toBe(false)
  expect(shown.cancel_at).toBe(shown.items.data[0]?.current_period_end)
})

test('a new card is charged from then on', async () => {
  const running = await start()
  const { stripe, subscription, customer, path } = await openPortal(running)
  const entry = { number: '5555555555554444', expiry: '1/34', cvc: '123' }
  expect((await running.post(`${path}/card`, { ...entry, number: '1234' })).status).toBe(402)
  expect((await running.post(`${path}/card`, entry)).status).toBe(303)
  const { default_payment_method: card } = await stripe.subscriptions.retrieve(subscription.id)
  expect(await stripe.paymentMethods.retrieve(String(card))).toMatchObject({
    customer: customer.id,
    card: { brand: 'mastercard', last4: '4444' },
  })
  const owner = (await stripe.customers.retrieve(customer.id)) as Stripe.Customer
  expect(owner.invoice_settings.default_payment_method).toBe(card)
})

test('a portal reaches its own customer’s subscriptions only, and from its own page only', async () => {
  const running = await start()
  const { stripe, path } = await openPortal(running)
  const stranger = await stripe.customers.create({})
  const foreign = await stripe.subscriptions.create({
    customer: stranger.id,
    items: [{ price: String((await stripe.prices.list()).data[0]?.id) }],
    default_payment_method: 'pm_card_visa',
  })
  expect((await running.post(`${path}/cancel`, { subscription: foreign.id })).status).toBe(402)
  const own = (await stripe.subscriptions.list()).data.find((one) => one.id !== foreign.id)
  const evil = await running.post(
    `${path}/cancel`,
    { subscription: String(own?.id) },
    'https://evil.example',
  )
  expect(evil.status).toBe(403)
  const all = (await stripe.subscriptions.list()).data
  expect(all.map((one) => one.cancel_at)).toEqual([null, null])
  expect((await visit(running, '/stripe/portal/bps_none')).status).toBe(404)
})

test('the front page shows what is inside and sends an event again', async () => {
  const running = await start()
  const { customer, subscription } = await openPortal(running)
  const { text } = await visit(running, '/')
  expect(text).toContain(customer.id)
  expect(text).toContain(subscription.id)
  expect(text).toContain('/cal/acme/strategy-call')
  const event = running.sandbox.stripe.events[0]
  const again = await running.post(`/stripe/events/${event?.id}/redeliver`, {})
  expect(again.headers.get('location')).toBe('/')
  expect((await visit(running, '/nothing')).status).toBe(404)
})

test('a name that only points at this machine is refused', async () => {
  const running = await start()
  const { request } = await import('node:http')
  const status = await new Promise((resolve) => {
    const { port } = new URL(running.url)
    request({ port, host: '127.0.0.1', headers: { host: `evil.example:${port}` } }, (response) => {
      resolve(response.resume().statusCode)
    }).end()
  })
  expect(status).toBe(403)
})

/** A portal whose configuration has these features. */
async function offering(
  running: Running,
  features: Stripe.BillingPortal.ConfigurationCreateParams.Features,
) {
  const made = await openPortal(running, NEW)
  const { stripe, customer } = made
  const configuration = await stripe.billingPortal.configurations.create({ features })
  const session = await stripe.billingPortal.sessions.create({
    customer: customer.id,
    configuration: configuration.id,
  })
  return { ...made, configuration, path: new URL(session.url).pathname }
}

test('a portal offers what its configuration says, and does nothing else', async () => {
  const running = await start()
  const features = { invoice_history: { enabled: true } }
  const { stripe, subscription, configuration, path } = await offering(running, features)
  expect(configuration.features).toMatchObject({
    invoice_history: { enabled: true },
    payment_method_update: { enabled: false },
    subscription_cancel: { enabled: false },
  })
  const { text } = await visit(running, path)
  expect(text).toContain('/stripe/invoice/in_')
  expect(text).not.toContain('Change card')
  expect(text).not.toContain('Cancel')
  const before = typesOf(running).length
  const form = { subscription: subscription.id }
  const entry = { number: '5555555555554444', expiry: '1/34', cvc: '123' }
  for (const [action, fields] of [
    ['cancel', form],
    ['resume', form],
    ['card', entry],
    ['update', { ...form, quantity: '3' }],
    ['customer', { email: 'other@example.com' }],
  ] as const) {
    expect((await running.post(`${path}/${action}`, fields)).status).toBe(402)
  }
  expect(typesOf(running)).toHaveLength(before)
  await stripe.billingPortal.configurations.update(configuration.id, {
    features: { subscription_cancel: { enabled: true, mode: 'immediately' } },
  })
  expect((await visit(running, path)).text).toContain('Cancel now')
  await running.post(`${path}/cancel`, form)
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('canceled')
  await stripe.billingPortal.configurations.update(configuration.id, { active: false })
  await expect(
    stripe.billingPortal.sessions.create({
      customer: String(subscription.customer),
      configuration: configuration.id,
    }),
  ).rejects.toMatchObject({ param: 'configuration' })
})

test('a customer changes the plan and the quantity that are offered, and their own address', async () => {
  const running = await start()
  const base = await openPortal(running, NEW)
  const { stripe, product, price, customer, subscription } = base
  const dearer = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 9900,
    recurring: { interval: 'month' },
  })
  const { id: configuration } = await stripe.billingPortal.configurations.create({
    features: {
      customer_update: { enabled: true, allowed_updates: ['email'] },
      subscription_update: {
        enabled: true,
        default_allowed_updates: ['price', 'quantity'],
        products: [{ product: product.id, prices: [price.id, dearer.id] }],
        proration_behavior: 'always_invoice',
      },
    },
  })
  const session = await stripe.billingPortal.sessions.create({
    customer: customer.id,
    configuration,
  })
  const path = new URL(session.url).pathname
  expect((await visit(running, path)).text).toContain('$99.00 per month')
  const form = { subscription: subscription.id }
  await running.post(`${path}/update`, { ...form, price: dearer.id, quantity: '2' })
  const { items } = await stripe.subscriptions.retrieve(subscription.id)
  expect(items.data).toMatchObject([{ price: { id: dearer.id }, quantity: 2 }])
  const [invoice] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(invoice).toMatchObject({ billing_reason: 'subscription_update', status: 'paid' })
  const foreign = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 1,
    recurring: { interval: 'month' },
  })
  expect((await running.post(`${path}/update`, { ...form, price: foreign.id })).status).toBe(402)
  await running.post(`${path}/customer`, { email: 'grace@example.com' })
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ email: 'grace@example.com' })
  expect((await running.post(`${path}/customer`, { name: 'Grace' })).status).toBe(402)
})

test('features of the wrong kind, and those that are not played, are refused by name', async () => {
  const stripe = (await start()).client(NEW)
  const refused = (
    features: Stripe.BillingPortal.ConfigurationCreateParams.Features,
    param: string,
  ) =>
    expect(stripe.billingPortal.configurations.create({ features })).rejects.toMatchObject({
      statusCode: 400,
      param,
    })
  await refused({ invoice_history: {} as { enabled: boolean } }, 'features')
  await refused({ nothing: { enabled: true } } as object, 'features[nothing]')
  await refused(
    { customer_update: { enabled: true, allowed_updates: ['tax_id'] } },
    'features[customer_update][allowed_updates]',
  )
  await refused(
    { subscription_cancel: { enabled: true, mode: 'tomorrow' } } as object,
    'features[subscription_cancel][mode]',
  )
  await refused(
    { subscription_pause: { enabled: true } } as object,
    'features[subscription_pause][enabled]',
  )
})
