/** What a host's files, other processes and people may do to a command: it says so and loses nothing. */

import { spawn } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { applyPlan, planAbort, takeBackPending, writeAll } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { openHost } from '../host.ts'
import type { Plan } from '../plan.ts'
import { planAdd } from '../plan-add.ts'
import { planRemove } from '../plan-remove.ts'
import { planUpdate } from '../plan-update.ts'
import { checkoutFiles, makeCheckout, read, temporaryFolder, treeOf, write } from './fixture.ts'

const GUARDS = 'packages/auth/src/guards.ts'
const guards = checkoutFiles()[GUARDS] as string
const newer = { [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33') }
const code = (code: string) => expect.objectContaining({ code })

function hostWith(files: Record<string, string> = {}): string {
  const host = temporaryFolder()
  write(host, files)
  applyPlan(host, planAdd(openCheckout(makeCheckout()), openHost(host), ['auth']))
  return host
}

const updateOf = (host: string, changes: Record<string, string | null> = newer): Plan =>
  planUpdate(openCheckout(makeCheckout(changes)), openHost(host))

/** Applies a plan up to a step, as a kill at that step would. */
function killedAt(host: string, plan: Plan, at: string): void {
  const kill = (step: string) => {
    if (step === at) throw new Error('killed')
  }
  expect(() => writeAll(host, plan, kill)).toThrow('killed')
}

test('a .gitignore that is not UTF-8 is refused, and not replaced', () => {
  const host = temporaryFolder()
  writeFileSync(join(host, '.gitignore'), Buffer.from('\uFEFFsecrets/\r\n', 'utf16le'))
  const before = treeOf(host)
  expect(() => planAdd(openCheckout(makeCheckout()), openHost(host), ['auth'])).toThrow(
    code('invalid_host'),
  )
  expect(treeOf(host)).toEqual(before)
})

test('an edit in another encoding is not merged into broken letters', () => {
  const host = hostWith()
  const edited = Buffer.from(guards.replace('guard20 = 20', 'guard20 = 20 // é'), 'latin1')
  writeFileSync(join(host, GUARDS), edited)
  const plan = updateOf(host)
  expect(plan.conflicts).toEqual([GUARDS])
  applyPlan(host, plan)
  expect(readFileSync(join(host, GUARDS))).toEqual(edited)
})

test('mixed line ends of a host stay on the lines that have them', () => {
  const host = hostWith({ '.gitignore': 'a\r\nb\nc\n' })
  expect(read(host, '.gitignore')).toMatch(/^a\r\nb\nc\n/)
  const mixed = guards.replace('guard20 = 20\n', 'guard20 = 20\r\n')
  write(host, { [GUARDS]: mixed.replace('guard25 = 25', 'guard25 = 250') })
  applyPlan(host, updateOf(host))
  const text = read(host, GUARDS)
  expect(text).toContain('guard3 = 33\n')
  expect(text).toContain('guard20 = 20\r\n')
  expect(text).toContain('guard25 = 250\n')
  expect(text.match(/\r/g)).toHaveLength(1)
})

test('a folder in the place of a file is named', () => {
  const host = hostWith()
  rmSync(join(host, GUARDS))
  mkdirSync(join(host, GUARDS))
  expect(() => updateOf(host)).toThrow(code('invalid_host'))
  expect(() => updateOf(host)).toThrow(/guards\.ts is a folder/)
})

test('a symbolic link in the place of a file stays a link', () => {
  const host = hostWith()
  write(host, { 'mine.ts': guards })
  rmSync(join(host, GUARDS))
  symlinkSync('../../../mine.ts', join(host, GUARDS))
  const before = treeOf(host)
  expect(() => applyPlan(host, updateOf(host))).toThrow(code('write_failed'))
  expect(treeOf(host)).toEqual(before)
  expect(lstatSync(join(host, GUARDS)).isSymbolicLink()).toBe(true)
})

test('remove deletes nothing through a link that leads out of the host', () => {
  const [host, other] = [hostWith(), temporaryFolder()]
  write(other, { 'index.ts': read(host, 'packages/auth/src/index.ts') })
  rmSync(join(host, 'packages/auth/src'), { recursive: true })
  symlinkSync(other, join(host, 'packages/auth/src'))
  const plan = planRemove(openCheckout(makeCheckout()), openHost(host), [])
  expect(() => applyPlan(host, plan)).toThrow(code('invalid_host'))
  expect(read(other, 'index.ts')).toContain('signIn')
})

test('a receipt that names a file outside of the host changes nothing there', () => {
  const [host, other] = [hostWith(), temporaryFolder()]
  write(other, { 'victim.ts': 'x' })
  const path = `../${other.split('/').at(-1)}/victim.ts`
  const change = {
    path,
    why: 'delete' as const,
    before: { bytes: Buffer.from('x'), isExecutable: false },
    after: null,
  }
  const plan = { ...updateOf(host), changes: [change] }
  expect(() => applyPlan(host, plan)).toThrow(code('invalid_host'))
  expect(read(other, 'victim.ts')).toBe('x')
})

test('files keep their modes through an update, its abort, and a kill', () => {
  const host = hostWith({ 'package.json': '{}\n' })
  chmodSync(join(host, 'package.json'), 0o600)
  chmodSync(join(host, GUARDS), 0o640)
  const before = treeOf(host)
  killedAt(host, updateOf(host), 'end')
  takeBackPending(host)
  expect(treeOf(host)).toEqual(before)
  applyPlan(host, updateOf(host, { ...newer, 'packages/auth/src/index.ts': null }))
  expect(statSync(join(host, GUARDS)).mode & 0o777).toBe(0o640)
  applyPlan(host, planAbort(host))
  rmSync(join(host, '.tollgate-receipt/last'), { recursive: true })
  const { ...expected } = before
  for (const path of Object.keys(expected)) {
    if (path.startsWith('.tollgate-receipt/last')) delete expected[path]
  }
  expect(treeOf(host)).toEqual(expected)
})

test('an update brings a change of the mode alone', () => {
  const host = hostWith()
  const from = makeCheckout()
  chmodSync(join(from, GUARDS), 0o755)
  write(host, { [GUARDS]: guards.replace('guard20 = 20', 'guard20 = 200') })
  applyPlan(host, planUpdate(openCheckout(from), openHost(host)))
  expect(statSync(join(host, GUARDS)).mode & 0o111).not.toBe(0)
  expect(read(host, GUARDS)).toContain('guard20 = 200')
})

test('an edit after a kill is not lost when the kill is taken back', () => {
  const host = hostWith()
  const index = 'packages/auth/src/index.ts'
  killedAt(host, updateOf(host, { ...newer, [index]: 'export {}\n' }), 'end')
  const mine = `${read(host, GUARDS)}// mine\n`
  write(host, { [GUARDS]: mine })
  expect(takeBackPending(host)).toEqual({ command: 'update', kept: [GUARDS] })
  expect(read(host, GUARDS)).toBe(mine)
  expect(read(host, index)).toContain('signIn')
  expect(takeBackPending(host)).toBeNull()
})

test('a take-back that is killed itself is completed by the next command', () => {
  const host = hostWith()
  rmSync(join(host, '.tollgate-receipt/last'), { recursive: true })
  const before = treeOf(host)
  killedAt(host, updateOf(host), 'end')
  // The first file is back, and its stored text is gone.
  const journal = JSON.parse(read(host, '.tollgate-receipt/pending/journal.json'))
  const first = journal.changes.findIndex(({ path }: { path: string }) => path === GUARDS)
  write(host, { [GUARDS]: guards })
  rmSync(join(host, `.tollgate-receipt/pending/old/${first}`))
  takeBackPending(host)
  expect(treeOf(host)).toEqual(before)
})

test('a command is refused while another process changes the host, and takes nothing back', async () => {
  const host = hostWith()
  killedAt(host, updateOf(host), 'end')
  const before = treeOf(host)
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const journal = '.tollgate-receipt/pending/journal.json'
  const stored = JSON.parse(read(host, journal))
  write(host, { [journal]: JSON.stringify({ ...stored, pid: other.pid }) })
  expect(() => takeBackPending(host)).toThrow(code('busy'))
  write(host, { [journal]: JSON.stringify(stored) })
  expect(treeOf(host)).toEqual(before)
  write(host, { [journal]: JSON.stringify({ ...stored, pid: other.pid }) })
  await new Promise((ended) => {
    other.once('exit', ended)
    other.kill('SIGKILL')
  })
  expect(takeBackPending(host)).toMatchObject({ command: 'update' })
  expect(read(host, GUARDS)).toBe(guards)
})

test('an example of variables is not ignored with the variables, and files with secrets stay behind', () => {
  const from = makeCheckout({
    'packages/auth/.env.production': 'SECRET=real\n',
    'packages/auth/.env.local.example': 'SECRET=\n',
  })
  const host = temporaryFolder()
  write(host, { '.gitignore': '.env*\n' })
  const plan = planAdd(openCheckout(from), openHost(host), ['auth'])
  const paths = plan.changes.map(({ path }) => path)
  expect(paths).toContain('packages/auth/.env.local.example')
  expect(paths).not.toContain('packages/auth/.env.production')
  applyPlan(host, plan)
  expect(read(host, '.gitignore').split('\n')).toContain('!.env*.example')
})

test('pnpm before 10.5, and a host with overrides in package.json, get theirs there', () => {
  for (const root of [
    { packageManager: 'pnpm@9.0.0' },
    { packageManager: 'pnpm@10.4.1' },
    { pnpm: { overrides: { left: '1' } } },
  ]) {
    const host = temporaryFolder()
    write(host, {
      'package.json': JSON.stringify(root),
      'pnpm-workspace.yaml': 'packages:\n- packages/*\n',
    })
    applyPlan(host, planAdd(openCheckout(makeCheckout()), openHost(host), ['auth']))
    const json = JSON.parse(read(host, 'package.json'))
    expect(json.pnpm.overrides).toMatchObject({ zod: '4.6.7', ...root.pnpm?.overrides })
    expect(read(host, 'pnpm-workspace.yaml')).not.toContain('overrides')
  }
})

test('a peer dependency that pnpm is told to allow is an override for npm', () => {
  const workspace = `${checkoutFiles()['pnpm-workspace.yaml']}peerDependencyRules:\n  allowedVersions:\n    old-plugin>better-auth: "1"\n`
  const host = temporaryFolder()
  write(host, { 'package.json': '{ "workspaces": ["packages/*"] }', 'package-lock.json': '{}' })
  const from = openCheckout(makeCheckout({ 'pnpm-workspace.yaml': workspace }))
  applyPlan(host, planAdd(from, openHost(host), ['auth']))
  const { overrides } = JSON.parse(read(host, 'package.json'))
  expect(overrides['old-plugin']).toEqual({ 'better-auth': '1.7.25' })
})

test('a pnpm-workspace.yaml keeps its indentation, comments, quotes and anchors', () => {
  for (const text of [
    'packages:\n- "apps/*" # apps\n- packages/*\n',
    'packages:\n    - "apps/*" # apps\n    - packages/*\n    - "!**/old/**"\n\n# pins\ncatalog: &pins\n    react: 19.3.1\ncatalogs:\n    other: *pins\n',
  ]) {
    const host = temporaryFolder()
    write(host, { 'package.json': '{}', 'pnpm-workspace.yaml': text })
    applyPlan(host, planAdd(openCheckout(makeCheckout()), openHost(host), ['auth']))
    const lines = read(host, 'pnpm-workspace.yaml').split('\n')
    for (const line of text.split('\n')) expect(lines).toContain(line)
    applyPlan(host, planRemove(openCheckout(makeCheckout()), openHost(host), []))
    expect(read(host, 'pnpm-workspace.yaml')).toBe(text)
  }
})

test('packages below ** and in linked folders count, and excluded ones do not', () => {
  const [host, from] = [temporaryFolder(), openCheckout(makeCheckout())]
  const named = (name: string) => JSON.stringify({ name })
  write(host, {
    'package.json': '{}',
    'pnpm-workspace.yaml': 'packages:\n  - "libs/**"\n  - "!libs/old/**"\n  - linked/*\n',
    'libs/old/core/package.json': named('@repo/core'),
  })
  expect(planAdd(from, openHost(host), ['auth']).changes).not.toEqual([])
  write(host, { 'libs/a/deep/core/package.json': named('@repo/core') })
  expect(() => planAdd(from, openHost(host), ['auth'])).toThrow(code('name_taken'))
  rmSync(join(host, 'libs/a'), { recursive: true })
  write(host, { 'elsewhere/package.json': named('@repo/core') })
  mkdirSync(join(host, 'linked'))
  symlinkSync('../elsewhere', join(host, 'linked/core'))
  expect(() => planAdd(from, openHost(host), ['auth'])).toThrow(code('name_taken'))
})

test('variables that the host writes in another form are not written again', () => {
  const host = hostWith({ '.env.example': 'export DATABASE_URL=x\nBETTER_AUTH_SECRET = y' })
  const text = read(host, '.env.example')
  expect(text.match(/DATABASE_URL/g)).toHaveLength(1)
  expect(text.match(/BETTER_AUTH_SECRET/g)).toHaveLength(1)
})

test('members of package.json that are null or named like prototypes survive', () => {
  const json =
    '{\n\t"scripts": null,\n\t"dependencies": { "__proto__": "1", "constructor": "2" }\n}'
  const host = hostWith({ 'package.json': json })
  const text = read(host, 'package.json')
  expect(text).toMatch(/"__proto__": "1",\s+"constructor": "2"/)
  expect(JSON.parse(text).scripts['db:diff']).toContain('tsx')
})
