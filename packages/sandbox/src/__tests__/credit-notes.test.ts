/** Credit notes: what lowers an invoice before it is paid, and what gives back of it afterwards. */

import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { NEW, OLD, start, subscribe, typesOf } from './harness.ts'

/** A subscription whose first invoice of 4900 is paid. */
async function paid(version = NEW) {
  const running = await start({ stripe: { apiVersion: version } })
  const stripe = running.client(version)
  const made = await subscribe(stripe)
  return { running, stripe, ...made, invoice: String(made.subscription.latest_invoice) }
}

async function open(version = NEW) {
  const made = await paid(version)
  const { id } = made.running.sandbox.stripe.failPayment(made.subscription.id) as { id: string }
  return { ...made, invoice: id }
}

const balanceOf = async (stripe: Stripe, id: string) =>
  ((await stripe.customers.retrieve(id)) as Stripe.Customer).balance

test.each([OLD, NEW])('in %s one of an open invoice lowers what is due of it', async (version) => {
  const { running, stripe, invoice } = await open(version)
  const before = typesOf(running).length
  const note = await stripe.creditNotes.create({ invoice, amount: 900, reason: 'order_change' })
  expect(note).toMatchObject({ type: 'pre_payment', amount: 900, status: 'issued' })
  expect(await stripe.invoices.retrieve(invoice)).toMatchObject({
    status: 'open',
    total: 4900,
    amount_due: 4000,
    amount_remaining: 4000,
    pre_payment_credit_notes_amount: 900,
  })
  expect(typesOf(running).slice(before)).toEqual(['credit_note.created', 'invoice.updated'])
  await stripe.creditNotes.voidCreditNote(note.id)
  expect(await stripe.invoices.retrieve(invoice)).toMatchObject({
    amount_due: 4900,
    pre_payment_credit_notes_amount: 0,
  })
  await stripe.creditNotes.create({ invoice, amount: 900 })
  const settled = await stripe.invoices.pay(invoice)
  expect(settled).toMatchObject({ status: 'paid', amount_due: 4000, amount_paid: 4000 })
  await expect(stripe.creditNotes.voidCreditNote(note.id)).rejects.toMatchObject({
    statusCode: 400,
  })
})

test('one over all that is due pays the invoice without a payment', async () => {
  const { running, stripe, subscription, invoice } = await open()
  await stripe.creditNotes.create({ invoice, amount: 4900 })
  expect(await stripe.invoices.retrieve(invoice)).toMatchObject({
    status: 'paid',
    amount_due: 0,
    amount_paid: 0,
    amount_remaining: 0,
  })
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe('active')
  expect(typesOf(running)).toContain('payment_intent.canceled')
})

test('one of a paid invoice goes back as a refund, to the balance and past Stripe', async () => {
  const { stripe, customer, invoice } = await paid()
  const note = await stripe.creditNotes.create({
    invoice,
    amount: 3000,
    refund_amount: 1500,
    credit_amount: 1000,
    out_of_band_amount: 500,
    memo: 'too slow',
  })
  expect(note).toMatchObject({
    type: 'post_payment',
    pre_payment_amount: 0,
    post_payment_amount: 3000,
    out_of_band_amount: 500,
    refunds: [{ amount_refunded: 1500, type: 'refund' }],
  })
  expect(await balanceOf(stripe, customer.id)).toBe(-1000)
  expect(await stripe.invoices.retrieve(invoice)).toMatchObject({
    status: 'paid',
    amount_paid: 4900,
    post_payment_credit_notes_amount: 3000,
  })
  const [refund] = (await stripe.refunds.list()).data
  expect(refund).toMatchObject({ id: note.refunds[0]?.refund, amount: 1500 })
  await expect(
    stripe.creditNotes.create({ invoice, amount: 2000, credit_amount: 2000 }),
  ).rejects.toMatchObject({ statusCode: 400, param: 'amount' })
  const refunded = await stripe.refunds.create({
    payment_intent: String(refund?.payment_intent),
    amount: 400,
  })
  const linked = await stripe.creditNotes.create({
    invoice,
    amount: 400,
    refunds: [{ refund: refunded.id }],
  })
  expect(linked.refunds).toMatchObject([{ refund: refunded.id, amount_refunded: 400 }])
  await expect(
    stripe.creditNotes.create({ invoice, amount: 400, refunds: [{ refund: refunded.id }] }),
  ).rejects.toMatchObject({ statusCode: 400, param: 'refunds[0][refund]' })
  expect((await stripe.refunds.list()).data).toHaveLength(2)
  expect((await stripe.creditNotes.list({ invoice })).data.map(({ amount }) => amount)).toEqual([
    400, 3000,
  ])
})

