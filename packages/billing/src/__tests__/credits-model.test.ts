/** Promise 3: any history of one owner ends where a simple model of it ends, step by step. */

import { createTestDatabase } from '@repo/db/testing'
import fc from 'fast-check'
import { expect, inject, test } from 'vitest'
import { ledgerViolations } from '../testing.ts'
import { history, play } from './credits-history.ts'

const RUNS = Number(process.env.CREDITS_RUNS ?? 80)
const SEED = Number(process.env.CREDITS_SEED ?? Math.floor(Math.random() * 2 ** 31))

test('promise 3: the ledger does what the model does', async () => {
  process.stderr.write(`CREDITS_SEED=${SEED} CREDITS_RUNS=${RUNS}\n`)
  const database = await createTestDatabase(inject('postgres'))
  const property = fc.asyncProperty(history, (steps) => play(database.db, steps))
  await fc.assert(property, { numRuns: RUNS, seed: SEED })
  expect(await ledgerViolations(database.db)).toEqual([])
  await database.drop()
})
