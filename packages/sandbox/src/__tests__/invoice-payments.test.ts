/** Invoices that are paid in parts, past Stripe, or an hour after they were made. */

import { createTestClock } from '@repo/core/testing'
import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { NEW, OLD, type Running, SUCCESS, start, subscribe, typesOf } from './harness.ts'

/** A subscription whose renewal could not be charged, with its open invoice of 4900. */
async function open(version = NEW) {
  const running = await start({ stripe: { apiVersion: version } })
  const stripe = running.client(version)
  const made = await subscribe(stripe)
  const { id } = running.sandbox.stripe.failPayment(made.subscription.id) as { id: string }
  return { running, stripe, ...made, id }
}

/** The open invoice of 4900 of another subscription of the same customer. */
async function another(running: Running, stripe: Stripe, { id }: { id: string }): Promise<string> {
  const { customer, items, default_payment_method } = await stripe.subscriptions.retrieve(id)
  const { id: other } = await stripe.subscriptions.create({
    ...{ customer: customer as string, items: [{ price: items.data[0]?.price.id as string }] },
    default_payment_method: default_payment_method as string,
  })
  return (running.sandbox.stripe.failPayment(other) as { id: string }).id
}

const pay = (stripe: Stripe, customer: string, amount: number) =>
  stripe.paymentIntents.create({
    amount,
    currency: 'usd',
    customer,
    payment_method: 'pm_card_visa',
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    confirm: true,
    return_url: SUCCESS,
  })

const paymentsOf = async (stripe: Stripe, invoice: string) =>
  (await stripe.invoicePayments.list({ invoice })).data.reverse()

const since = (running: Running, count: number) => typesOf(running).slice(count)

test('payments that are attached are credited one by one, and the last of them pays the invoice', async () => {
  const { running, stripe, customer, subscription, id } = await open()
  const first = await pay(stripe, customer.id, 2000)
  const partly = await stripe.invoices.attachPayment(id, { payment_intent: first.id })
  expect(partly).toMatchObject({
    status: 'open',
    amount_due: 4900,
    amount_paid: 2000,
    amount_remaining: 2900,
  })
  const [standing] = await paymentsOf(stripe, id)
  expect(standing).toMatchObject({ is_default: true, status: 'open', amount_requested: 2900 })
  const second = await stripe.paymentIntents.create({
    amount: 2900,
    currency: 'usd',
    customer: customer.id,
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
  })
  await stripe.invoices.attachPayment(id, { payment_intent: second.id })
  const before = typesOf(running).length
  await stripe.paymentIntents.confirm(second.id, {
    return_url: SUCCESS,
    payment_method: 'pm_card_visa',
  })
  const paid = await stripe.invoices.retrieve(id, { expand: ['payments'] })
  expect(paid).toMatchObject({ status: 'paid', amount_paid: 4900, amount_remaining: 0 })
  expect(paid.payments?.data.map(({ status, amount_paid }) => [status, amount_paid])).toEqual([
    ['canceled', null],
    ['paid', 2000],
    ['paid', 2900],
  ])
  expect(since(running, before)).toEqual([
    'charge.succeeded',
    'payment_intent.succeeded',
    'invoice_payment.paid',
    'payment_intent.canceled',
    'invoice.paid',
    'invoice.payment_succeeded',
    'customer.subscription.updated',
  ])
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('active')
  expect(
    (
      await stripe.invoicePayments.list({
        payment: { type: 'payment_intent', payment_intent: second.id },
      })
    ).data,
  ).toMatchObject([{ invoice: id, amount_paid: 2900 }])
})

test('what is paid too much goes to the balance of the customer', async () => {
  const { stripe, customer, id } = await open()
  const { id: payment_intent } = await pay(stripe, customer.id, 6000)
  const paid = await stripe.invoices.attachPayment(id, { payment_intent })
  expect(paid).toMatchObject({ status: 'paid', amount_paid: 4900, amount_overpaid: 1100 })
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ balance: -1100 })
})

