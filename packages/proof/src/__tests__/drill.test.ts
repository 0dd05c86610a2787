/** The fault drill in small: any history, any deliveries, any crash, and the end state is right. */

import fc from 'fast-check'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { ACTS, type DrillAct, drillHistory, planDeliveries } from '../drill/index.ts'
import { createRig } from './drill-rig.ts'

let rig: Awaited<ReturnType<typeof createRig>>
beforeAll(async () => {
  rig = await createRig(inject('postgres'))
})
afterAll(() => rig.close())

const acts = Object.keys(ACTS) as DrillAct[]
const step = fc.record({
  who: fc.nat({ max: 2 }),
  does: fc.oneof(
    ...acts.map((act) => ({ arbitrary: fc.constant(act), weight: Math.ceil(ACTS[act]) })),
  ),
  pick: fc.nat({ max: 999 }),
})

const RUNS = Number(process.env.DRILL_RUNS ?? 12)

test('promises 1 and 2: any history, delivered in any way through any crash, ends right', async () => {
  const scenario = fc.record({
    steps: fc.array(step, { minLength: 4, maxLength: 24, size: 'max' }),
    seed: fc.integer({ min: 0 }),
    faultRate: fc.constantFrom(0, 0.01, 0.04, 0.1),
  })
  await fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      expect(await rig.run(given)).toEqual([])
    }),
    {
      numRuns: RUNS,
      ...(process.env.DRILL_SEED ? { seed: Number(process.env.DRILL_SEED) } : {}),
    },
  )
})

test('promises 1 and 2: a seed repeats its history and its deliveries', () => {
  const options = { seed: 7, steps: 40, customers: 5 }
  expect(drillHistory(options)).toEqual(drillHistory(options))
  expect(drillHistory({ ...options, steps: 60 }).slice(0, 40)).toEqual(drillHistory(options))
  expect(drillHistory({ ...options, seed: 8 })).not.toEqual(drillHistory(options))
  expect(planDeliveries(7, 3, { reach: 40 })).toEqual(planDeliveries(7, 3, { reach: 40 }))
})
