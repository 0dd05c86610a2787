/** Promise 3: however many ask at once, in many processes, nothing is lost and nothing doubled. */

import { atomically, createDb } from '@repo/db'
import {
  countLockWaits,
  createTestDatabase,
  type TestDatabase,
  WITHOUT_HURRY,
} from '@repo/db/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import { ledgerViolations } from '../testing.ts'
import * as checks from './credits-crowd.ts'

let database: TestDatabase
let crowd: checks.Crowd
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  crowd = checks.createCrowd(database.url)
})
afterAll(async () => {
  expect(await ledgerViolations(database.db)).toEqual([])
  await crowd.close()
  await database.drop()
})

test('promise 3: of 1,500 tries by 64 callers to take one of 500 credits, 500 succeed', () =>
  checks.overspend(crowd))
test('promise 3: 100 keys, each used eight times at once, take 100 credits and answer alike', () =>
  checks.duplicates(crowd))
test('promise 3: an account is created once, however many callers grant at once', () =>
  checks.beginnings(crowd))
test('promise 3: a key that is used for two credit types at once works for one and is refused to the other', () =>
  checks.twoTypes(crowd))
test('promise 3: a hold that many callers settle at once is settled once', () =>
  checks.settlements(crowd))
test('promise 3: with all kinds of calls at once each answer is in the ledger, once', () =>
  checks.mixture(crowd))

test('callers that wait for one account hold one connection, and other accounts go on', async () => {
  const db = createDb(database.url, { maxConnections: 4 })
  const billing = createBilling({ db, appUrl: 'http://localhost' })
  const [busy, free] = ['busy', 'free']
  for (const owner of [busy, free]) {
    await billing.grantCredits(owner, 100, { idempotencyKey: 'first' })
  }
  let waiting: Promise<unknown>[] = []
  await atomically(
    database.db,
    async (tx) => {
      await billing.deductCredits(busy, 1, '', { tx })
      waiting = Array.from({ length: 20 }, () => billing.deductCredits(busy, 1, ''))
      for (let left = 99; left > 79; left -= 1) {
        expect(await billing.deductCredits(free, 1, '')).toMatchObject({ balance: left })
      }
      await expect.poll(() => countLockWaits(database.db)).toBe(1)
    },
    WITHOUT_HURRY,
  )
  const balances = (await Promise.all(waiting)).map((done) => (done as { balance: number }).balance)
  expect(new Set(balances)).toEqual(new Set(Array.from({ length: 20 }, (_, at) => 98 - at)))
  await db.$disconnect()
})
