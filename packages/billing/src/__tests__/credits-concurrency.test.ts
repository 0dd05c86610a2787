/** Promise 3: however many ask at once, in two processes, nothing is lost and nothing doubled. */

import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
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

test('promise 3: of 1,500 tries to take one of 500 by 64 callers, 500 succeed', () =>
  checks.overspend(crowd))
test('promise 3: 100 keys, each eight times at once, take 100 and answer alike', () =>
  checks.duplicates(crowd))
test('promise 3: an account is begun once, however many grant at once', () =>
  checks.beginnings(crowd))
test('promise 3: a key for two credit types at once is one’s and refused to the other', () =>
  checks.twoTypes(crowd))
test('promise 3: a hold that many settle at once is settled once', () => checks.settlements(crowd))
test('promise 3: of everything at once each answer is in the ledger, once', () =>
  checks.mixture(crowd))
