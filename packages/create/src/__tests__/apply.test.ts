/** A plan is applied whole or not at all, whatever happens on the way, and an update is taken back byte for byte. */

import { chmodSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { applyPlan, planAbort, takeBackPending, writeAll } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { openHost } from '../host.ts'
import type { Plan } from '../plan.ts'
import { planAdd } from '../plan-add.ts'
import { planUpdate } from '../plan-update.ts'
import { checkoutFiles, makeCheckout, read, temporaryFolder, treeOf, write } from './fixture.ts'

const GUARDS = 'packages/auth/src/guards.ts'
const guards = checkoutFiles()[GUARDS] as string

const upstream = {
  [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33'),
  'packages/auth/src/index.ts': null,
  'packages/auth/src/deep/new.ts': 'export {}\n',
}

/** A host with an edit, and its update: a merge, a deletion, a new file. */
function hostBeforeUpdate(): { host: string; plan: () => Plan } {
  const host = temporaryFolder()
  applyPlan(host, planAdd(openCheckout(makeCheckout()), openHost(host), ['auth']))
  rmSync(join(host, '.tollgate-receipt/last'), { recursive: true })
  write(host, { [GUARDS]: guards.replace('guard20 = 20', 'guard20 = 200') })
  chmodSync(join(host, GUARDS), 0o755)
  return { host, plan: () => planUpdate(openCheckout(makeCheckout(upstream)), openHost(host)) }
}

/** Every step of a plan. */
function stepsOf(host: string, plan: Plan): number {
  let steps = 0
  writeAll(host, plan, () => {
    steps += 1
  })
  return steps
}

test('an update that is killed at any step leaves the host as it was', () => {
  const trial = hostBeforeUpdate()
  const steps = stepsOf(trial.host, trial.plan())
  expect(steps).toBeGreaterThan(7)
  for (let killed = 1; killed <= steps; killed += 1) {
    const { host, plan } = hostBeforeUpdate()
    const before = treeOf(host)
    let step = 0
    const kill = () => {
      step += 1
      if (step === killed) throw new Error('killed')
    }
    expect(() => writeAll(host, plan(), kill)).toThrow('killed')
    takeBackPending(host)
    expect(treeOf(host), `killed at step ${killed}`).toEqual(before)
    // The next command works.
    applyPlan(host, plan())
    expect(read(host, GUARDS)).toContain('guard20 = 200')
    expect(read(host, GUARDS)).toContain('guard3 = 33')
  }
})

test('an add to an empty folder that is killed at any step leaves it empty', () => {
  const plan = (host: string) => planAdd(openCheckout(makeCheckout()), openHost(host), ['email'])
  const trial = temporaryFolder()
  const steps = stepsOf(trial, plan(trial))
  for (let killed = 1; killed < steps; killed += 1) {
    const host = temporaryFolder()
    let step = 0
    const kill = () => {
      step += 1
      if (step === killed) throw new Error('killed')
    }
    expect(() => writeAll(host, plan(host), kill)).toThrow('killed')
    takeBackPending(host)
    expect(treeOf(host), `killed at step ${killed}`).toEqual({})
  }
})

test('a file that cannot be written takes all changes back, and the error says which', () => {
  const { host, plan } = hostBeforeUpdate()
  const made = plan()
  // A folder stands where the plan writes a file.
  write(host, { 'packages/auth/src/deep/new.ts/x': '' })
  const before = treeOf(host)
  expect(() => applyPlan(host, made)).toThrow(expect.objectContaining({ code: 'write_failed' }))
  expect(treeOf(host)).toEqual(before)
})

test('a read-only file is not replaced', () => {
  const { host, plan } = hostBeforeUpdate()
  chmodSync(join(host, GUARDS), 0o444)
  const before = treeOf(host)
  expect(() => applyPlan(host, plan())).toThrow(
    expect.objectContaining({
      code: 'write_failed',
      message: expect.stringContaining(`${GUARDS} is read-only`),
    }),
  )
  expect(treeOf(host)).toEqual(before)
})

test('a file that changed after the plan was made is not overwritten', () => {
  const { host, plan } = hostBeforeUpdate()
  const made = plan()
  write(host, { [GUARDS]: 'newer\n' })
  const before = treeOf(host)
  expect(() => applyPlan(host, made)).toThrow(
    expect.objectContaining({
      code: 'write_failed',
      message: expect.stringContaining('Run the command again'),
    }),
  )
  expect(treeOf(host)).toEqual(before)
})

test('an update is taken back byte for byte, and only once', () => {
  const { host, plan } = hostBeforeUpdate()
  const before = treeOf(host)
  applyPlan(host, plan())
  expect(treeOf(host)).not.toEqual(before)
  applyPlan(host, planAbort(host))
  rmSync(join(host, '.tollgate-receipt/last'), { recursive: true })
  expect(treeOf(host)).toEqual(before)
  expect(() => planAbort(host)).toThrow(expect.objectContaining({ code: 'nothing_to_abort' }))
})

test('an update is not taken back over a file that changed after it, unless forced', () => {
  const { host, plan } = hostBeforeUpdate()
  const before = treeOf(host)
  applyPlan(host, plan())
  write(host, { [GUARDS]: 'newer\n' })
  expect(() => planAbort(host)).toThrow(
    expect.objectContaining({ code: 'nothing_to_abort', message: expect.stringContaining(GUARDS) }),
  )
  applyPlan(host, planAbort(host, { force: true }))
  rmSync(join(host, '.tollgate-receipt/last'), { recursive: true })
  expect(treeOf(host)).toEqual(before)
})
