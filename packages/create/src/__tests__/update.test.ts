/** `tollgate update`, `check-update`, `diff` and `remove`: the host's changes survive, whatever upstream does. */

import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { applyPlan } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { hostChanges } from '../diff.ts'
import { openHost } from '../host.ts'
import { migrationsBetween } from '../migrations.ts'
import { planAdd } from '../plan-add.ts'
import { planRemove } from '../plan-remove.ts'
import { planUpdate, requireReceipt } from '../plan-update.ts'
import {
  checkoutFiles,
  commitAll,
  makeCheckout,
  read,
  readJson,
  temporaryFolder,
  treeOf,
  write,
} from './fixture.ts'

function hostWithAuth(options = {}): string {
  const host = temporaryFolder()
  applyPlan(host, planAdd(openCheckout(makeCheckout()), openHost(host), ['auth'], options))
  return host
}

/** Updates to a checkout with these changes. */
function update(host: string, changes: Record<string, string | null>, options = {}) {
  const version = readJson(host, '.tollgate-receipt/receipt.json').version.replace(
    /\d+$/,
    (n: string) => `${Number(n) + 1}`,
  )
  const root = (checkoutFiles()['package.json'] as string).replace('0.1.0', version)
  const plan = planUpdate(
    openCheckout(makeCheckout({ 'package.json': root, ...changes })),
    openHost(host),
    options,
  )
  applyPlan(host, plan)
  return plan
}

const GUARDS = 'packages/auth/src/guards.ts'
const INDEX = 'packages/auth/src/index.ts'
const ORIGINAL = checkoutFiles()
const guards = ORIGINAL[GUARDS] as string
const why = (plan: ReturnType<typeof update>) =>
  Object.fromEntries(
    plan.changes.filter(({ why }) => why !== 'receipt').map(({ path, why }) => [path, why]),
  )

