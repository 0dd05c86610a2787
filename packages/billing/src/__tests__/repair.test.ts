/** What never arrived is pulled, what differs is found, what died is listed and tried again. */

import { createTestLogger } from '@repo/core/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type Alert, createBilling, createStripe } from '../index.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
const alerts: Alert[] = []
beforeAll(async () => {
  h = await createHarness(inject('postgres'), {
    settings: {
      events: { retryDelaysMs: [1000, 2000], leaseMs: 60_000 },
      onAlert: (alert) => alerts.push(alert),
    },
  })
})
beforeEach(() => void alerts.splice(0))
afterAll(() => h.close())

const stored = (eventId: string) =>
  h.db.webhookEvent.findUnique({ where: { provider_eventId: { provider: 'stripe', eventId } } })

/** An owner who paid at the provider, of which nothing was delivered. */
async function paidElsewhere() {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  const [event] = (await h.events('checkout.session.completed')).slice(-1)
  return { ownerId, event: event as { id: string } }
}

describe('promise 1: an undelivered event', () => {
  test('is pulled from the provider, stored and processed, once', async () => {
    const { ownerId, event } = await paidElsewhere()
    const first = await h.billing.pullEvents()
    expect(first.pulled).toContain(event.id)
    expect(await stored(event.id)).toMatchObject({ source: 'pull', status: 'pending' })
    expect((await h.billing.pullEvents()).pulled).toEqual([])
    await h.work()
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
    // Delivered after all, it is a duplicate.
    expect(await (await h.deliver(event)).json()).toMatchObject({ duplicate: true })
    expect(h.outbox.to(`${ownerId}@example.com`)).toHaveLength(1)
  })

  test('is found by the daily comparison, even without an event', async () => {
    const { ownerId } = await paidElsewhere()
    const untouched = (await h.subscriber()).ownerId
    const seen: number[] = []
    const result = await h.billing.reconcile({ onProgress: (done) => seen.push(done) })
    expect(seen.at(-1)).toBe(result.customers)
    expect(result.failed).toEqual([])
    const [difference] = result.differences.filter((each) => each.ownerId === ownerId)
    expect(difference?.changes).toContainEqual({
      object: 'subscription',
      id: expect.stringMatching(/^sub_/),
      from: null,
      to: 'active',
    })
    expect(result.differences.map((each) => each.ownerId)).not.toContain(untouched)
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
    expect((await h.billing.reconcile()).differences).toEqual([])
  })

  test('a customer that cannot be compared does not hold up the rest', async () => {
    const { ownerId } = await paidElsewhere()
    await h.billing.ensureCustomer(await h.owner())
    h.sandbox.stripe.failNext({ status: 500, times: 1 })
    const result = await h.billing.reconcile()
    expect(result.failed).toHaveLength(1)
    expect(result.failed[0]?.reason).toBe('provider_unavailable')
    await h.billing.reconcile()
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
  })
})

describe('promise 1: an event that keeps failing', () => {
  test('is dead after its tries, raises an alert, is listed, and succeeds when it is retried', async () => {
    const { ownerId, event } = await paidElsewhere()
    await h.deliver(event)
    for (const status of ['pending', 'pending', 'dead']) {
      h.sandbox.stripe.failNext({ status: 500, times: 3 })
      await h.work()
      expect(await stored(event.id)).toMatchObject({ status, reason: 'provider_unavailable' })
      await h.skipDelays()
    }
    h.sandbox.stripe.failNext({ status: 500, times: 0 })
    expect(alerts).toEqual([
      {
        code: 'event_dead',
        provider: 'stripe',
        eventId: event.id,
        type: 'checkout.session.completed',
        reason: 'provider_unavailable',
      },
    ])
    expect(await h.work()).toMatchObject({ processed: 0 })
    expect((await h.billing.listEvents()).map(({ eventId }) => eventId)).toEqual([event.id])

    expect(await h.billing.retryDeadEvents()).toBe(1)
    expect(await h.work()).toMatchObject({ processed: 1 })
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
    expect(await h.billing.listEvents()).toEqual([])
  })

  test('is dead, too, if its process ended each time', async () => {
    const { event } = await paidElsewhere()
    await h.deliver(event)
    await h.db.$executeRaw`
      UPDATE "WebhookEvent" SET "attempts" = 3, "lease" = 'gone' WHERE "eventId" = ${event.id}`
    expect(await h.work()).toMatchObject({ processed: 0, dead: 1 })
    expect(await stored(event.id)).toMatchObject({ status: 'dead', reason: 'processing_failed' })
    await h.billing.retryDeadEvents()
    await h.work()
  })
})