test('one of an invoice that is paid in part takes what is not paid first', async () => {
  const { stripe, customer, invoice } = await open()
  const intent = await stripe.paymentIntents.create({
    amount: 2000,
    currency: 'usd',
    customer: customer.id,
    payment_method: 'pm_card_visa',
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    confirm: true,
  })
  await stripe.invoices.attachPayment(invoice, { payment_intent: intent.id })
  const note = await stripe.creditNotes.create({ invoice, amount: 3500, credit_amount: 600 })
  expect(note).toMatchObject({ type: 'mixed', pre_payment_amount: 2900, post_payment_amount: 600 })
  expect(await stripe.invoices.retrieve(invoice)).toMatchObject({
    status: 'paid',
    amount_due: 2000,
    amount_paid: 2000,
    pre_payment_credit_notes_amount: 2900,
    post_payment_credit_notes_amount: 600,
  })
})

test('a line is credited by amount or quantity, and no more than it has', async () => {
  const { stripe, invoice } = await paid(OLD)
  const [line] = (await stripe.invoices.retrieve(invoice)).lines.data
  const invoice_line_item = line?.id as string
  const preview = await stripe.creditNotes.preview({
    invoice,
    lines: [{ type: 'invoice_line_item', invoice_line_item, quantity: 1 }],
    credit_amount: 4900,
  })
  expect(preview).toMatchObject({ amount: 4900, type: 'post_payment' })
  expect((await stripe.creditNotes.list({ invoice })).data).toEqual([])
  const note = await stripe.creditNotes.create({
    invoice,
    lines: [
      { type: 'invoice_line_item', invoice_line_item, amount: 900 },
      { type: 'custom_line_item', description: 'Goodwill', quantity: 2, unit_amount: 50 },
    ],
    credit_amount: 1000,
  })
  expect(note).toMatchObject({ amount: 1000, refund: null })
  const lines = await stripe.creditNotes.listLineItems(note.id)
  expect(lines.data.map(({ type, amount }) => [type, amount])).toEqual([
    ['invoice_line_item', 900],
    ['custom_line_item', 100],
  ])
  const over = { type: 'invoice_line_item' as const, invoice_line_item, amount: 4001 }
  await expect(
    stripe.creditNotes.create({ invoice, lines: [over], credit_amount: 4001 }),
  ).rejects.toMatchObject({ param: 'lines[0][amount]' })
})

test('what does not add up, is not covered or has nothing to lower is refused, and nothing changes', async () => {
  const { running, stripe, customer, invoice } = await paid()
  const before = typesOf(running).length
  const refused = (params: Stripe.CreditNoteCreateParams, param: string) =>
    expect(stripe.creditNotes.create(params)).rejects.toMatchObject({ statusCode: 400, param })
  await refused({ invoice, amount: 1000 }, 'credit_amount')
  await refused({ invoice, amount: 1000, refund_amount: 400 }, 'refund_amount')
  await refused({ invoice, amount: 5000, credit_amount: 5000 }, 'amount')
  await refused({ invoice }, 'amount')
  await refused({ invoice: 'in_no', amount: 1 }, 'invoice')
  await refused(
    { invoice, amount: 100, shipping_cost: { shipping_rate: 'shr_1' } },
    'shipping_cost',
  )
  await refused({ invoice, amount: 100, refunds: [{ refund: 're_no' }] }, 'refunds[0][refund]')
  expect(typesOf(running)).toHaveLength(before)
  expect(await balanceOf(stripe, customer.id)).toBe(0)
})