test('a payment of two invoices pays them in turn, and nothing of it twice', async () => {
  const { running, stripe, subscription, customer, id } = await open()
  const other = await another(running, stripe, subscription)
  const { id: payment_intent } = await stripe.paymentIntents.create({
    ...{ amount: 6000, currency: 'usd', customer: customer.id },
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
  })
  for (const each of [id, other]) await stripe.invoices.attachPayment(each, { payment_intent })
  await stripe.paymentIntents.confirm(payment_intent, { payment_method: 'pm_card_visa' })
  expect(await stripe.invoices.retrieve(id)).toMatchObject({ status: 'paid', amount_overpaid: 0 })
  expect(await stripe.invoices.retrieve(other)).toMatchObject({
    ...{ status: 'open', amount_paid: 1100, amount_remaining: 3800 },
  })
  const payment = { type: 'payment_intent' as const, payment_intent }
  const { data } = await stripe.invoicePayments.list({ payment })
  expect(data.map(({ amount_paid }) => amount_paid).sort()).toEqual([1100, 4900])
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ balance: 0 })
})

test('a payment that has paid an invoice pays no other', async () => {
  const { running, stripe, subscription, customer, id } = await open()
  const other = await another(running, stripe, subscription)
  const { id: payment_intent } = await pay(stripe, customer.id, 9800)
  await stripe.invoices.attachPayment(id, { payment_intent })
  await expect(stripe.invoices.attachPayment(other, { payment_intent })).rejects.toMatchObject({
    ...{ statusCode: 400, param: 'payment_intent' },
    message: expect.stringContaining(`has paid the invoice ${id}`),
  })
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ balance: -4900 })
})

test('a payment that is attached and fails leaves the invoice as it was', async () => {
  const { stripe, customer, id } = await open()
  const { id: payment_intent } = await stripe.paymentIntents.create({
    amount: 4900,
    currency: 'usd',
    customer: customer.id,
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
  })
  await stripe.invoices.attachPayment(id, { payment_intent })
  const declined = stripe.paymentIntents.confirm(payment_intent, {
    return_url: SUCCESS,
    payment_method: 'pm_card_chargeDeclined',
  })
  await expect(declined).rejects.toMatchObject({ statusCode: 402 })
  expect(await stripe.invoices.retrieve(id)).toMatchObject({ status: 'open', amount_paid: 0 })
})

test('a payment of another customer, another currency, or twice is not attached', async () => {
  const { stripe, customer, id } = await open()
  const other = await stripe.customers.create({})
  const intents = [
    await pay(stripe, other.id, 4900),
    await stripe.paymentIntents.create({ amount: 4900, currency: 'eur', customer: customer.id }),
  ]
  for (const intent of intents) {
    await expect(
      stripe.invoices.attachPayment(id, { payment_intent: intent.id }),
    ).rejects.toMatchObject({ statusCode: 400, param: 'payment_intent' })
  }
  const own = await stripe.paymentIntents.create({
    amount: 4900,
    currency: 'usd',
    customer: customer.id,
  })
  await stripe.invoices.attachPayment(id, { payment_intent: own.id })
  await expect(stripe.invoices.attachPayment(id, { payment_intent: own.id })).rejects.toMatchObject(
    { statusCode: 400 },
  )
  await expect(stripe.invoices.attachPayment(id, { payment_record: 'pr_1' })).rejects.toMatchObject(
    { param: 'payment_record' },
  )
})

test.each([OLD, NEW])('an invoice that is paid past Stripe says so as %s does', async (version) => {
  const { running, stripe, subscription, id } = await open(version)
  const before = typesOf(running).length
  const paid = await stripe.invoices.pay(id, { paid_out_of_band: true })
  expect(paid).toMatchObject(
    version === NEW
      ? { status: 'paid', amount_paid: 4900, amount_remaining: 0 }
      : {
          status: 'paid',
          paid: true,
          paid_out_of_band: true,
          amount_paid: 0,
          amount_remaining: 4900,
        },
  )
  expect(since(running, before)).toEqual([
    ...(version === NEW ? ['invoice_payment.paid'] : []),
    'payment_intent.canceled',
    'invoice.paid',
    'customer.subscription.updated',
  ])
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('active')
  await expect(stripe.invoices.pay(id)).rejects.toThrow('already paid')
  if (version === OLD) return
  const more = await stripe.invoices.retrieve(id, {
    expand: ['amount_paid_off_stripe', 'payments'],
  })
  expect(more.amount_paid_off_stripe).toBe(4900)
  expect(more.payments?.data.map(({ payment, status }) => [payment.type, status])).toEqual([
    ['payment_intent', 'canceled'],
    ['payment_record', 'paid'],
  ])
})

