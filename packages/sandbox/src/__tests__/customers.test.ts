/** Customers: found by their metadata, and gone. */

import { expect, test } from 'vitest'
import { at, NEW, OLD, start, subscribe, typesOf } from './harness.ts'

test('a search joins metadata, newest first, page by page', async () => {
  const stripe = (await start()).client()
  const create = (ownerId: string, environment: string) =>
    stripe.customers.create({ metadata: { ownerId, environment } })
  const first = await create('u_1', 'test')
  await create('u_1', 'live')
  await create('u_2', 'test')
  const second = await create('u_1', 'test')
  const query = "metadata['ownerId']:'u_1' AND metadata['environment']:'test'"
  const found = await stripe.customers.search({ query })
  expect(found.data.map(({ id }) => id)).toEqual([second.id, first.id])
  expect(found).toMatchObject({ object: 'search_result', has_more: false, next_page: null })
  const page = await stripe.customers.search({ query, limit: 1 })
  expect(page).toMatchObject({ has_more: true, data: [{ id: second.id }] })
  const rest = await stripe.customers.search({ query, limit: 1, page: String(page.next_page) })
  expect(rest.data.map(({ id }) => id)).toEqual([first.id])
  const quoted = await create("o'neill", 'test')
  const escaped = await stripe.customers.search({ query: "metadata['ownerId']:'o\\'neill'" })
  expect(escaped.data.map(({ id }) => id)).toEqual([quoted.id])
  await stripe.customers.del(first.id)
  expect((await stripe.customers.search({ query })).data.map(({ id }) => id)).toEqual([second.id])
})

test.each([OLD, NEW])(
  'in %s a deleted customer is told as gone, with all that was theirs',
  async (version) => {
    const running = await start({ stripe: { apiVersion: version } })
    const stripe = running.client(version)
    const { customer, subscription, price } = await subscribe(stripe)
    const before = typesOf(running).length
    expect(await stripe.customers.del(customer.id)).toEqual({
      id: customer.id,
      object: 'customer',
      deleted: true,
    })
    expect(typesOf(running).slice(before)).toEqual([
      'customer.subscription.deleted',
      'customer.deleted',
    ])
    // The event tells who it was, because nothing else will.
    expect(at(running.sandbox.stripe.events.at(-1), 'data.object')).toMatchObject({
      id: customer.id,
      email: 'ada@example.com',
    })
    expect(await stripe.customers.retrieve(customer.id)).toEqual({
      id: customer.id,
      object: 'customer',
      deleted: true,
    })
    const whose = { customer: customer.id }
    expect((await stripe.subscriptions.list(whose)).data).toEqual([])
    const all = await stripe.subscriptions.list({ ...whose, status: 'all' })
    expect(all.data.map(({ id, status }) => [id, status])).toEqual([[subscription.id, 'canceled']])
    expect((await stripe.invoices.list(whose)).data).toHaveLength(1)
    expect((await stripe.paymentIntents.list(whose)).data).toHaveLength(1)
    expect((await stripe.customers.list()).data).toEqual([])

    for (const act of [
      () => stripe.customers.update(customer.id, { name: 'B' }),
      () => stripe.customers.del(customer.id),
      () => stripe.subscriptions.create({ ...whose, items: [{ price: price.id }] }),
      () => stripe.paymentIntents.create({ ...whose, amount: 500, currency: 'usd' }),
    ]) {
      await expect(act()).rejects.toMatchObject({ code: 'resource_missing' })
    }
  },
)

test('a deleted customer’s schedule goes with the subscription', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, subscription } = await subscribe(stripe)
  const { id } = await stripe.subscriptionSchedules.create({ from_subscription: subscription.id })
  await stripe.customers.del(customer.id)
  expect((await stripe.subscriptionSchedules.retrieve(id)).status).toBe('released')
})

test('a customer has a place to ship to, and tells its tax and its credit where they are asked for', async () => {
  for (const version of [OLD, NEW]) {
    const stripe = (await start()).client(version)
    const address = { line1: 'Hauptstrasse 1', country: 'DE' }
    const { id } = await stripe.customers.create({
      shipping: { name: 'Ada', address },
      address,
      balance: -500,
    })
    const expand = ['tax', 'invoice_credit_balance']
    expect(await stripe.customers.retrieve(id, { expand })).toMatchObject({
      shipping: { name: 'Ada', phone: null, address: { line1: 'Hauptstrasse 1', city: null } },
      tax: { automatic_tax: 'not_collecting', location: { country: 'DE' } },
      invoice_credit_balance: {},
    })
    expect(await stripe.customers.retrieve(id)).not.toHaveProperty('tax')
  }
})
