/** Lists: their order, their cursors, and what narrows them. */

import { createTestClock } from '@repo/core/testing'
import { expect, test, vi } from 'vitest'
import { KEY, start, subscribe } from './harness.ts'

const unix = (iso: string) => Date.parse(iso) / 1000

test('a customer’s list is newest first and holds no one else’s', async () => {
  const stripe = (await start()).client()
  const [ada, bob] = [await stripe.customers.create({}), await stripe.customers.create({})]
  const pay = (customer: string | undefined, amount: number) =>
    stripe.paymentIntents.create({ currency: 'usd', amount, ...(customer ? { customer } : {}) })
  const first = await pay(undefined, 101)
  const second = await pay(ada.id, 102)
  await pay(bob.id, 103)
  const third = await pay(ada.id, 104)
  // An intent that gets its customer late stands where it was made, and not where it was changed.
  await stripe.paymentIntents.update(first.id, { customer: ada.id })
  await stripe.paymentIntents.update(second.id, { customer: bob.id })
  const amounts = async (customer: string, more: object = {}) =>
    (await stripe.paymentIntents.list({ customer, ...more })).data.map(({ amount }) => amount)
  expect(await amounts(ada.id)).toEqual([104, 101])
  expect(await amounts(bob.id)).toEqual([103, 102])
  await expect(amounts('cus_none')).rejects.toMatchObject({
    code: 'resource_missing',
    param: 'customer',
  })

  // A cursor that has left the list since still says where the page begins.
  expect(await amounts(ada.id, { starting_after: second.id })).toEqual([101])
  expect(await amounts(ada.id, { ending_before: second.id })).toEqual([104])
  expect(await amounts(bob.id, { starting_after: third.id })).toEqual([103, 102])
  await expect(amounts(ada.id, { starting_after: 'pi_none' })).rejects.toMatchObject({
    code: 'resource_missing',
    param: 'starting_after',
  })
})

test('pages join without a gap in both directions', async () => {
  const stripe = (await start()).client()
  const { id: customer } = await stripe.customers.create({})
  for (let amount = 100; amount < 107; amount += 1) {
    await stripe.paymentIntents.create({ currency: 'usd', amount, customer })
  }
  const all = (await stripe.paymentIntents.list({ customer })).data
  const down = await stripe.paymentIntents.list({
    customer,
    limit: 3,
    starting_after: String(all[1]?.id),
  })
  expect(down.data.map(({ amount }) => amount)).toEqual([104, 103, 102])
  expect(down.has_more).toBe(true)
  const last = await stripe.paymentIntents.list({
    customer,
    limit: 2,
    starting_after: String(all[4]?.id),
  })
  expect(last.data.map(({ amount }) => amount)).toEqual([101, 100])
  expect(last.has_more).toBe(false)
  const up = await stripe.paymentIntents.list({
    customer,
    limit: 2,
    ending_before: String(all[4]?.id),
  })
  expect(up.data.map(({ amount }) => amount)).toEqual([104, 103])
  expect(up.has_more).toBe(true)
})

test('a span of time narrows a list, also where the clock was set back', async () => {
  const clock = createTestClock('2026-01-05T00:00:00Z')
  const stripe = (await start({ clock })).client()
  for (const day of [5, 6, 7]) {
    clock.set(new Date(`2026-01-0${day}T00:00:00Z`))
    await stripe.customers.create({ name: `day ${day}` })
  }
  const named = async (created: object | number) =>
    (await stripe.customers.list({ created: created as { gte: number } })).data.map(
      ({ name }) => name,
    )
  const sixth = unix('2026-01-06T00:00:00Z')
  expect(await named({ gte: sixth })).toEqual(['day 7', 'day 6'])
  expect(await named({ gt: sixth })).toEqual(['day 7'])
  expect(await named({ lt: sixth })).toEqual(['day 5'])
  expect(await named({ lte: sixth, gt: sixth - 1 })).toEqual(['day 6'])
  expect(await named(sixth)).toEqual(['day 6'])
  clock.set(new Date('2026-01-04T00:00:00Z'))
  await stripe.customers.create({ name: 'day 4' })
  expect(await named({ gte: sixth })).toEqual(['day 7', 'day 6'])
})

test('a restored state is listed as it was, and goes on', async () => {
  const one = await start()
  const { customer, subscription } = await subscribe(one.client())
  one.sandbox.stripe.renew(subscription.id)
  const listed = async (stripe: ReturnType<typeof one.client>) => ({
    invoices: (await stripe.invoices.list({ customer: customer.id })).data,
    cards: (await stripe.paymentMethods.list({ customer: customer.id })).data,
    subscriptions: (await stripe.subscriptions.list({ customer: customer.id })).data,
    intents: (await stripe.paymentIntents.list({ customer: customer.id })).data,
  })
  const before = await listed(one.client())
  expect(before.invoices).toHaveLength(2)
  const other = await start()
  other.sandbox.stripe.restore(one.sandbox.stripe.snapshot())
  const after = await listed(other.client())
  expect(after).toEqual(before)
  other.sandbox.stripe.renew(subscription.id)
  expect((await listed(other.client())).invoices).toHaveLength(3)
  // What happens in the copy does not reach back into the state it was taken from.
  expect(await listed(one.client())).toEqual(before)
})

test('an answer leaves the memory a day after it was kept', async () => {
  const { client, sandbox } = await start()
  const stripe = client(undefined, KEY)
  const create = (idempotencyKey: string) => stripe.customers.create({}, { idempotencyKey })
  const now = Date.now()
  const time = vi.spyOn(Date, 'now').mockReturnValue(now)
  try {
    await create('a')
    await create('b')
    expect(sandbox.stripe.snapshot().answers.map(([key]) => key)).toEqual(['a', 'b'])
    time.mockReturnValue(now + 24 * 3_600_000)
    await create('c')
    expect(sandbox.stripe.snapshot().answers.map(([key]) => key)).toEqual(['c'])
  } finally {
    time.mockRestore()
  }
})
