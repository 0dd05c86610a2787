/**
 * Measures ingest: events a second that are verified, stored durably and answered with 200, as requests and
 * responses within this process. Our handler is compared with a limit and a peer. The three take turns in
 * short rounds, so that other load of the machine affects all of them. The median of the rounds is reported,
 * and a ratio is the median of the rounds' ratios.
 *
 * @module
 */

import { createBilling, createStripe } from '@repo/billing'
import { stripeWebhookRequest } from '@repo/billing/testing'
import { createDb, migrate } from '@repo/db'
import { migrateJobs } from '@repo/jobs'
import { say } from '../harness/command.ts'
import { atLeast, below, median, type Report, type Row, row } from '../harness/report.ts'
import { noMails, silent } from '../harness/silent.ts'
import { createPeer, PEER_URL, requireApplied } from './better-auth/peer.ts'
import { eventOf } from './copies.ts'
import { APP_URL, playLife, SECRET_KEY, WEBHOOK_SECRET } from './life.ts'
import { createLimit } from './limit.ts'
import { type Figures, type Handle, load } from './load.ts'
import type { Setting } from './setting.ts'

/** Requests at a time. */
const CONCURRENCIES = [1, 16, 64]
/** The concurrency of the targets. */
const TARGET = 16
/** Database connections of each side. This is the default of `createDb`. */
const CONNECTIONS = 10
const CUSTOMERS = 500
const WARM_UP = 300

/** A measured webhook handler. */
interface Side {
  name: string
  handle: Handle
  url: string
  body: string
}

/** Measures the three handlers side by side. */
export async function measureIngest(setting: Setting): Promise<Report> {
  const { options } = setting
  const sides = await createSides(setting)
  const [, ours] = sides as [Side, Side, Side]
  let events = 0
  /** Bodies of `count` new events. */
  const bodies = (side: Side, count: number) =>
    Array.from({ length: count }, (_, n) => eventOf(side.body, n % CUSTOMERS, events++))
  const run = (side: Side, concurrency: number, payloads: string[]) =>
    load(
      payloads.map((payload) => requestOf(side, payload)),
      concurrency,
      side.handle,
    )

  const figures = new Map<string, Figures[]>()
  const of = (name: string, concurrency: number) => figures.get(`${name} ${concurrency}`) ?? []
  for (const concurrency of CONCURRENCIES) {
    const rates = new Map<string, number>()
    for (const side of sides) {
      rates.set(side.name, (await run(side, concurrency, bodies(side, WARM_UP))).perSecond)
    }
    await requireApplied(setting)
    for (let round = 0; round < options.rounds; round += 1) {
      say(`ingest, ${concurrency} at a time, round ${round + 1} of ${options.rounds}`)
      // Each side is first in some round, because a side may have to wait for disk writes of the
      // side before.
      for (const [index] of sides.entries()) {
        const side = sides[(index + round) % sides.length] as Side
        const seconds = options.seconds / options.rounds
        const count = Math.max(100, Math.round((rates.get(side.name) ?? 0) * seconds))
        const payloads = bodies(side, count)
        const found = await run(side, concurrency, payloads)
        rates.set(side.name, found.perSecond)
        add(figures, `${side.name} ${concurrency}`, found)
        if (side !== ours || concurrency !== TARGET) continue
        add(figures, `duplicates ${concurrency}`, await run(side, concurrency, payloads))
      }
    }
  }
  const ratio = (name: string) =>
    median(of(ours.name, TARGET).map(({ perSecond }, n) => perSecond / rateIn(of(name, TARGET), n)))
  return {
    rows: [
      row('size of an event', Buffer.byteLength(ours.body), 'bytes'),
      ...CONCURRENCIES.flatMap((concurrency) =>
        sides.flatMap(({ name }) => rowsOf(name, concurrency, of(name, concurrency))),
      ),
      ...rowsOf('ours, duplicates', TARGET, of('duplicates', TARGET)),
    ],
    targets: [
      atLeast(`ingest at ${TARGET}: ours / limit`, 0.8, ratio('limit')),
      atLeast(`ingest at ${TARGET}: ours / better-auth`, 6, ratio('better-auth')),
      below(`ingest at ${TARGET}: ours, p99`, 20, median(p99s(of(ours.name, TARGET))), ' ms'),
    ],
  }
}

async function createSides(setting: Setting): Promise<Side[]> {
  const { postgres, scope } = setting
  const url = await postgres.createDatabase('ingest')
  await migrate(url)
  await migrateJobs(url)
  const db = createDb(url, { maxConnections: CONNECTIONS })
  scope.add(() => db.$disconnect())
  const life = await playLife(db)
  const billing = createBilling({
    db,
    stripe: createStripe(SECRET_KEY),
    stripeWebhookSecrets: [WEBHOOK_SECRET],
    appUrl: APP_URL,
    logger: silent,
    sender: noMails,
  })
  const limit = await createLimit(url, scope, CONNECTIONS)
  const peer = await createPeer(setting, life, CUSTOMERS, CONNECTIONS)
  const mounted = `${APP_URL}/api/webhooks/stripe`
  const { invoicePaid: body, subscriptionUpdated } = life
  return [
    { name: 'limit', handle: limit, url: mounted, body },
    { name: 'ours', handle: billing.handleStripeWebhook, url: mounted, body },
    { name: 'better-auth', handle: peer, url: PEER_URL, body: subscriptionUpdated },
  ]
}

function requestOf({ url }: Side, payload: string): Request {
  const request = stripeWebhookRequest(payload, { secret: WEBHOOK_SECRET })
  return new Request(url, { method: 'POST', headers: request.headers, body: payload })
}

function add(figures: Map<string, Figures[]>, key: string, found: Figures): void {
  figures.set(key, [...(figures.get(key) ?? []), found])
}

const rateIn = (figures: Figures[], round: number): number =>
  figures[round]?.perSecond ?? Number.NaN

const p99s = (figures: Figures[]): number[] => figures.map(({ p99 }) => p99)

function rowsOf(name: string, concurrency: number, figures: Figures[]): Row[] {
  const label = `ingest, ${concurrency} at a time: ${name}`
  return [
    row(label, median(figures.map(({ perSecond }) => perSecond)), 'events/s'),
    row(`${label}, p50`, median(figures.map(({ p50 }) => p50)), 'ms'),
    row(`${label}, p99`, median(p99s(figures)), 'ms'),
  ]
}
