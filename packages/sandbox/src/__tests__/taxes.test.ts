/** Taxes: by rates of the host and by registration, on invoices, changes, checkouts and credit notes. */

import type Stripe from 'stripe'
import { expect, test } from 'vitest'
import { CANCEL, NEW, OLD, type Running, SUCCESS, shop, start } from './harness.ts'

const rate = (stripe: Stripe, percentage: number, inclusive: boolean) =>
  stripe.taxRates.create({ display_name: 'VAT', country: 'DE', percentage, inclusive })

/** A subscription at 49 a month, taxed by `rates`. */
async function taxed(
  running: Running,
  version: string,
  rates: [percentage: number, inclusive: boolean][],
) {
  const stripe = running.client(version)
  const made = await shop(stripe)
  const ids: string[] = []
  for (const [percentage, inclusive] of rates) {
    ids.push((await rate(stripe, percentage, inclusive)).id)
  }
  const subscription = await stripe.subscriptions.create({
    customer: made.customer.id,
    items: [{ price: made.price.id }],
    default_payment_method: 'pm_card_visa',
    default_tax_rates: ids,
  })
  const invoice = await stripe.invoices.retrieve(String(subscription.latest_invoice))
  return { stripe, ...made, ids, subscription, invoice }
}

test('a tax that comes on top is charged, and one that is included is a part of the price', async () => {
  for (const [inclusive, total, net, tax] of [
    [false, 5831, 4900, 931],
    [true, 4900, 4118, 782],
  ] as const) {
    const { stripe, ids, invoice, subscription } = await taxed(await start(), NEW, [
      [19, inclusive],
    ])
    expect(invoice).toMatchObject({
      status: 'paid',
      subtotal: 4900,
      subtotal_excluding_tax: inclusive ? net : 4900,
      total,
      total_excluding_tax: net,
      amount_paid: total,
      total_taxes: [
        {
          amount: tax,
          tax_behavior: inclusive ? 'inclusive' : 'exclusive',
          tax_rate_details: { tax_rate: ids[0] },
          taxable_amount: net,
        },
      ],
    })
    expect(invoice.lines.data[0]).toMatchObject({ amount: 4900, taxes: [{ amount: tax }] })
    expect(subscription.default_tax_rates).toMatchObject([{ id: ids[0], percentage: 19 }])
    const [intent] = (await stripe.paymentIntents.list()).data
    expect(intent?.amount).toBe(total)
  }
})

test('the old shape tells the same taxes in its own members', async () => {
  const { ids, invoice } = await taxed(await start(), OLD, [[19, false]])
  const shown = invoice as unknown as Record<string, unknown>
  expect(shown).toMatchObject({
    tax: 931,
    total: 5831,
    total_tax_amounts: [{ amount: 931, inclusive: false, tax_rate: ids[0], taxable_amount: 4900 }],
    lines: {
      data: [{ amount: 4900, tax_amounts: [{ amount: 931 }], tax_rates: [{ id: ids[0] }] }],
    },
  })
})

test('several rates, a discount and a change in mid-period add up on every invoice', async () => {
  const running = await start()
  const made = await taxed(running, NEW, [
    [19, true],
    [2.5, false],
  ])
  const { stripe, subscription, product } = made
  const coupon = await stripe.coupons.create({ percent_off: 10, duration: 'forever' })
  await stripe.subscriptions.update(subscription.id, { discounts: [{ coupon: coupon.id }] })
  const dearer = await stripe.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 9900,
    recurring: { interval: 'month' },
  })
  await stripe.subscriptions.update(subscription.id, {
    items: [{ id: subscription.items.data[0]?.id as string, price: dearer.id }],
    proration_behavior: 'always_invoice',
  })
  running.sandbox.stripe.renew(subscription.id)
  const { data } = await stripe.invoices.list({ subscription: subscription.id })
  expect(data).toHaveLength(3)
  for (const invoice of data) {
    const taxes = invoice.total_taxes ?? []
    const sum = (behaviour: string) =>
      taxes.reduce((all, each) => all + (each.tax_behavior === behaviour ? each.amount : 0), 0)
    const off = (invoice.total_discount_amounts ?? []).reduce((all, each) => all + each.amount, 0)
    expect(invoice.total).toBe(invoice.subtotal - off + sum('exclusive'))
    expect(invoice.total_excluding_tax).toBe(invoice.total - sum('exclusive') - sum('inclusive'))
    const byLine = invoice.lines.data.flatMap((line) => line.taxes ?? [])
    expect(byLine.reduce((all, each) => all + each.amount, 0)).toBe(
      sum('exclusive') + sum('inclusive'),
    )
  }
})

test('a schedule keeps the rates that are sent along, and unsets those that are not', async () => {
  const { stripe, ids, subscription, price } = await taxed(await start(), NEW, [[19, false]])
  const { id, phases } = await stripe.subscriptionSchedules.create({
    from_subscription: subscription.id,
  })
  expect(phases[0]?.default_tax_rates).toMatchObject([{ id: ids[0] }])
  const [phase] = phases
  const sent = (default_tax_rates: string[]): Stripe.SubscriptionScheduleUpdateParams.Phase => ({
    items: [{ price: price.id, quantity: 1 }],
    start_date: phase?.start_date as number,
    end_date: phase?.end_date as number,
    default_payment_method: String(subscription.default_payment_method),
    default_tax_rates,
  })
  const ratesNow = async () =>
    (await stripe.subscriptions.retrieve(subscription.id)).default_tax_rates?.map((one) => one.id)
  await stripe.subscriptionSchedules.update(id, { phases: [sent(ids)] })
  expect(await ratesNow()).toEqual(ids)
  await stripe.subscriptionSchedules.update(id, { phases: [sent([])] })
  expect(await ratesNow()).toEqual([])
})

