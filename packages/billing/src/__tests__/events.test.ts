/** What holds an event up is its own: other events, other customers and other parties do not cost it a try. */

import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type Alert, createBilling } from '../index.ts'
import { createHarness, type Harness } from './harness.ts'
import { poison } from './poison.ts'

let h: Harness
const alerts: Alert[] = []
beforeAll(async () => {
  h = await createHarness(inject('postgres'), {
    settings: { onAlert: (alert) => alerts.push(alert) },
  })
})
beforeEach(() => void alerts.splice(0))
afterAll(() => h.close())

/** An owner who has bought PRO, all of whose events are dealt with. */
async function settled() {
  const bought = await h.subscriber()
  await h.deliverAll()
  const { customer } = await h.stripe.subscriptions.retrieve(bought.subscriptionId)
  return { ...bought, customer: customer as string }
}

/** Renames the customer at Stripe and gives the event that tells of it. */
async function renamed(customer: string, name: string) {
  await h.stripe.customers.update(customer, { name })
  return (await h.events('customer.updated')).at(-1) as { id: string }
}

const row = (eventId: string) =>
  h.db.webhookEvent.findUniqueOrThrow({
    where: { provider_eventId: { provider: 'stripe', eventId } },
  })

describe('promise 1: tries', () => {
  test('are used up when they are due, and not by the arrival of other events', async () => {
    const { customer } = await settled()
    const events: { id: string }[] = []
    h.sandbox.stripe.setFaults(null)
    for (let n = 0; n < 4; n += 1) events.push(await renamed(customer, `Ada ${n}`))
    h.sandbox.stripe.setFaults({ rate: 1, kinds: ['500'] })
    for (const event of events) {
      await h.deliver(event)
      await h.billing.processEvents()
    }
    const rows = await Promise.all(events.map(({ id }) => row(id)))
    expect(rows.map(({ status, attempts }) => `${status} ${attempts}`)).toEqual(
      events.map(() => 'pending 1'),
    )
    // Each waits for its own next try.
    for (const { nextAttemptAt, lease } of rows) {
      expect(nextAttemptAt.getTime()).toBeGreaterThan(Date.now() + 30_000)
      expect(lease).toBeNull()
    }
    // A sync that another event asks for finishes them, too.
    h.sandbox.stripe.setFaults(null)
    await h.deliver(await renamed(customer, 'Ada'))
    await h.billing.processEvents()
    for (const { id } of events) expect((await row(id)).status).toBe('processed')
  })
})

