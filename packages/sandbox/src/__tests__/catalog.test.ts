/** Products, prices and lists, driven by the official SDK. */

import { expect, test } from 'vitest'
import { at, shop, start } from './harness.ts'

test('a price is found by its lookup key, with its product', async () => {
  const stripe = (await start()).client()
  const { price, product } = await shop(stripe)
  const found = await stripe.prices.list({
    lookup_keys: ['pro_monthly', 'other'],
    active: true,
    expand: ['data.product'],
  })
  expect(found.data.map((one) => one.id)).toEqual([price.id])
  expect(found.data[0]?.product).toMatchObject({ id: product.id, name: 'Pro' })
  expect((await stripe.prices.list({ lookup_keys: ['other'] })).data).toEqual([])
})

test('a lookup key belongs to one price, and moves only when it is asked to', async () => {
  const running = await start()
  const stripe = running.client()
  const { price, product } = await shop(stripe)
  const next = {
    product: product.id,
    currency: 'usd',
    unit_amount: 5900,
    lookup_key: 'pro_monthly',
  }
  await expect(stripe.prices.create(next)).rejects.toMatchObject({
    statusCode: 400,
    code: 'lookup_key_in_use',
    param: 'lookup_key',
  })
  const moved = await stripe.prices.create({ ...next, transfer_lookup_key: true })
  expect(moved.lookup_key).toBe('pro_monthly')
  expect((await stripe.prices.retrieve(price.id)).lookup_key).toBeNull()
  expect((await stripe.prices.list()).data).toHaveLength(2)
})

test('a product is changed and its metadata merged', async () => {
  const stripe = (await start()).client()
  const product = await stripe.products.create({
    name: 'Pro',
    metadata: { plan: 'PRO', old: '1' },
    default_price_data: { currency: 'usd', unit_amount: 100 },
  })
  expect(await stripe.prices.retrieve(String(product.default_price))).toMatchObject({
    product: product.id,
    type: 'one_time',
  })
  const changed = await stripe.products.update(product.id, {
    active: false,
    metadata: { old: '', rank: '2' },
  })
  expect(changed).toMatchObject({
    active: false,
    name: 'Pro',
    metadata: { plan: 'PRO', rank: '2' },
  })
  expect(changed.metadata).not.toHaveProperty('old')
  expect((await stripe.products.list({ active: true })).data).toEqual([])
})

test('lists are newest first and page in both directions', async () => {
  const stripe = (await start()).client()
  const ids: string[] = []
  for (const name of ['a', 'b', 'c', 'd', 'e'])
    ids.unshift((await stripe.products.create({ name })).id)
  const first = await stripe.products.list({ limit: 2 })
  expect(first.data.map((one) => one.id)).toEqual(ids.slice(0, 2))
  expect(first.has_more).toBe(true)
  const rest = await stripe.products.list({ limit: 3, starting_after: String(ids[1]) })
  expect(rest.data.map((one) => one.id)).toEqual(ids.slice(2))
  expect(rest.has_more).toBe(false)
  const back = await stripe.products.list({ limit: 2, ending_before: String(ids[3]) })
  expect(back.data.map((one) => one.id)).toEqual(ids.slice(1, 3))
  expect(back.has_more).toBe(true)
  const all = await stripe.products.list({ limit: 2 }).autoPagingToArray({ limit: 100 })
  expect(all.map((one) => one.id)).toEqual(ids)
  await expect(stripe.products.list({ limit: 101 })).rejects.toMatchObject({ param: 'limit' })
  await expect(stripe.products.list({ starting_after: 'prod_none' })).rejects.toMatchObject({
    code: 'resource_missing',
    param: 'starting_after',
  })
})

test('a list is narrowed by time', async () => {
  const stripe = (await start()).client()
  const { created } = await stripe.products.create({ name: 'a' })
  expect((await stripe.products.list({ created: { gte: created } })).data).toHaveLength(1)
  expect((await stripe.products.list({ created: { gt: created } })).data).toHaveLength(0)
  expect((await stripe.products.list({ created })).data).toHaveLength(1)
})

test('a customer is created, found, changed and deleted', async () => {
  const running = await start()
  const stripe = running.client()
  const customer = await stripe.customers.create({
    email: 'ada@example.com',
    metadata: { ownerId: 'u_1' },
  })
  await stripe.customers.create({ email: 'bob@example.com', metadata: { ownerId: 'u_2' } })

  expect((await stripe.customers.list({ email: 'ada@example.com' })).data).toHaveLength(1)
  const found = await stripe.customers.search({ query: "metadata['ownerId']:'u_1'" })
  expect(found.data.map((one) => one.id)).toEqual([customer.id])
  expect(
    (await stripe.customers.search({ query: 'email~"example" AND name:null' })).data,
  ).toHaveLength(2)
  const others = await stripe.customers.search({ query: '-email:"ada@example.com"' })
  expect(others.data.map((one) => one.email)).toEqual(['bob@example.com'])
  await expect(stripe.customers.search({ query: 'ada@example.com' })).rejects.toMatchObject({
    statusCode: 400,
    message: expect.not.stringContaining('ada@'),
  })

  const changed = await stripe.customers.update(customer.id, {
    name: 'Ada',
    metadata: { ownerId: '' },
  })
  expect(changed).toMatchObject({ name: 'Ada', metadata: {} })
  expect(await stripe.customers.del(customer.id)).toMatchObject({ id: customer.id, deleted: true })
  const gone = await stripe.customers.retrieve(customer.id)
  expect(gone).toEqual(
    expect.objectContaining({ id: customer.id, object: 'customer', deleted: true }),
  )
  expect(at(gone, 'email')).toBeUndefined()
  await expect(stripe.customers.update(customer.id, { name: 'x' })).rejects.toMatchObject({
    statusCode: 404,
    code: 'resource_missing',
  })
  expect((await stripe.customers.list()).data).toHaveLength(1)
})

test('deleting a customer ends the subscriptions', async () => {
  const running = await start()
  const stripe = running.client()
  const { customer, price } = await shop(stripe)
  const { id } = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    default_payment_method: 'pm_card_visa',
  })
  await stripe.customers.del(customer.id)
  expect((await stripe.subscriptions.retrieve(id)).status).toBe('canceled')
})