test('the invoice of a renewal is a draft for an hour, and is finalized and charged then', async () => {
  const clock = createTestClock('2030-01-10T09:00:00Z')
  const running = await start({
    clock,
    stripe: { apiVersion: NEW, settings: { renewals: 'draft' } },
  })
  const stripe = running.client(NEW)
  const { subscription } = await subscribe(stripe)
  expect(subscription.status).toBe('active')
  const before = typesOf(running).length
  running.sandbox.stripe.renew(subscription.id)
  expect(since(running, before)).toEqual(['customer.subscription.updated', 'invoice.created'])
  const [draft] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(draft).toMatchObject({
    status: 'draft',
    number: null,
    hosted_invoice_url: null,
    auto_advance: true,
    automatically_finalizes_at: (draft?.created ?? 0) + 3600,
    amount_due: 4900,
    amount_paid: 0,
  })
  expect(running.sandbox.stripe.finalizeDue()).toEqual([])
  clock.set(new Date('2030-01-10T10:00:01Z'))
  expect(running.sandbox.stripe.finalizeDue()).toMatchObject([{ id: draft?.id, status: 'paid' }])
  expect(running.sandbox.stripe.finalizeDue()).toEqual([])
  expect(since(running, before + 2)).toEqual([
    'payment_intent.created',
    'invoice.finalized',
    'charge.succeeded',
    'payment_intent.succeeded',
    'invoice_payment.paid',
    'invoice.paid',
    'invoice.payment_succeeded',
  ])
})

test('a draft is finalized, changed and paid by hand, and never deleted', async () => {
  const running = await start({ stripe: { apiVersion: NEW, settings: { renewals: 'draft' } } })
  const stripe = running.client(NEW)
  const { subscription } = await subscribe(stripe)
  const renewed = async () => {
    running.sandbox.stripe.renew(subscription.id)
    const [draft] = (await stripe.invoices.list({ subscription: subscription.id, limit: 1 })).data
    return draft?.id as string
  }
  const first = await renewed()
  await expect(stripe.invoices.del(first)).rejects.toMatchObject({ statusCode: 400 })
  await stripe.invoices.update(first, { metadata: { a: '1' }, auto_advance: false })
  running.sandbox.stripe.finalizeInvoice(first)
  expect((await stripe.invoices.retrieve(first)).status).toBe('draft')
  expect(await stripe.invoices.finalizeInvoice(first)).toMatchObject({
    status: 'open',
    metadata: { a: '1' },
    number: expect.any(String),
  })
  await expect(stripe.invoices.finalizeInvoice(first)).rejects.toMatchObject({ statusCode: 400 })
  expect((await stripe.invoices.pay(first)).status).toBe('paid')
  expect((await stripe.invoices.pay(await renewed())).status).toBe('paid')
  const last = await renewed()
  await stripe.subscriptions.cancel(subscription.id)
  expect(await stripe.invoices.retrieve(last)).toMatchObject({
    status: 'draft',
    auto_advance: false,
    automatically_finalizes_at: null,
  })
})

test('an open invoice is voided or given up, and one that is given up can still be paid', async () => {
  const { stripe, id } = await open()
  expect(await stripe.invoices.markUncollectible(id)).toMatchObject({
    status: 'uncollectible',
    auto_advance: false,
  })
  expect((await stripe.invoices.pay(id)).status).toBe('paid')
  await expect(stripe.invoices.voidInvoice(id)).rejects.toMatchObject({ statusCode: 400 })
  const other = await open()
  expect(await other.stripe.invoices.voidInvoice(other.id)).toMatchObject({ status: 'void' })
  expect(await paymentsOf(other.stripe, other.id)).toMatchObject([{ status: 'canceled' }])
})

test('a snapshot of before payments of invoices had records is restored with them', async () => {
  const { running, stripe, subscription } = await open()
  const old = running.sandbox.stripe.snapshot()
  old.tables.invoicePayments = []
  for (const invoice of old.tables.invoices) Reflect.deleteProperty(invoice, 'paid_off_stripe')
  running.sandbox.stripe.restore(old)
  const { data } = await stripe.invoices.list({
    subscription: subscription.id,
    expand: ['data.payments'],
  })
  expect(data.map(({ payments }) => payments?.data[0]?.status)).toEqual(['open', 'paid'])
  const [invoice] = data
  expect(
    (await stripe.invoices.pay(invoice?.id as string, { paid_out_of_band: true })).status,
  ).toBe('paid')
})
