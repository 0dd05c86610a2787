/** Repairs that are stopped, killed or out of time go on where they were, and say whether they came to their end. */

import { defineJob } from '@repo/core'
import { createTestClock } from '@repo/core/testing'
import { runPending } from '@repo/jobs'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { between, refusal } from './between.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
const clock = createTestClock(new Date(Date.now() - 10 * 3_600_000))
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { clock })
  for (let n = 0; n < 9; n += 1) await h.subscriber()
})
afterAll(() => h.close())

const syncedAt = async () => {
  const rows = await h.db.customer.findMany({ orderBy: { id: 'asc' } })
  return rows.map((row) => row.syncedAt?.getTime())
}

describe('the comparison', () => {
  test('that is stopped continues with the next customer, until all have been compared', async () => {
    const before = await syncedAt()
    const outcomes: string[] = []
    for (let run = 0; run < 9 && outcomes.at(-1) !== 'done'; run += 1) {
      const stop = new AbortController()
      const onProgress = (done: number) => done >= 2 && stop.abort()
      const { outcome, customers } = await h.billing.reconcile({ signal: stop.signal, onProgress })
      expect(customers).toBeLessThan(9)
      outcomes.push(outcome)
    }
    expect(outcomes.length).toBeGreaterThan(1)
    expect(outcomes.slice(0, -1).every((outcome) => outcome === 'stopped')).toBe(true)
    expect(outcomes.at(-1)).toBe('done')
    const after = await syncedAt()
    expect(after.filter((at, index) => at === before[index])).toEqual([])
  })

  test('that is not finished continues as a job, also after a worker was killed', async () => {
    // A run that was killed holds its place until its lease ends.
    await h.db.repairRun.update({
      where: { name: 'reconcile' },
      data: { lease: 'killed', leaseUntil: new Date(Date.now() + 60_000) },
    })
    expect(await h.billing.reconcile()).toMatchObject({ outcome: 'busy', customers: 0 })
    const jobs = [h.billing.jobs]
    const job = h.billing.jobs.find(({ name }) => name === 'billing.reconcile')
    await job?.run({}, { id: '1', attempt: 1, signal: new AbortController().signal })
    const [waiting] = await h.db.$queryRaw<{ key: string; later: boolean }[]>`
      SELECT "key", "run_at" > now() + interval '30 seconds' AS "later" FROM graphile_worker.jobs
      WHERE "task_identifier" = 'billing.reconcile'`
    expect(waiting).toEqual({ key: 'billing.reconcile', later: true })
    await h.db.repairRun.update({ where: { name: 'reconcile' }, data: { leaseUntil: new Date(0) } })
    await h.db.$executeRaw`UPDATE graphile_worker._private_jobs SET run_at = now()`
    const before = await syncedAt()
    await runPending({ databaseUrl: h.databaseUrl, jobs, logger: h.logger })
    const after = await syncedAt()
    expect(after.filter((at, index) => at === before[index])).toEqual([])
  })

  test('that is stopped with its process queues the rest under its own key', async () => {
    const job = h.billing.jobs.find(({ name }) => name === 'billing.reconcile')
    const stop = new AbortController()
    stop.abort()
    await job?.run({}, { id: '1', attempt: 1, signal: stop.signal })
    await job?.run({}, { id: '2', attempt: 1, signal: stop.signal })
    const [{ count }] = await h.db.$queryRaw<[{ count: number }]>`
      SELECT count(*)::int FROM graphile_worker.jobs WHERE "key" = 'billing.reconcile'`
    expect(count).toBe(1)
    const parse = () => ({})
    const others = h.billing.jobs.map((each) => defineJob<object>({ ...each, parse }))
    await runPending({ databaseUrl: h.databaseUrl, jobs: [others], logger: h.logger })
  })

  test('sends no request for an owner who has only signed up, unless all are compared', async () => {
    const fresh = await h.owner()
    await h.billing.ensureCustomer(fresh)
    const through = await between(h.url, () => undefined)
    const billing = createBilling({ ...h.settings, stripe: through.stripe })
    const { customers } = await billing.reconcile()
    expect(customers).toBe(9)
    expect(through.requests).toHaveLength(9)
    expect(await billing.reconcile({ all: true })).toMatchObject({ customers: 10, outcome: 'done' })
    await through.close()
  })

  test('finds a difference in its one request, and then syncs the customer', async () => {
    const [row] = await h.db.subscription.findMany({ take: 1 })
    const { id, stripeSubscriptionId, customerId } = row as NonNullable<typeof row>
    await h.db.subscription.update({ where: { id }, data: { status: 'past_due', quantity: 7 } })
    await h.db.invoice.deleteMany({ where: { customerId } })
    const { differences } = await h.billing.reconcile()
    expect(differences).toHaveLength(1)
    expect(differences[0]?.changes).toContainEqual({
      object: 'subscription',
      id: stripeSubscriptionId,
      from: 'past_due',
      to: 'active',
    })
    expect(await h.db.invoice.count({ where: { customerId } })).toBe(1)
    expect((await h.billing.reconcile()).differences).toEqual([])
  })
})

describe('the pull', () => {
  test('that is stopped does not skip older events', async () => {
    clock.set(new Date())
    for (let n = 0; n < 3; n += 1) await h.subscriber()
    const all = h.sandbox.stripe.events.length
    expect(all).toBeGreaterThan(100)
    const stop = new AbortController()
    const onProgress = () => stop.abort()
    expect(await h.billing.pullEvents({ signal: stop.signal, onProgress })).toMatchObject({
      outcome: 'stopped',
      seen: 100,
    })
    expect((await h.billing.pullEvents()).outcome).toBe('done')
    expect(await h.db.webhookEvent.count()).toBe(all)
    const { ownerId } = await h.subscriber()
    const { pulled } = await h.billing.pullEvents()
    expect(pulled.length).toBe(h.sandbox.stripe.events.length - all)
    expect(await h.billing.getSubscription(ownerId)).toMatchObject({ plan: 'PRO' })
  })

  test('whose position Stripe no longer knows starts again', async () => {
    const where = { name: 'pullEvents' }
    const { position } = await h.db.repairRun.findUniqueOrThrow({ where })
    const stale = { ...(position as object), walk: 'new', from: 1, after: 'evt_forgotten' }
    await h.db.repairRun.update({ where, data: { position: stale } })
    const through = await between(h.url, ({ path }) =>
      path.includes('evt_forgotten')
        ? refusal(404, {
            type: 'invalid_request_error',
            code: 'resource_missing',
            message: 'No such event',
          })
        : undefined,
    )
    const billing = createBilling({ ...h.settings, stripe: through.stripe })
    expect((await billing.pullEvents()).outcome).toBe('done')
    await through.close()
  })
})
