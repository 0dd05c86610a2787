/**
 * A host with plans and a handler of its own, beside the package's default instance over the same database:
 * two instances, one of them in processes of its own. Promise 1: what a fact sets off is not lost, whoever
 * hears of it first.
 */

import { once } from 'node:events'
import { runPending } from '@repo/jobs'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { type Billing, createBilling } from '../index.ts'
import { createCli } from './cli-process.ts'
import { createHarness, type Harness } from './harness.ts'
import { createHostFolder, hostOptions } from './host-folder.ts'

let h: Harness
let host: Awaited<ReturnType<typeof createHostFolder>>
/** As the package's default instance: no plans, no handlers, the same database and account. */
let other: Billing
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { settings: hostOptions })
  const { plans, products, effects, ...rest } = h.settings
  other = createBilling(rest)
  host = await createHostFolder(h)
  await h.db.$executeRaw`CREATE TABLE granted ("key" text, "ownerId" text)`
})
afterAll(async () => {
  await host.remove()
  await h.close()
})
// The host's app has run: it took a webhook or opened a checkout.
beforeEach(async () => {
  await createBilling(h.settings).syncCustomer(await h.owner('Nobody'))
})

/** A customer who has paid for a plan; the host's app has stored what the provider sent. */
async function paid(plan: 'PRO' | 'TEAM') {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan })
  await h.pay(id)
  const [event] = (await h.events('invoice.paid')).slice(-1)
  await h.deliver(event)
  return { ownerId, eventId: event?.id as string }
}

async function stateOf(ownerId: string) {
  const { plan } = await h.billing.getSubscription(ownerId)
  const { balance } = await h.billing.getBalance(ownerId)
  const calls = await h.db.$queryRaw<object[]>`SELECT 1 FROM granted WHERE "ownerId" = ${ownerId}`
  return { plan, balance, calls: calls.length }
}

const keyOf = async (ownerId: string) => {
  const [invoice] = await h.billing.listInvoices(ownerId)
  return `invoice:${invoice?.stripeInvoiceId}:paid`
}

const waiting = async (ownerId: string) =>
  (await h.billing.listWaitingEffects()).filter((effect) => effect.ownerId === ownerId)