describe('promise 1: leases', () => {
  test('an event under a lease is left alone, and taken over when the lease has ended', async () => {
    const { ownerId, event } = await paidElsewhere()
    await h.deliver(event)
    await h.db.$executeRaw`
      UPDATE "WebhookEvent" SET "lease" = 'another', "nextAttemptAt" = now() + interval '1 minute'
      WHERE "eventId" = ${event.id}`
    expect(await h.work()).toMatchObject({ processed: 0 })
    await h.skipDelays()
    expect(await h.work()).toMatchObject({ processed: 1 })
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('PRO')
  })

  test('a pass that was too slow finishes nothing', async () => {
    const { event } = await paidElsewhere()
    await h.deliver(event)
    // The provider answers slowly, and meanwhile another worker takes the event over.
    const { processEvents } = createBilling({
      ...h.settings,
      stripe: new Proxy(h.stripe, {
        get(target, key) {
          if (key !== 'subscriptions') return Reflect.get(target, key)
          return {
            list(...args: Parameters<typeof target.subscriptions.list>) {
              const taken = h.db.$executeRaw`
                UPDATE "WebhookEvent" SET "lease" = 'another' WHERE "eventId" = ${event.id}`
              const request = target.subscriptions.list(...args)
              return Object.assign(
                taken.then(() => request),
                {
                  [Symbol.asyncIterator]: () => request[Symbol.asyncIterator](),
                },
              )
            },
          }
        },
      }),
    })
    await processEvents()
    expect(await stored(event.id)).toMatchObject({ status: 'pending', lease: 'another' })
    await h.skipDelays()
    await h.work()
    expect(await stored(event.id)).toMatchObject({ status: 'processed' })
  })
})

describe('stored events', () => {
  test('replaying an event processes it again and sets nothing off twice', async () => {
    const { ownerId, event } = await paidElsewhere()
    await h.deliver(event)
    await h.work()
    await h.billing.replayEvent(event.id)
    expect(await stored(event.id)).toMatchObject({ status: 'pending', attempts: 0 })
    expect(await h.work()).toMatchObject({ processed: 1 })
    expect(h.outbox.to(`${ownerId}@example.com`)).toHaveLength(1)
    const nothing = { code: 'event_not_found', status: 404 }
    await expect(h.billing.replayEvent('evt_none')).rejects.toMatchObject(nothing)
    await expect(h.billing.showEvent('evt_none')).rejects.toMatchObject(nothing)
    expect((await h.billing.showEvent(event.id)).payload).toContain(event.id)
  })

  test('payloads are emptied after 90 days; the id still tells a duplicate', async () => {
    const { event } = await paidElsewhere()
    const waiting = (await paidElsewhere()).event
    await h.deliver(event)
    await h.work()
    await h.deliver(waiting)
    const age = (days: number) => h.db.$executeRaw`
      UPDATE "WebhookEvent" SET "receivedAt" = now() - ${days} * interval '1 day'
      WHERE "eventId" IN (${event.id}, ${waiting.id})`
    await age(89)
    await h.billing.emptyPayloads()
    expect((await stored(event.id))?.payload).not.toBeNull()
    await age(91)
    expect(await h.billing.emptyPayloads()).toBe(1)
    expect(await stored(event.id)).toMatchObject({ payload: null, status: 'processed' })
    expect((await stored(waiting.id))?.payload).not.toBeNull()
    expect(await (await h.deliver(event)).json()).toMatchObject({ duplicate: true })
    await expect(h.billing.replayEvent(event.id)).rejects.toMatchObject({ code: 'event_not_found' })
    await h.work()
  })

  test('an event of the other mode is stored and not applied, not even by hand', async () => {
    const { ownerId, event } = await paidElsewhere()
    const live = { ...event, livemode: true }
    expect((await h.deliver(live)).status).toBe(200)
    expect(await stored(event.id)).toMatchObject({
      status: 'ignored',
      reason: 'livemode_mismatch',
      livemode: true,
    })
    await h.work()
    expect((await h.billing.getSubscription(ownerId)).plan).toBe('FREE')
    await expect(h.billing.replayEvent(event.id)).rejects.toMatchObject({ code: 'event_not_found' })

    const production = createBilling({ ...h.settings, stripe: createStripe('sk_live_harness') })
    const { stripeWebhookRequest } = await import('../testing.ts')
    const { WEBHOOK_SECRET } = await import('./harness.ts')
    const other = { ...live, id: 'evt_live' }
    const request = () => stripeWebhookRequest(other, { secret: WEBHOOK_SECRET })
    expect((await production.handleStripeWebhook(request())).status).toBe(200)
    expect(await stored('evt_live')).toMatchObject({ status: 'pending', reason: null })
    await h.db.webhookEvent.deleteMany({ where: { eventId: 'evt_live' } })
  })
})