test('automatic tax reckons by the registration, and asks where the customer is', async () => {
  const taxRegistration = { country: 'DE', percentage: 19 }
  const running = await start({ stripe: { settings: { taxRegistration } } })
  const stripe = running.client(NEW)
  const { customer, price } = await shop(stripe)
  const create = () =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      default_payment_method: 'pm_card_visa',
      automatic_tax: { enabled: true },
    })
  await expect(create()).rejects.toMatchObject({
    statusCode: 400,
    code: 'customer_tax_location_invalid',
  })
  await stripe.customers.update(customer.id, { address: { country: 'DE' } })
  const subscription = await create()
  const invoice = await stripe.invoices.retrieve(String(subscription.latest_invoice))
  expect(invoice).toMatchObject({
    total: 5831,
    automatic_tax: { enabled: true, status: 'complete' },
    total_taxes: [{ amount: 931, taxability_reason: 'standard_rated' }],
  })
  const preview = await stripe.invoices.createPreview({
    customer: customer.id,
    subscription_details: { items: [{ price: price.id }] },
    automatic_tax: { enabled: true },
  })
  expect(preview.total).toBe(5831)
  running.sandbox.stripe.configure({ taxRegistration: null })
  running.sandbox.stripe.renew(subscription.id)
  const [next] = (await stripe.invoices.list({ subscription: subscription.id })).data
  expect(next).toMatchObject({ total: 4900, total_taxes: [] })
})

test('a checkout shows its tax and charges it, once or as a plan', async () => {
  const taxRegistration = { country: 'DE', percentage: 19 }
  const running = await start({ stripe: { apiVersion: NEW, settings: { taxRegistration } } })
  const stripe = running.client(NEW)
  const { price } = await shop(stripe)
  const urls = { success_url: SUCCESS, cancel_url: CANCEL }
  const own = await rate(stripe, 7, false)
  const item = { currency: 'usd', unit_amount: 1000, product_data: { name: 'Book' } }
  const once = await stripe.checkout.sessions.create({
    ...urls,
    mode: 'payment',
    line_items: [{ quantity: 2, price_data: item, tax_rates: [own.id] }],
  })
  expect(once).toMatchObject({
    amount_subtotal: 2000,
    amount_total: 2140,
    total_details: { amount_tax: 140 },
  })
  running.sandbox.stripe.completeCheckout(once.id, { email: 'ada@example.com' })
  expect((await stripe.paymentIntents.list()).data[0]?.amount_received).toBe(2140)
  const plan = await stripe.checkout.sessions.create({
    ...urls,
    mode: 'subscription',
    line_items: [{ quantity: 1, price: price.id }],
    automatic_tax: { enabled: true },
  })
  expect(plan).toMatchObject({ amount_total: 5831, automatic_tax: { enabled: true } })
  const lines = await stripe.checkout.sessions.listLineItems(plan.id)
  expect(lines.data[0]).toMatchObject({
    amount_subtotal: 4900,
    amount_tax: 931,
    amount_total: 5831,
  })
  running.sandbox.stripe.completeCheckout(plan.id, { email: 'ada@example.com' })
  const [invoice] = (await stripe.invoices.list()).data
  expect(invoice).toMatchObject({ status: 'paid', amount_paid: 5831 })
})

test('a credit note gives back the tax of its lines, and all of them give back all', async () => {
  const { stripe, ids, invoice } = await taxed(await start(), NEW, [[19, false]])
  const [line] = invoice.lines.data
  const credit = (amount: number, credit_amount: number) =>
    stripe.creditNotes.create({
      invoice: invoice.id as string,
      lines: [{ type: 'invoice_line_item', invoice_line_item: line?.id as string, amount }],
      credit_amount,
    })
  const note = await credit(1000, 1190)
  expect(note).toMatchObject({
    subtotal: 1000,
    total: 1190,
    total_excluding_tax: 1000,
    total_taxes: [{ amount: 190, tax_rate_details: { tax_rate: ids[0] } }],
  })
  expect((await credit(3900, 4641)).total).toBe(4641)
  const after = await stripe.invoices.retrieve(invoice.id as string)
  expect(after.post_payment_credit_notes_amount).toBe(invoice.total)
})

test('rates are made, listed, changed and refused where they are wrong or not active', async () => {
  const stripe = (await start()).client(NEW)
  const { customer, price } = await shop(stripe)
  const made = await rate(stripe, 19, true)
  await stripe.taxRates.update(made.id, { active: false })
  expect((await stripe.taxRates.list({ active: true })).data).toEqual([])
  const refused = (call: Promise<unknown>, param: string) =>
    expect(call).rejects.toMatchObject({ statusCode: 400, param })
  await refused(rate(stripe, 101, false), 'percentage')
  const subscribe = (default_tax_rates: string[]) =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      default_payment_method: 'pm_card_visa',
      default_tax_rates,
    })
  await refused(subscribe([made.id]), 'default_tax_rates[0]')
  await refused(subscribe(['txr_no']), 'default_tax_rates[0]')
})