describe('beside the default instance', () => {
  test('its jobs refuse a database with a plan that they do not know, and change nothing', async () => {
    const { ownerId, eventId } = await paid('TEAM')
    const before = h.logger.entries.length
    await h.skipDelays()
    await runPending({ databaseUrl: h.databaseUrl, jobs: [other.jobs], logger: h.logger })
    const said = JSON.stringify(h.logger.entries.slice(before), (_, value) =>
      value instanceof Error ? `${Reflect.get(value, 'code')} ${value.message}` : value,
    )
    expect(said).toContain('other_instance')
    expect(said).toContain('plan TEAM')
    expect(await h.billing.showEvent(eventId)).toMatchObject({ status: 'pending', attempts: 0 })
    expect(await stateOf(ownerId)).toEqual({ plan: 'FREE', balance: 0, calls: 0 })
    await h.skipDelays()
    await h.work()
    expect(await stateOf(ownerId)).toEqual({ plan: 'TEAM', balance: 500, calls: 1 })
  })

  test.each(['PRO', 'TEAM'] as const)(
    'its effects of %s wait for the host’s instance, and run once',
    async (plan) => {
      const { ownerId } = await paid(plan)
      await other.syncCustomer(ownerId)
      await other.processEvents()
      expect(await stateOf(ownerId)).toMatchObject({ balance: 0, calls: 0 })
      expect(await waiting(ownerId)).toMatchObject([
        { name: 'invoice.paid', handled: false, awaits: ['handler', 'plan_credits'] },
      ])
      // Told again before the host has seen it, it waits on.
      await other.syncCustomer(ownerId)
      await expect(other.redeliverEffect(await keyOf(ownerId))).rejects.toMatchObject({
        code: 'effect_not_handled',
      })
      await h.billing.processEvents()
      await Promise.all(Array.from({ length: 5 }, () => h.billing.syncCustomer(ownerId)))
      const balance = plan === 'PRO' ? 1000 : 500
      expect(await stateOf(ownerId)).toEqual({ plan, balance, calls: 1 })
      expect(await waiting(ownerId)).toEqual([])
    },
  )

  test('a waiting effect whose handler throws keeps waiting as a whole', async () => {
    const { ownerId } = await paid('PRO')
    await other.syncCustomer(ownerId)
    const broken = createBilling({
      ...h.settings,
      effects: {
        'invoice.paid': async () => {
          throw new Error('no')
        },
      },
    })
    await broken.syncCustomer(ownerId)
    await expect(broken.redeliverEffect(await keyOf(ownerId))).rejects.toMatchObject({
      code: 'effect_failed',
    })
    expect(await stateOf(ownerId)).toEqual({ plan: 'PRO', balance: 0, calls: 0 })
    expect(await waiting(ownerId)).toHaveLength(1)
    await h.billing.syncCustomer(ownerId)
    expect(await stateOf(ownerId)).toEqual({ plan: 'PRO', balance: 1000, calls: 1 })
  })

  test('a mail about an unknown plan is left to the host’s instance', async () => {
    const { ownerId } = await paid('TEAM')
    await h.billing.syncCustomer(ownerId)
    const mails = () => h.outbox.to(`${ownerId}@example.com`)
    await runPending({ databaseUrl: h.databaseUrl, jobs: [other.jobs], logger: h.logger })
    expect(mails()).toEqual([])
    await h.skipDelays()
    await h.work()
    expect(mails()).toHaveLength(1)
  })

  test('a low balance waits for the host’s instance, and is reported once', async () => {
    const told: string[] = []
    const own = createBilling({
      ...h.settings,
      credits: {
        lowBalance: { credits: 10 },
        onLowBalance: ({ ownerId }) => told.push(ownerId),
      },
    })
    const ownerId = await h.owner()
    await own.syncCustomer(ownerId)
    await own.grantCredits(ownerId, 20, { idempotencyKey: 'gift' })
    await own.deductCredits(ownerId, 15, 'a picture')
    const run = async ({ jobs }: Billing) => {
      await h.skipDelays()
      await runPending({ databaseUrl: h.databaseUrl, jobs: [jobs], logger: h.logger })
    }
    await run(other)
    await run(h.billing)
    expect(told).toEqual([])
    await run(own)
    await run(own)
    expect(told).toEqual([ownerId])
  })

  test('an effect without any handler is done, and a handler that is added later does not get it', async () => {
    const { ownerId } = await paid('PRO')
    await h.db.billingDeclaration.deleteMany()
    await other.syncCustomer(ownerId)
    expect(await waiting(ownerId)).toEqual([])
    await h.billing.syncCustomer(ownerId)
    expect(await stateOf(ownerId)).toEqual({ plan: 'PRO', balance: 0, calls: 0 })
  })
})