test('a file that nobody edited is replaced, a new file comes, a file that is gone goes', () => {
  const host = hostWithAuth()
  const plan = update(host, {
    [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33'),
    'packages/auth/src/added.ts': 'export {}\n',
    'packages/core/src/index.ts': null,
    'packages/core/src/other.ts': 'export const four = 4\n',
  })
  expect(why(plan)).toEqual({
    [GUARDS]: 'update',
    'packages/auth/src/added.ts': 'create',
    'packages/core/src/index.ts': 'delete',
    'packages/core/src/other.ts': 'create',
  })
  expect(read(host, GUARDS)).toContain('guard3 = 33')
  expect(plan.conflicts).toEqual([])
  expect(
    update(host, {
      [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33'),
      'packages/auth/src/added.ts': 'export {}\n',
      'packages/core/src/index.ts': null,
      'packages/core/src/other.ts': 'export const four = 4\n',
    }).changes.map(({ why }) => why),
  ).toEqual(['receipt'])
})

test('an edited file is merged, in the scope and the place of the host', () => {
  const host = hostWithAuth({ scope: '@acme', directory: 'libs' })
  const path = 'libs/auth/src/index.ts'
  write(host, { [path]: read(host, path).replace('signOut = () => true', 'signOut = () => false') })
  const plan = update(host, {
    [INDEX]: (ORIGINAL[INDEX] as string).replace('export { one }', 'export { one, two }'),
  })
  expect(why(plan)).toEqual({ [path]: 'merge' })
  expect(read(host, path)).toContain("export { one, two } from '@acme/core'")
  expect(read(host, path)).toContain('signOut = () => false')
})

test('where both changed the same lines the host’s file stays, and the update waits for a person', () => {
  const host = hostWithAuth()
  const mine = guards.replace('guard3 = 3', 'guard3 = 300')
  write(host, { [GUARDS]: mine })
  const plan = update(host, { [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33') })
  expect(plan.conflicts).toEqual([GUARDS])
  expect(read(host, GUARDS)).toBe(mine)
  expect(read(host, `${GUARDS}.tollgate-new`)).toContain('guard3 = 33')
  const next = {
    [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33').replace('guard9 = 9', 'guard9 = 99'),
  }
  expect(() => update(host, next)).toThrow(
    expect.objectContaining({ code: 'unresolved', message: expect.stringContaining(GUARDS) }),
  )
  // The person keeps the host's text. The next update merges what is new since then, and not that line again.
  rmSync(join(host, `${GUARDS}.tollgate-new`))
  expect(update(host, next).conflicts).toEqual([])
  expect(read(host, GUARDS)).toBe(mine.replace('guard9 = 9', 'guard9 = 99'))
})

test('a file that the host deleted stays deleted, and comes back when asked for', () => {
  const host = hostWithAuth()
  rmSync(join(host, GUARDS))
  const changes = { [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33') }
  const plan = update(host, changes)
  expect(why(plan)).toEqual({})
  expect(plan.notes).toContainEqual({
    path: GUARDS,
    why: expect.stringContaining('You deleted it'),
  })
  expect(why(update(host, changes, { restore: true }))).toEqual({ [GUARDS]: 'create' })
})

test('the host’s changes follow a file that moved', () => {
  const host = hostWithAuth()
  write(host, { [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 300') })
  const to = 'packages/auth/src/http/guards.ts'
  const plan = update(host, {
    [GUARDS]: null,
    [to]: guards.replace('guard20 = 20', 'guard20 = 200'),
  })
  expect(why(plan)).toEqual({ [GUARDS]: 'delete', [to]: 'move' })
  expect(read(host, to)).toContain('guard3 = 300')
  expect(read(host, to)).toContain('guard20 = 200')
})

test('an edited file that is gone upstream stays with the host', () => {
  const host = hostWithAuth()
  write(host, { [GUARDS]: `${guards}// mine\n` })
  const plan = update(host, { [GUARDS]: null })
  expect(why(plan)).toEqual({})
  expect(plan.notes).toContainEqual({
    path: GUARDS,
    why: expect.stringContaining('It is yours now'),
  })
})

test('a file that the host made where upstream adds one is not touched', () => {
  const host = hostWithAuth()
  write(host, { 'packages/auth/src/extra.ts': 'mine\n' })
  const plan = update(host, { 'packages/auth/src/extra.ts': 'theirs\n' })
  expect(plan.conflicts).toEqual(['packages/auth/src/extra.ts'])
  expect(read(host, 'packages/auth/src/extra.ts')).toBe('mine\n')
})

test('line ends that git or an editor changed are no edit, and stay', () => {
  const host = hostWithAuth()
  for (const path of [GUARDS, INDEX])
    write(host, { [path]: read(host, path).replaceAll('\n', '\r\n') })
  expect(hostChanges(openHost(host), requireReceipt(openHost(host)))).toEqual([])
  update(host, { [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33') })
  expect(read(host, GUARDS)).toBe(
    guards.replace('guard3 = 3', 'guard3 = 33').replaceAll('\n', '\r\n'),
  )
})

test('values in the host’s files follow upstream where the host left them', () => {
  const host = hostWithAuth()
  const root = readJson(host, 'package.json')
  write(host, {
    'package.json': JSON.stringify(
      { ...root, devDependencies: { ...root.devDependencies, tsx: '5.0.0' } },
      null,
      2,
    ),
  })
  const next = JSON.parse(ORIGINAL['package.json'] as string)
  update(host, {
    'package.json': JSON.stringify({
      ...next,
      version: '0.1.1',
      devDependencies: { tsx: '4.24.0', typescript: '7.1.0' },
    }),
    'pnpm-workspace.yaml': (ORIGINAL['pnpm-workspace.yaml'] as string)
      .replace('better-auth: 1.7.25', 'better-auth: 1.8.0')
      .replace('  zod: 4.6.7\n', ''),
  })
  expect(readJson(host, 'package.json').devDependencies).toEqual({
    tsx: '5.0.0',
    typescript: '7.1.0',
  })
  expect(read(host, 'pnpm-workspace.yaml')).toContain('better-auth: 1.8.0')
  expect(read(host, 'pnpm-workspace.yaml')).not.toContain('zod')
})

test('a diff shows what the host changed', () => {
  const host = hostWithAuth()
  write(host, { [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 300') })
  rmSync(join(host, INDEX))
  expect(hostChanges(openHost(host), requireReceipt(openHost(host)))).toEqual([
    {
      path: GUARDS,
      status: 'edited',
      patch: expect.stringContaining('+export const guard3 = 300'),
    },
    { path: INDEX, status: 'deleted', patch: null },
  ])
})

test('remove takes out what was copied, and leaves what the host changed', () => {
  const host = temporaryFolder()
  write(host, { 'package.json': '{\n  "name": "acme"\n}\n', 'src/app.ts': 'mine\n' })
  const before = treeOf(host)
  const checkout = openCheckout(makeCheckout())
  applyPlan(host, planAdd(checkout, openHost(host), ['auth', 'email']))
  expect(() => planRemove(checkout, openHost(host), ['core'])).toThrow(
    expect.objectContaining({ code: 'part_needed' }),
  )
  applyPlan(host, planRemove(checkout, openHost(host), ['email']))
  expect(read(host, '.env.example')).not.toContain('RESEND_API_KEY')
  expect(Object.keys(treeOf(host)).filter((path) => path.includes('email'))).toEqual([])
  write(host, { [GUARDS]: `${guards}// mine\n` })
  const plan = planRemove(checkout, openHost(host), [])
  applyPlan(host, plan)
  expect(plan.notes).toContainEqual({ path: GUARDS, why: expect.stringContaining('so it stays') })
  rmSync(join(host, 'packages'), { recursive: true })
  rmSync(join(host, '.tollgate-receipt'), { recursive: true })
  expect(treeOf(host)).toEqual(before)
})

test('the steps of a version are told once', () => {
  const all = [
    { name: '0.2.0 guards', version: '0.2.0', steps: ['Rename requireUser.'] },
    { name: '0.10.0 plans', version: '0.10.0', steps: ['Push the plans.'] },
  ]
  const names = (version: string, migrations: string[], to: string) =>
    migrationsBetween({ version, migrations }, to, all).map(({ name }) => name)
  expect(names('0.1.0', [], '0.9.0')).toEqual(['0.2.0 guards'])
  expect(names('0.1.0', ['0.2.0 guards'], '0.10.0')).toEqual(['0.10.0 plans'])
  expect(names('0.2.0', [], '0.10.0')).toEqual(['0.10.0 plans'])
})

/** A generator of numbers that a seed repeats. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state % below
  }
}

test('twenty updates in a row keep fifty edits of the host', () => {
  const next = numbers(7)
  const names = Array.from({ length: 25 }, (_, n) => `packages/auth/src/part${n}.ts`)
  const upstream: Record<string, string> = {}
  for (const name of names)
    upstream[name] = Array.from({ length: 80 }, (_, n) => `export const v${n} = ${n}\n`).join('')
  const host = temporaryFolder()
  applyPlan(host, planAdd(openCheckout(makeCheckout(upstream)), openHost(host), ['auth']))
  const edits: { path: string; line: string }[] = []
  for (let n = 0; n < 50; n += 1) {
    const path = names[n % names.length] as string
    const line = `export const mine${n} = true`
    const lines = read(host, path).split('\n')
    lines.splice(4 * (n < 25 ? 2 : 6), 0, line)
    write(host, { [path]: lines.join('\n') })
    edits.push({ path, line })
  }
  let merged = 0
  let waited = 0
  for (let round = 1; round <= 20; round += 1) {
    for (let n = 0; n < 12; n += 1) {
      const name = names[next(names.length)] as string
      const at = next(80)
      upstream[name] = (upstream[name] as string).replace(
        new RegExp(`v${at} = .*`),
        `v${at} = ${round * 1000 + at}`,
      )
    }
    const plan = update(host, upstream)
    merged += plan.changes.filter(({ why }) => why === 'merge').length
    waited += plan.conflicts.length
    for (const path of plan.conflicts) rmSync(join(host, `${path}.tollgate-new`))
    for (const { path, line } of edits) expect(read(host, path)).toContain(line)
  }
  expect(merged).toBeGreaterThan(100)
  expect(merged / (merged + waited)).toBeGreaterThanOrEqual(0.9)
})

test('an older checkout is refused, unless it is asked for', () => {
  const host = hostWithAuth()
  const older = (checkout: string, options = {}) =>
    planUpdate(openCheckout(checkout), openHost(host), options)
  const root = (checkoutFiles()['package.json'] as string).replace('0.1.0', '0.0.9')
  const before = makeCheckout({ 'package.json': root })
  expect(() => older(before)).toThrow(
    'The checkout (0.0.9) is older than what the host has (0.1.0). Update the checkout, or add --downgrade.',
  )
  expect(older(before, { downgrade: true }).changes).not.toEqual([])

  // Of one version, the commits tell.
  const checkout = makeCheckout()
  commitAll(checkout)
  const first = openCheckout(checkout).commit as string
  write(checkout, { [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33') })
  commitAll(checkout)
  applyPlan(host, planUpdate(openCheckout(checkout), openHost(host)))
  execFileSync('git', ['-C', checkout, 'checkout', '-q', first])
  expect(() => older(checkout)).toThrow(/is older than what the host has/)
  expect(why(older(checkout, { downgrade: true }) as ReturnType<typeof update>)).toEqual({
    [GUARDS]: 'update',
  })
})

test('a receipt whose two files are of different copies is refused, and changes nothing', () => {
  const host = hostWithAuth()
  const base = readFileSync(join(host, '.tollgate-receipt/base.br'))
  update(host, { [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33') })
  // As git leaves them after a merge of two branches: the text merges, and the binary file is of one side.
  writeFileSync(join(host, '.tollgate-receipt/base.br'), base)
  const before = treeOf(host)
  expect(() => update(host, {})).toThrow(
    /receipt\.json and \.tollgate-receipt\/base\.br are of different copies.*from one commit/,
  )
  expect(treeOf(host)).toEqual(before)
})