describe('an alert', () => {
  test('is raised for an old backlog, and for a share of failures', async () => {
    await h.db.webhookEvent.deleteMany()
    expect(await h.billing.watchEvents()).toEqual({ size: 0, ageSeconds: 0, successRate: null })
    const { event } = await paidElsewhere()
    await h.deliver(event)
    await h.db.$executeRaw`UPDATE "WebhookEvent" SET "nextAttemptAt" = now() - interval '6 minutes'`
    expect(await h.billing.watchEvents()).toMatchObject({ size: 1 })
    expect(alerts).toMatchObject([{ code: 'backlog_old', size: 1 }])
    expect((alerts[0] as { ageSeconds: number }).ageSeconds).toBeGreaterThan(359)
    await h.billing.watchEvents()
    expect(alerts).toHaveLength(1)
    await h.work()

    for (let index = 0; index < 20; index++) {
      const status = index < 18 ? 'processed' : 'dead'
      await h.db.webhookEvent.create({
        data: {
          provider: 'stripe',
          eventId: `evt_${index}`,
          type: 'x',
          payload: '',
          status,
          attempts: 1,
        },
      })
    }
    const { successRate } = await h.billing.watchEvents()
    expect(successRate).toBeCloseTo(19 / 21)
    expect(alerts.at(-1)).toMatchObject({ code: 'success_rate_low', threshold: 0.95 })
    await h.db.webhookEvent.deleteMany()
  })

  test('is raised for slow processing', async () => {
    const { event } = await paidElsewhere()
    await h.deliver(event)
    const told: Alert[] = []
    const impatient = createBilling({
      ...h.settings,
      limits: { processingSeconds: 0 },
      onAlert: (alert) => told.push(alert),
    })
    await impatient.processEvents()
    expect(told).toMatchObject([{ code: 'processing_slow' }])
  })

  test('whose hook throws does no harm', async () => {
    const { event } = await paidElsewhere()
    await h.deliver(event)
    const logger = createTestLogger()
    const broken = createBilling({
      ...h.settings,
      logger,
      limits: { processingSeconds: 0 },
      onAlert: () => Promise.reject(new Error('nobody there')),
    })
    expect(await broken.processEvents()).toMatchObject({ processed: 1 })
    await expect.poll(() => logger.text).toContain('onAlert failed')
  })
})

afterEach(() => h.sandbox.stripe.failNext({ status: 500, times: 0 }))