describe('from the folder of the host', () => {
  test('the worker and the commands use the host’s instance, and say which', async () => {
    const [byWorker, bySync, byProcess] = [
      await paid('TEAM'),
      await paid('PRO'),
      await paid('TEAM'),
    ]
    for (const { ownerId } of [byWorker, bySync]) await other.syncCustomer(ownerId)

    const synced = await host.billing('sync', bySync.ownerId, '--json')
    expect(synced.code).toBe(0)
    expect(await stateOf(bySync.ownerId)).toEqual({ plan: 'PRO', balance: 1000, calls: 1 })
    const { host: address, pathname } = new URL(h.databaseUrl)
    const { id: account } = await h.stripe.accounts.retrieveCurrent()
    expect(synced.json()).toMatchObject({
      target: {
        database: { host: address, name: pathname.slice(1) },
        stripe: { account, mode: 'test', host: '127.0.0.1' },
        config: '../tollgate.config.ts',
      },
    })
    expect(synced.stderr).toContain(
      `On database ${address}${pathname} · Stripe ${account} (test, at 127.0.0.1) · ../tollgate.config.ts\n`,
    )

    const processed = await host.billing('events', 'process', '--json')
    expect(processed).toMatchObject({ code: 0 })
    expect(await stateOf(byProcess.ownerId)).toEqual({ plan: 'TEAM', balance: 500, calls: 1 })

    const late = await paid('TEAM')
    const worker = host.worker()
    await expect.poll(() => stateOf(late.ownerId)).toEqual({ plan: 'TEAM', balance: 500, calls: 1 })
    worker.kill('SIGTERM')
    expect(await once(worker, 'exit')).toEqual([0, null])
    expect(await stateOf(byWorker.ownerId)).toEqual({ plan: 'TEAM', balance: 500, calls: 1 })
  })

  test('a person can redeliver a lost effect, once for its key', async () => {
    const { ownerId } = await paid('PRO')
    // As it was recorded before an effect said who took it.
    await h.db.billingDeclaration.deleteMany()
    await other.syncCustomer(ownerId)
    const key = await keyOf(ownerId)
    await h.db.effect.update({ where: { key }, data: { handled: null } })

    const gone = { kind: 'plan', name: 'GONE', seenAt: new Date() }
    await h.db.billingDeclaration.create({ data: gone })
    const first = await host.billing('effects', 'redeliver', key, '--json')
    expect(first.code).toBe(0)
    expect(first.stderr).toContain('Another instance of this database has plan GONE, but ')
    await h.db.billingDeclaration.deleteMany()
    expect(first.json()).toMatchObject({
      redelivered: [{ key, did: ['plan_credits', 'handler'], handled: true }],
    })
    expect(await stateOf(ownerId)).toEqual({ plan: 'PRO', balance: 1000, calls: 1 })
    const again = await Promise.all([1, 2, 3].map(() => h.billing.redeliverEffect(key)))
    expect(again).toMatchObject(Array(3).fill({ handled: true, did: [] }))
    expect(await stateOf(ownerId)).toEqual({ plan: 'PRO', balance: 1000, calls: 1 })
    await expect(h.billing.redeliverEffect('invoice:in_none:paid')).rejects.toMatchObject({
      code: 'effect_not_found',
    })
  })

  test('plans push makes the prices of its own plans', async () => {
    await h.stripe.prices
      .list({ lookup_keys: ['team_monthly'] })
      .then(({ data: [price] }) => h.stripe.prices.update(price?.id as string, { active: false }))
    const run = await host.billing('plans', 'push', '--json')
    expect(run).toMatchObject({ code: 0 })
    expect(run.json()).toMatchObject({ made: ['team_monthly'] })
    const { data } = await h.stripe.prices.list({ lookup_keys: ['enterprise_monthly'] })
    expect(data).toEqual([])
  })
})

test('in another folder commands refuse, say what to create, and change nothing', async () => {
  const { ownerId, eventId } = await paid('TEAM')
  const cli = createCli(h)
  const [processed, synced, redelivered, pushed, listed] = await Promise.all([
    cli.run(['events', 'process', '--json']),
    cli.run(['sync', ownerId, '--json']),
    cli.run(['effects', 'redeliver', 'a-key', '--json']),
    cli.run(['plans', 'push', '--json'], { DATABASE_URL: '' }),
    cli.run(['events', 'list', '--json']),
  ])
  for (const run of [processed, synced, redelivered, pushed]) {
    expect(run).toMatchObject({ code: 1, stdout: '' })
    expect(run.stderr).toContain('Create tollgate.config.ts')
  }
  for (const run of [processed, synced, redelivered]) {
    expect(run.actsOn).toContain('the default instance of @repo/billing')
    expect(run.stderr).toContain('plan TEAM')
    expect(run.stderr).toContain('lookup key team_monthly')
  }
  expect(listed).toMatchObject({ code: 0 })
  expect(await h.billing.showEvent(eventId)).toMatchObject({ status: 'pending', attempts: 0 })
  expect(await stateOf(ownerId)).toEqual({ plan: 'FREE', balance: 0, calls: 0 })
})
