/** Processes that are killed and connections that are cut in the middle of an event. */

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createDb } from '@repo/db'
import { createWorker } from '@repo/jobs'
import pg from 'pg'
import type Stripe from 'stripe'
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  onTestFinished,
  test,
} from 'vitest'
import { createBilling, type EffectHandlers } from '../index.ts'
import { countingEffects, createCallTable, readCalls } from '../testing.ts'
import { createHarness, type Harness } from './harness.ts'
import type { Place } from './killed-worker.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { settings: { effects: countingEffects() } })
  await createCallTable(h.db)
})
beforeEach(async () => {
  await h.db.$executeRaw`TRUNCATE "DrillCall"`
  h.outbox.clear()
})
afterAll(() => h.close())

/** An owner who paid at the provider, and the one event of it that was delivered. */
async function delivered() {
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  const [event] = (await h.events('checkout.session.completed')).slice(-1)
  const { id: eventId, data } = event as Stripe.CheckoutSessionCompletedEvent
  const subscription = data.object.subscription as string
  return { ownerId, event, eventId, activated: `subscription:${subscription}:activated` }
}

const stored = (eventId: string) => h.billing.showEvent(eventId)
const planOf = async (ownerId: string) => (await h.billing.getSubscription(ownerId)).plan

/** What must be so in the end: every effect once, and one mail, tried once. */
async function expectDoneOnce({
  ownerId,
  eventId,
  activated,
}: Awaited<ReturnType<typeof delivered>>) {
  expect(await stored(eventId)).toMatchObject({ status: 'processed', reason: null, lease: null })
  expect(await planOf(ownerId)).toBe('PRO')
  const { id: customerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const effects = await h.db.effect.findMany({ where: { customerId } })
  const keys = effects.map(({ key }) => key)
  expect(keys).toContain(activated)
  expect(await readCalls(h.db)).toEqual(new Map(keys.map((key) => [key, 1])))
  expect(h.outbox.to(`${ownerId}@example.com`)).toHaveLength(1)
  expect(h.outbox.attempts).toBe(1)
}

/** Starts a worker of its own, waits until it has come to `place`, and kills it. */
async function killAt(place: Place, before: () => Promise<unknown>): Promise<void> {
  const script = fileURLToPath(new URL('./killed-worker.ts', import.meta.url))
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', script, h.databaseUrl, h.url, place],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = new Promise((done) => child.once('exit', done))
  const there = new Promise<void>((done, fail) => {
    child.stdout.once('data', () => done())
    child.once('exit', (code) => fail(new Error(`The worker ended (${code}).`)))
  })
  await before()
  await there
  child.kill('SIGKILL')
  await ended
}

/** A worker in this process that frees what a silent one held. */
async function anotherWorker(): Promise<void> {
  const worker = await createWorker({
    databaseUrl: h.databaseUrl,
    jobs: [h.billing.jobs],
    logger: h.logger,
    beatMs: 100,
    silentMs: 500,
  })
  onTestFinished(() => worker.stop())
}

describe('promise 1: a worker that is killed', () => {
  test.each<[when: string, Place]>([
    ['inside an effect', 'effect'],
    ['while it waits for the provider', 'provider'],
  ])('%s is replaced by another worker once its lease has ended', async (_, place) => {
    const one = await delivered()
    await killAt(place, () => h.deliver(one.event))
    const left = await stored(one.eventId)
    expect(left).toMatchObject({ status: 'pending', lease: expect.any(String), attempts: 1 })
    expect(await planOf(one.ownerId)).toBe('FREE')
    expect(await readCalls(h.db)).toEqual(new Map())
    // The lease is not over, so the event may still be in good hands.
    expect(await h.billing.processEvents()).toMatchObject({ processed: 0 })

    await h.skipDelays()
    await anotherWorker()
    await expect.poll(() => h.outbox.attempts).toBe(1)
    await expectDoneOnce(one)
    expect((await stored(one.eventId)).attempts).toBe(2)
    expect(await h.billing.processEvents()).toMatchObject({ processed: 0 })
  })

  test('before a mail is sent leaves the mail to another worker', async () => {
    const one = await delivered()
    await killAt('mail', () => h.deliver(one.event))
    expect(await stored(one.eventId)).toMatchObject({ status: 'processed', attempts: 1 })
    expect(h.outbox.attempts).toBe(0)
    await anotherWorker()
    await expect.poll(() => h.outbox.attempts).toBe(1)
    await expectDoneOnce(one)
  })
})

describe('promise 1: a pass whose connection to the database is cut', () => {
  const PASS = 'the pass that is cut'

  /** Passes whose first effect does `cut`, its row written, with its transaction's backend. */
  function passCutBy(cut: (pid: number) => Promise<unknown>) {
    let isCut = false
    const counting = countingEffects()
    const effects: EffectHandlers = {
      ...counting,
      async 'subscription.activated'(tx, effect) {
        await counting['subscription.activated']?.(tx, effect)
        if (isCut) return
        isCut = true
        const [{ pid }] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
        await cut(pid)
      },
    }
    const db = createDb(`${h.databaseUrl}?application_name=${encodeURIComponent(PASS)}`)
    onTestFinished(() => db.$disconnect())
    return createBilling({ ...h.settings, db, effects })
  }
  const terminate = async (pid: number | null) => {
    const ended = await h.db.$queryRaw<object[]>`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = ${PASS}
        AND (${pid}::int IS NULL OR pid = ${pid}::int)`
    expect(ended.length).toBeGreaterThan(0)
  }

  test('postpones the event, and the next try does everything once', async () => {
    const one = await delivered()
    await h.deliver(one.event)
    const { processEvents } = passCutBy(terminate)
    expect(await processEvents()).toMatchObject({ processed: 0, waiting: 1 })
    expect(await stored(one.eventId)).toMatchObject({
      status: 'pending',
      reason: 'internal_error',
      lease: null,
      attempts: 1,
    })
    expect(await planOf(one.ownerId)).toBe('FREE')
    expect(await readCalls(h.db)).toEqual(new Map())

    await h.skipDelays()
    expect(await processEvents()).toMatchObject({ processed: 1 })
    await h.work()
    await expectDoneOnce(one)
  })

  test('and that cannot even postpone the event leaves it to the next pass after the lease', async () => {
    const one = await delivered()
    await h.deliver(one.event)
    const { adminUrl } = inject('postgres')
    const name = new URL(h.databaseUrl).pathname.slice(1)
    const admin = new pg.Client({ connectionString: adminUrl })
    await admin.connect()
    onTestFinished(() => admin.end())
    const allow = (may: boolean) =>
      admin.query(`ALTER DATABASE "${name}" WITH ALLOW_CONNECTIONS ${may}`)
    const { processEvents } = passCutBy(async () => {
      await allow(false)
      await terminate(null)
    })
    await expect(processEvents().finally(() => allow(true))).rejects.toThrow()
    expect(await stored(one.eventId)).toMatchObject({
      status: 'pending',
      lease: expect.any(String),
      attempts: 1,
    })
    expect(await h.billing.processEvents()).toMatchObject({ processed: 0 })

    await h.skipDelays()
    await h.work()
    await expectDoneOnce(one)
    expect((await stored(one.eventId)).attempts).toBe(2)
  })
})

test('a pass that fails in one lane fails after its other lanes have ended', async () => {
  const one = await delivered()
  await h.deliver(one.event)
  let claims = 0
  const db = new Proxy(h.db, {
    get(target, key) {
      if (key !== '$queryRaw') return Reflect.get(target, key)
      return (...args: Parameters<typeof h.db.$queryRaw>) => {
        const [sql] = args
        const text = 'text' in sql ? sql.text : sql.join('?')
        // A lane tries again while another lane holds the event, so each further claim has to fail.
        return text.includes('WITH "first"') && ++claims > 1
          ? Promise.reject(new Error('the connection is gone'))
          : target.$queryRaw(...args)
      }
    },
  })
  const { processEvents } = createBilling({ ...h.settings, db, events: { lanes: 2 } })
  await expect(processEvents()).rejects.toThrow('the connection is gone')
  expect(await stored(one.eventId)).toMatchObject({ status: 'processed' })
})
