/** What a host hangs on a fact happens with the fact, once, or not at all. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling, type Effect, type EffectHandlers } from '../index.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
  await h.db.$executeRaw`CREATE TABLE granted ("key" text, "ownerId" text)`
})
afterAll(() => h.close())

const grant: EffectHandlers['invoice.paid'] = async (tx, { key, ownerId }) => {
  await tx.$executeRaw`INSERT INTO granted VALUES (${key}, ${ownerId})`
}
const granted = (ownerId: string) =>
  h.db.$queryRaw<{ key: string }[]>`SELECT "key" FROM granted WHERE "ownerId" = ${ownerId}`

async function paid() {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  return ownerId
}

test('promise 1: twenty syncs at once grant once, under the key of the fact', async () => {
  const billing = createBilling({ ...h.settings, effects: { 'invoice.paid': grant } })
  const ownerId = await paid()
  await Promise.all(Array.from({ length: 20 }, () => billing.syncCustomer(ownerId)))
  const [invoice] = await h.billing.listInvoices(ownerId)
  expect(await granted(ownerId)).toEqual([{ key: `invoice:${invoice?.stripeInvoiceId}:paid` }])
})

test('promise 1: the same fact under another event grants nothing more', async () => {
  const billing = createBilling({ ...h.settings, effects: { 'invoice.paid': grant } })
  const ownerId = await paid()
  const [event] = (await h.events('invoice.paid')).slice(-1)
  for (const id of ['evt_one', 'evt_two']) {
    await h.deliver({ ...event, id })
    await billing.processEvents()
  }
  expect(await granted(ownerId)).toHaveLength(1)
})

test('a handler that throws undoes only its own writes, the event waits, and the next try grants', async () => {
  let isBroken = true
  const seen: Effect<'invoice.paid'>[] = []
  const billing = createBilling({
    ...h.settings,
    effects: {
      'invoice.paid': async (tx, effect) => {
        await grant(tx, effect)
        if (isBroken) throw new Error('out of credits')
        seen.push(effect)
      },
    },
  })
  const ownerId = await paid()
  const [event] = (await h.events('invoice.paid')).slice(-1)
  await h.deliver(event)
  expect(await billing.processEvents()).toMatchObject({ processed: 0, waiting: 1 })
  expect(await granted(ownerId)).toEqual([])
  // The subscription is written all the same, and what it sets off is done.
  expect((await billing.getSubscription(ownerId)).plan).toBe('PRO')
  expect(await h.db.effect.count({ where: { name: 'subscription.activated' } })).toBeGreaterThan(0)
  const [waiting] = await billing.listEvents()
  expect(waiting).toMatchObject({ status: 'pending', reason: 'effect_failed' })

  isBroken = false
  await h.skipDelays()
  expect(await billing.processEvents()).toMatchObject({ processed: 1 })
  expect(await granted(ownerId)).toHaveLength(1)
  expect(seen).toMatchObject([
    { name: 'invoice.paid', ownerId, payload: { amount: 2900, currency: 'usd' } },
  ])
})

test('a handler’s writes are undone when the write around it fails', async () => {
  const ownerId = await paid()
  const billing = createBilling({
    ...h.settings,
    effects: {
      'invoice.paid': async (tx, effect) => {
        await grant(tx, effect)
        // The connection's transaction is broken for good: nothing of this sync may stay.
        await tx.$executeRaw`SELECT pg_terminate_backend(pg_backend_pid())`
      },
    },
  })
  await expect(billing.syncCustomer(ownerId)).rejects.toThrow()
  expect(await granted(ownerId)).toEqual([])
  expect((await billing.getSubscription(ownerId)).plan).toBe('FREE')
  await createBilling({ ...h.settings, effects: { 'invoice.paid': grant } }).syncCustomer(ownerId)
  expect(await granted(ownerId)).toHaveLength(1)
})