test('events of one customer stay together while another lane takes the first of them', async () => {
  const { customer } = await settled()
  const take = { where: { subject: customer }, take: 2 }
  const both = (await h.db.webhookEvent.findMany(take)).map(({ eventId }) => eventId)
  const [first = '', second = ''] = both
  for (const [n, eventId] of both.entries()) {
    const nextAttemptAt = new Date(Date.now() - 60_000 + n)
    const data = { status: 'pending', attempts: 0, processedAt: null, nextAttemptAt }
    await h.db.webhookEvent.updateMany({ where: { eventId }, data })
  }
  await h.db.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT FROM "WebhookEvent" WHERE "eventId" = ${first} FOR UPDATE`
    await h.billing.processEvents()
    expect(await row(second)).toMatchObject({ status: 'pending', attempts: 0, lease: null })
  })
  await h.billing.processEvents()
  for (const id of both) expect(await row(id)).toMatchObject({ status: 'processed', attempts: 1 })
})

describe('promise 1: a handler that throws', () => {
  test('delays one event, whatever else happens to the customer, and is called again until it succeeds', async () => {
    let isBroken = true
    const told: string[] = []
    const billing = createBilling({
      ...h.settings,
      effects: {
        'invoice.payment_failed': async (_, { key }) => {
          if (isBroken) throw new Error('about this invoice alone')
          told.push(key)
        },
      },
    })
    const { subscriptionId, customer } = await settled()
    const known = new Set((await h.db.webhookEvent.findMany()).map(({ eventId }) => eventId))
    h.sandbox.stripe.failPayment(subscriptionId)
    for (let n = 0; n < 5; n += 1) await renamed(customer, `Ada ${n}`)
    for (const event of h.sandbox.stripe.events) {
      if (known.has(event.id as string)) continue
      await h.deliver(event)
      await billing.processEvents()
    }
    const open = await billing.listEvents()
    expect(open).toHaveLength(1)
    expect(open[0]).toMatchObject({ status: 'pending', reason: 'effect_failed', attempts: 1 })
    isBroken = false
    await h.skipDelays()
    await billing.processEvents()
    expect(told).toHaveLength(1)
    expect(await billing.listEvents()).toEqual([])
  })
})

describe('events of other parties', () => {
  test('of another product on the account are kept and counted, and nobody has to look at them', async () => {
    const other = await h.stripe.customers.create({ name: 'other' })
    const event = await renamed(other.id, 'another')
    await h.deliver(event)
    await h.work()
    expect(await row(event.id)).toMatchObject({ status: 'ignored', reason: 'unknown_customer' })
    expect(await h.billing.listEvents()).toEqual([])
  })

  test('of a connected account are kept, and are not processed', async () => {
    const { customer } = await settled()
    const event = { ...(await renamed(customer, 'Ada')), id: 'evt_connected', account: 'acct_1' }
    await h.deliver(event)
    await h.work()
    expect(await row('evt_connected')).toMatchObject({
      status: 'ignored',
      reason: 'connected_account',
      attempts: 0,
    })
  })
})

describe('the list of events', () => {
  test('shows dead events first, has pages, and omits acknowledged events', async () => {
    const { customer } = await settled()
    const ids: string[] = []
    for (let n = 0; n < 5; n += 1) {
      const event = await renamed(customer, `Ada ${n}`)
      ids.push(event.id)
      await h.deliver(event)
    }
    await h.db.webhookEvent.updateMany({
      where: { eventId: { in: ids } },
      data: { status: 'needs_attention', reason: 'unreadable_invoice' },
    })
    const last = ids.at(-1) as string
    await h.db.webhookEvent.updateMany({ where: { eventId: last }, data: { status: 'dead' } })
    const listed: string[] = []
    for (let after: string | undefined; ; after = listed.at(-1)) {
      const page = await h.billing.listEvents({ limit: 2, ...(after ? { after } : {}) })
      if (page.length === 0) break
      listed.push(...page.map(({ eventId }) => eventId))
    }
    expect(listed).toEqual([last, ...ids.slice(0, -1)])

    expect(await h.billing.acknowledgeEvents(ids, { by: 'ada' })).toHaveLength(5)
    expect(await h.billing.acknowledgeEvents(ids, { by: 'ada' })).toEqual([])
    expect(await h.billing.listEvents()).toEqual([])
    expect(await row(last)).toMatchObject({
      acknowledgedBy: 'ada',
      acknowledgedAt: expect.any(Date),
    })
    await expect(h.billing.acknowledgeEvents(ids, { by: '' })).rejects.toMatchObject({
      status: 400,
    })
    await expect(h.billing.listEvents({ after: 'evt_none' })).rejects.toMatchObject({
      code: 'event_not_found',
    })
  })
})

test('an event that cannot be claimed raises an alert and leaves the others to be processed', async () => {
  const [bad, good] = [await settled(), await settled()]
  const [stuck, waits] = [await renamed(bad.customer, 'Eve'), await renamed(good.customer, 'Bob')]
  const same = await renamed(bad.customer, 'Eva')
  for (const event of [stuck, same, waits]) await h.deliver(event)
  const heal = await poison(h.db, 'WebhookEvent', 'eventId', stuck.id)
  await h.billing.processEvents()
  expect((await row(waits.id)).status).toBe('processed')
  expect((await row(same.id)).status).toBe('processed')
  expect(await row(stuck.id)).toMatchObject({ status: 'pending', attempts: 0 })
  expect(alerts).toContainEqual({ code: 'event_stuck', provider: 'stripe', eventId: stuck.id })
  expect(h.logger.text).toContain(stuck.id)
  await heal()
  await h.billing.processEvents()
  expect((await row(stuck.id)).status).toBe('processed')
})

test('passes that meet an unclaimable event at the same time all go on', async () => {
  const [bad, good] = [await settled(), await settled()]
  const stuck = await renamed(bad.customer, 'Eve')
  await h.deliver(stuck)
  const heal = await poison(h.db, 'WebhookEvent', 'eventId', stuck.id)
  for (let round = 0; round < 5; round += 1) {
    const waits = await renamed(good.customer, `Bob ${round}`)
    await h.deliver(waits)
    await Promise.all(Array.from({ length: 4 }, () => h.billing.processEvents()))
    expect((await row(waits.id)).status).toBe('processed')
  }
  expect(await row(stuck.id)).toMatchObject({ status: 'pending', attempts: 0 })
  await heal()
  await h.billing.processEvents()
  expect((await row(stuck.id)).status).toBe('processed')
})
