/**
 * Measures processing: one worker process, and then two, drain a backlog with one renewal for each customer.
 * The provider has these renewals, and the database does not have them yet. Every drain begins with a fresh
 * copy of the same database. One worker and two workers take turns, and the median is reported.
 *
 * @module
 */

import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { PROCESS_EVENTS, readStripeEvent } from '@repo/billing/testing'
import { createProgress } from '@repo/core/cli'
import { createDb, type Database, migrate } from '@repo/db'
import { migrateJobs } from '@repo/jobs'
import { type Child, startChild } from '../harness/child.ts'
import { say } from '../harness/command.ts'
import { atLeast, median, type Report, row } from '../harness/report.ts'
import { copyRows, eventOf } from './copies.ts'
import { type Life, playLife } from './life.ts'
import type { ProviderSettings } from './provider-process.ts'
import type { Setting } from './setting.ts'
import type { WorkerSettings } from './worker-process.ts'

/** Name of the database that is copied. */
const BACKLOG = 'backlog'
/** Customers that each worker syncs before the measurement, because a running worker is warm. */
const WARM_UP = 150
/** A drain without progress for this long is broken. */
const STUCK_MS = 60_000

/** Measures drains by one and by two workers. */
export async function measureProcessing(setting: Setting): Promise<Report> {
  const { options, folder, scope } = setting
  say(`processing: ${options.customers} customers, one event each`)
  const life = await createBacklog(setting)
  const snapshot = join(folder, 'life.json')
  writeFileSync(snapshot, JSON.stringify(life.snapshot))
  const settings: ProviderSettings = { snapshot, customers: all(options) }
  const provider = await startChild<{ stripeUrl: string }>(
    new URL('provider-process.ts', import.meta.url),
    settings,
  )
  scope.add(() => provider.stop())
  const one: Drain[] = []
  const two: Drain[] = []
  for (let drain = 0; drain < options.drains; drain += 1) {
    one.push(await measureDrain(setting, provider.ready.stripeUrl, 1))
    two.push(await measureDrain(setting, provider.ready.stripeUrl, 2))
  }
  await provider.stop()
  const gain = median(two.map(({ rate }, drain) => rate / (one[drain]?.rate ?? Number.NaN)))
  const rate = (drains: Drain[]) => median(drains.map((drain) => drain.rate))
  const busy = (drains: Drain[]) => median(drains.map((drain) => drain.busyCores))
  const of = `cores of ${cpus().length}`
  return {
    rows: [
      row('processing: one worker', rate(one), 'customer syncs/s'),
      row('processing: one worker, in use', busy(one), of),
      row('processing: two workers', rate(two), 'customer syncs/s'),
      row('processing: two workers, in use', busy(two), of),
    ],
    targets: [
      atLeast('processing: one worker', 150, rate(one), '/s'),
      atLeast('processing: two workers / one', 1.15, gain),
    ],
  }
}

/** Creates the database that each drain copies. */
async function createBacklog({ postgres, options, scope }: Setting): Promise<Life> {
  const url = await postgres.createDatabase(BACKLOG)
  await migrate(url)
  await migrateJobs(url)
  const db = createDb(url)
  scope.add(() => db.$disconnect())
  const life = await playLife(db)
  await db.$executeRaw`DELETE FROM graphile_worker._private_jobs`
  await copyRows(db, all(options))
  await storeEvents(db, life.invoicePaid, all(options))
  await db.$executeRaw`ANALYZE`
  await db.$disconnect()
  return life
}

async function storeEvents(db: Database, body: string, customers: number): Promise<void> {
  const data = Array.from({ length: customers }, (_, n) => {
    const payload = eventOf(body, n, n)
    const { isListened, ...event } = readStripeEvent(JSON.parse(payload), payload)
    // `drain` makes the event pending later.
    return { ...event, status: 'ignored' }
  })
  await db.webhookEvent.createMany({ data })
}

/** The measured customers, and those for warming up. */
const all = ({ customers }: Setting['options']): number => customers + 2 * WARM_UP

/** The result of a drain. */
interface Drain {
  /** Customers synced a second. */
  rate: number
  /** How many of the machine's cores were busy, with any work. If all were busy, more workers gain nothing. */
  busyCores: number
}

let drains = 0

/**
 * Measures customers synced a second by warm workers, from the job's creation to the end of the last event,
 * by the database's clock.
 */
async function measureDrain(setting: Setting, stripeUrl: string, count: number): Promise<Drain> {
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
  await drain(db, count * WARM_UP, 'to warm up')
  const before = coreSeconds()
  const began = await drain(db, options.customers, count === 1 ? 'by one worker' : 'by two')
  const after = coreSeconds()
  const [{ ended, failed }] = await db.$queryRaw<[{ ended: Date; failed: number }]>`
    SELECT max("processedAt") AS "ended",
      (count(*) FILTER (WHERE "attempts" > 1 OR "reason" IS NOT NULL))::int AS "failed"
    FROM "WebhookEvent"`
  if (failed > 0)
    throw new Error(
      `${failed} events were not processed at the first attempt, so the figures would be wrong.`,
    )
  await Promise.all(workers.map((worker) => worker.stop()))
  await db.$disconnect()
  await postgres.dropDatabase(name)
  return {
    rate: options.customers / ((ended.getTime() - began.getTime()) / 1000),
    busyCores: cpus().length * ((after.busy - before.busy) / (after.all - before.all)),
  }
}

function coreSeconds(): { busy: number; all: number } {
  const times = cpus().map((core) => core.times)
  const sum = (part: (of: (typeof times)[number]) => number) =>
    times.reduce((total, of) => total + part(of), 0)
  const busy = sum(({ user, nice, sys, irq }) => user + nice + sys + irq)
  return { busy, all: busy + sum(({ idle }) => idle) }
}

/** Makes `total` events due and waits until they are processed. Returns when the drain began. */
async function drain(db: Database, total: number, how: string): Promise<Date> {
  await db.$executeRaw`
    UPDATE "WebhookEvent" SET "status" = 'pending' WHERE "eventId" IN
      (SELECT "eventId" FROM "WebhookEvent" WHERE "status" = 'ignored' LIMIT ${total})`
  const [{ began }] = await db.$queryRaw<[{ began: Date }]>`
    SELECT clock_timestamp() AS "began" FROM graphile_worker.add_job(${PROCESS_EVENTS})`
  const progress = createProgress(`customers synced ${how}`)
  let left = total
  let moved = Date.now()
  while (left > 0) {
    if (Date.now() - moved > STUCK_MS)
      throw new Error(`${left} events are pending, and none was processed for a minute.`)
    await wait(250)
    const now = await db.webhookEvent.count({ where: { status: 'pending' } })
    if (now < left) moved = Date.now()
    left = now
    progress.show(total - left, total)
  }
  progress.end()
  return began
}
