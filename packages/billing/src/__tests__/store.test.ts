/** Events that arrive together are stored together, and each is answered for itself. */

import { randomUUID } from 'node:crypto'
import { createTestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { EventRow } from '../webhooks/row.ts'
import { createEventStore } from '../webhooks/store.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())

const row = (eventId: string, changes: Partial<EventRow> = {}): EventRow => ({
  provider: 'stripe',
  eventId,
  type: 'invoice.paid',
  subject: 'cus_1',
  providerCreatedAt: new Date(1_700_000_000_000),
  apiVersion: null,
  livemode: false,
  source: 'delivery',
  payload: `{"id":"${eventId}"}`,
  status: 'pending',
  reason: null,
  ...changes,
})
const ids = (count: number) => Array.from({ length: count }, () => `evt_${randomUUID()}`)
const stored = (eventIds: string[]) =>
  database.db.webhookEvent.findMany({ where: { eventId: { in: eventIds } } })

test('promise 1: 300 events at once are each stored as they were sent, in few statements', async () => {
  const { db } = database
  const store = createEventStore(db)
  const all = ids(300)
  expect(await Promise.all(all.map((id) => store(row(id))))).toEqual(all.map(() => true))
  const [{ commits }] = await db.$queryRaw<[{ commits: number }]>`
    SELECT count(DISTINCT xmin::text)::int AS commits FROM "WebhookEvent"
    WHERE "eventId" = ANY(${all})`
  expect(commits).toBeLessThan(20)
  const found = await stored(all)
  expect(found).toHaveLength(300)
  for (const event of found) expect(event).toMatchObject(row(event.eventId))
})

test('promise 1: one of many deliveries of an event, in two processes, is new', async () => {
  const all = ids(60)
  const deliverAll = (order: string[]) => {
    const store = createEventStore(database.db)
    return Promise.all(order.map(async (id) => ({ id, isNew: await store(row(id)) })))
  }
  const answers = await Promise.all([
    deliverAll([...all, ...all]),
    deliverAll([...all, ...all].reverse()),
  ])
  for (const id of all) {
    expect(answers.flat().filter((answer) => answer.id === id && answer.isNew)).toHaveLength(1)
  }
  expect(await stored(all)).toHaveLength(60)
})

test('the same id of two providers is two events', async () => {
  const store = createEventStore(database.db)
  const [id] = ids(1) as [string]
  expect(
    await Promise.all([store(row(id)), store(row(id, { provider: 'local' })), store(row(id))]),
  ).toEqual([true, true, false])
})

test('promise 1: an event that cannot be stored fails alone', async () => {
  const store = createEventStore(database.db)
  const all = ids(50)
  const bad = all[30] as string
  const answers = await Promise.allSettled(
    all.map((id) => store(row(id, id === bad ? { subject: 'cus_\0' } : {}))),
  )
  expect(answers.map(({ status }) => status)).toEqual(
    all.map((id) => (id === bad ? 'rejected' : 'fulfilled')),
  )
  expect(await stored(all)).toHaveLength(49)
})

test('promise 1: no event is reported as stored while the database refuses, and storing continues afterwards', async () => {
  const { db } = database
  const store = createEventStore(db)
  await db.$executeRaw`ALTER TABLE "WebhookEvent" RENAME TO "Away"`
  const all = ids(10)
  const answers = await Promise.allSettled(all.map((id) => store(row(id))))
  await db.$executeRaw`ALTER TABLE "Away" RENAME TO "WebhookEvent"`
  expect(answers.map(({ status }) => status)).toEqual(all.map(() => 'rejected'))
  expect(await Promise.all(all.map((id) => store(row(id))))).toEqual(all.map(() => true))
})
