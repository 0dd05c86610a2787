/**
 * Processing: a backlog of renewals, one a customer, each known to the provider and not yet to the
 * database, drained by one worker process and by two. Every drain begins with a fresh copy of the
 * same database; one worker and two take turns, and the median is reported.
 *
 * @module
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createDb, type Database, migrate } from '@repo/db'
import { migrateJobs } from '@repo/jobs'
import { createProgress } from '../src/progress.ts'
import { PROCESS_EVENTS } from '../src/wake.ts'
import { readStripeEvent } from '../src/webhooks/stripe.ts'
import { type Child, startChild } from './child.ts'
import { say } from './command.ts'
import { copyRows, eventOf } from './copies.ts'
import { type Life, playLife } from './life.ts'
import type { ProviderSettings } from './provider-process.ts'
import { atLeast, median, type Report, row, type Setting } from './report.ts'
import type { WorkerSettings } from './worker-process.ts'

const BACKLOG = 'backlog'
/** A drain that gets nowhere for so long is broken. */
const STUCK_MS = 60_000

export async function measureProcessing(setting: Setting): Promise<Report> {
  const { options, folder, scope } = setting
  say(`processing: ${options.customers} customers, one event each`)
  const life = await createBacklog(setting)
  const snapshot = join(folder, 'life.json')
  writeFileSync(snapshot, JSON.stringify(life.snapshot))
  const settings: ProviderSettings = { snapshot, customers: options.customers }
  const provider = await startChild<{ stripeUrl: string }>(
    new URL('provider-process.ts', import.meta.url),
    settings,
  )
  scope.add(() => provider.stop())
  const one: number[] = []
  const two: number[] = []
  for (let drain = 0; drain < options.drains; drain += 1) {
    one.push(await measureDrain(setting, provider.ready.stripeUrl, 1))
    two.push(await measureDrain(setting, provider.ready.stripeUrl, 2))
  }
  await provider.stop()
  const gain = median(two.map((rate, drain) => rate / (one[drain] ?? Number.NaN)))
  return {
    rows: [
      row('processing: one worker', median(one), 'customer syncs/s'),
      row('processing: two workers', median(two), 'customer syncs/s'),
    ],
    targets: [
      atLeast('processing: one worker', 150, median(one), '/s'),
      atLeast('processing: two workers / one', 1.15, gain),
    ],
  }
}

/** The database that each drain begins with. */
async function createBacklog({ postgres, options, scope }: Setting): Promise<Life> {
  const url = await postgres.createDatabase(BACKLOG)
  await migrate(url)
  await migrateJobs(url)
  const db = createDb(url)
  scope.add(() => db.$disconnect())
  const life = await playLife(db)
  await db.$executeRaw`DELETE FROM graphile_worker._private_jobs`
  await copyRows(db, options.customers)
  await storeEvents(db, life.invoicePaid, options.customers)
  await db.$executeRaw`ANALYZE`
  await db.$disconnect()
  return life
}

async function storeEvents(db: Database, body: string, customers: number): Promise<void> {
  const data = Array.from({ length: customers }, (_, n) => {
    const payload = eventOf(body, n, n)
    const { isListened, ...event } = readStripeEvent(JSON.parse(payload), payload)
    return event
  })
  await db.webhookEvent.createMany({ data })
}

let drains = 0

/** Customers synced a second, from the wake-up to the last event's end by the database's clock. */
async function measureDrain(setting: Setting, stripeUrl: string, count: number): Promise<number> {
  const { postgres, scope, options } = setting
  drains += 1
  const name = `drain_${drains}`
  const databaseUrl = await postgres.createDatabase(name, { template: BACKLOG })
  const db = createDb(databaseUrl, { maxConnections: 1 })
  scope.add(() => db.$disconnect())
  const settings: WorkerSettings = { databaseUrl, stripeUrl }
  const workers: Child<object>[] = []
  for (let n = 0; n < count; n += 1) {
    const worker = await startChild<object>(new URL('worker-process.ts', import.meta.url), settings)
    scope.add(() => worker.stop())
    workers.push(worker)
  }
  const [{ began }] = await db.$queryRaw<[{ began: Date }]>`
    SELECT clock_timestamp() AS "began" FROM graphile_worker.add_job(${PROCESS_EVENTS})`
  await drained(db, options.customers, count)
  const [{ ended, failed }] = await db.$queryRaw<[{ ended: Date; failed: number }]>`
    SELECT max("processedAt") AS "ended",
      (count(*) FILTER (WHERE "status" <> 'processed' OR "attempts" > 1))::int AS "failed"
    FROM "WebhookEvent"`
  if (failed > 0) throw new Error(`${failed} events were not processed at the first try.`)
  await Promise.all(workers.map((worker) => worker.stop()))
  await db.$disconnect()
  await postgres.dropDatabase(name)
  return options.customers / ((ended.getTime() - began.getTime()) / 1000)
}

async function drained(db: Database, total: number, workers: number): Promise<void> {
  const progress = createProgress(`customers synced by ${workers === 1 ? 'one worker' : 'two'}`)
  let left = total
  let moved = Date.now()
  while (left > 0) {
    if (Date.now() - moved > STUCK_MS) throw new Error(`${left} events wait and none is processed.`)
    await wait(250)
    const now = await db.webhookEvent.count({ where: { status: 'pending' } })
    if (now < left) moved = Date.now()
    left = now
    progress.show(total - left, total)
  }
  progress.end()
}
