/** Listening: what was sent arrives, and a connection that says nothing counts as none. */

import { lazy } from '@repo/core'
import { until } from '@repo/core/testing'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { asDatabase, databaseUrlOf } from '../client.ts'
import { type Listener, listen } from '../listen.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'
import { createWire, type Wire } from './wire.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())

let wire: Wire
/** While it is, nothing passes, and nobody is told. */
let isHeld = false
let heard: string[] = []
let connections = 0
let answeredAt = 0
let listener: Listener
beforeEach(async () => {
  isHeld = false
  heard = []
  connections = 0
  const passing = (chunk: Buffer, pass: (chunk: Buffer) => void) => {
    if (!isHeld) pass(chunk)
  }
  const answered: typeof passing = (chunk, pass) => {
    if (!isHeld) answeredAt = Date.now()
    passing(chunk, pass)
  }
  wire = await createWire(database.url, { asked: passing, answered })
  listener = listen({
    url: wire.url,
    channel: 'test channel',
    async onConnect() {
      connections += 1
    },
    onNotify: (payload) => heard.push(payload),
  })
  await current(true)
})
afterEach(() => {
  listener.close()
  wire.close()
})

const current = (is: boolean) => until(() => listener.isCurrent(Date.now()) === is)

const send = (payload: string) =>
  database.db.$executeRaw`SELECT pg_notify('test channel', ${payload})`

test('what was committed before is here once it has settled', async () => {
  for (let n = 0; n < 50; n += 1) {
    await send(String(n))
    await Promise.all([listener.settle(), listener.settle()])
    expect(heard.at(-1)).toBe(String(n))
  }
  expect(heard).toHaveLength(50)
})

test('a connection that was cut is replaced', async () => {
  wire.cut()
  await expect.poll(() => connections).toBeGreaterThan(1)
  await current(true)
  await send('after')
  await listener.settle()
  expect(heard).toContain('after')
})

test('a connection that only went silent counts as lost after two seconds', async () => {
  isHeld = true
  await current(false)
  expect(Date.now() - answeredAt).toBeGreaterThan(1_000)
  await listener.settle()
  isHeld = false
  await current(true)
  expect(connections).toBeGreaterThan(1)
})

test('a closed one is never current', async () => {
  listener.close()
  expect(listener.isCurrent(Date.now())).toBe(false)
  await listener.settle()
  // Longer than the first pause before it would connect again.
  await new Promise((done) => setTimeout(done, 200))
  expect(connections).toBe(1)
})

test('where a client connects is known, also behind a lazy one and an extended one', () => {
  const { db, url } = database
  expect(databaseUrlOf(db)).toBe(url)
  expect(databaseUrlOf(lazy(() => db))).toBe(url)
  expect(databaseUrlOf(asDatabase(db.$extends({})))).toBe(url)
  expect(databaseUrlOf({} as typeof db)).toBeNull()
})
