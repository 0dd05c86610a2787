/** `tollgate` as a process: what it prints, its exit codes, and errors that change nothing. */

import { execFile } from 'node:child_process'
import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { runCommand } from '../commands.ts'
import {
  checkoutFiles,
  commitAll,
  makeCheckout,
  read,
  temporaryFolder,
  treeOf,
  write,
} from './fixture.ts'

const CLI = fileURLToPath(new URL('../cli.ts', import.meta.url))
const GUARDS = 'packages/auth/src/guards.ts'
const guards = checkoutFiles()[GUARDS] as string

/** Runs the command in this process, with what it printed. */
async function run(...args: string[]): Promise<{ code: number; out: string; said: string }> {
  let out = ''
  let said = ''
  const log = vi.spyOn(console, 'log').mockImplementation((line) => {
    out += `${line}\n`
  })
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text
    return true
  })
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text
    return true
  })
  try {
    return { code: await runCommand(args), out, said }
  } finally {
    for (const spy of [log, stdout, stderr]) spy.mockRestore()
  }
}

test('add, check-update, update, diff, env, abort and remove, with their exit codes', async () => {
  const [from, into] = [makeCheckout(), temporaryFolder()]
  const at = ['--into', into]
  expect(await run('add', 'auth', 'email', ...at, '--from', from)).toMatchObject({
    code: 0,
    said: expect.stringMatching(
      /new +packages\/auth\/package\.json[\s\S]+Next:\n {2}1\. pnpm install/,
    ),
  })
  expect(await run('check-update', ...at, '--from', from)).toMatchObject({ code: 0 })
  const newer = makeCheckout({ [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33') })
  const found = await run('check-update', '--json', ...at, '--from', newer)
  expect(found.code).toBe(2)
  expect(JSON.parse(found.out)).toMatchObject({ hasUpdate: true, conflicts: [], unresolved: [] })
  write(into, { [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 300') })
  expect(await run('diff', ...at, '--from', from)).toMatchObject({
    code: 0,
    out: expect.stringContaining('+export const guard3 = 300'),
  })
  const before = treeOf(into)
  const dry = await run('update', '--dry-run', '--json', ...at, '--from', newer)
  expect(dry.code).toBe(3)
  expect(JSON.parse(dry.out)).toMatchObject({ applied: false, conflicts: [GUARDS] })
  expect(treeOf(into)).toEqual(before)
  expect(await run('update', ...at, '--from', newer)).toMatchObject({
    code: 3,
    said: expect.stringContaining('.tollgate-new'),
  })
  expect(await run('check-update', ...at, '--from', newer)).toMatchObject({ code: 3 })
  expect(await run('update', '--abort', ...at)).toMatchObject({ code: 0 })
  const isKept = ([path]: [string, string]) => !path.includes('/last/')
  expect(treeOf(into)).toEqual(Object.fromEntries(Object.entries(before).filter(isKept)))
  const missing = await run('env', '--check', '--json', ...at, '--from', from)
  expect(missing.code).toBe(1)
  expect(JSON.parse(missing.out).missing).toEqual([
    'DATABASE_URL',
    'BETTER_AUTH_SECRET',
    'RESEND_API_KEY',
  ])
  write(into, {
    '.env.local': 'DATABASE_URL=x\nBETTER_AUTH_SECRET=secret-value\n',
    '.env': 'RESEND_API_KEY=re_value\n',
  })
  const all = await run('env', '--check', ...at, '--from', from)
  expect(all.code).toBe(0)
  expect(all.out + all.said).not.toMatch(/secret-value|re_value/)
  rmSync(join(into, GUARDS))
  expect(await run('remove', ...at, '--from', from)).toMatchObject({ code: 0 })
  expect(Object.keys(treeOf(into)).sort()).toEqual(['.env', '.env.local'])
})

test('an update of a host with changes that are not committed is refused, unless asked for', async () => {
  const [from, into] = [makeCheckout(), temporaryFolder()]
  await run('add', 'auth', '--into', into, '--from', from)
  commitAll(into)
  write(into, { 'note.md': 'mine\n' })
  const newer = makeCheckout({ [GUARDS]: guards.replace('guard3 = 3', 'guard3 = 33') })
  const before = treeOf(into)
  expect(await run('update', '--into', into, '--from', newer)).toMatchObject({
    code: 1,
    said: expect.stringContaining('--dirty'),
  })
  expect(treeOf(into)).toEqual(before)
  expect(await run('update', '--dirty', '--into', into, '--from', newer)).toMatchObject({ code: 0 })
  expect(read(into, GUARDS)).toContain('guard3 = 33')
})

test.each([
  { args: [], says: /tollgate <command>/ },
  { args: ['push'], says: /There is no command "push"/ },
  { args: ['add', '--nonsense'], says: /nonsense/ },
  { args: ['diff', '--scope', '@acme'], says: /diff takes no --scope/ },
  { args: ['update'], says: /no receipt/ },
  { args: ['add', 'auth', '--from', '/nowhere'], says: /not a checkout of Tollgate/ },
])('wrong usage is explained and changes nothing: $args', async ({ args, says }) => {
  const into = temporaryFolder()
  const { code, out, said } = await run(...args, '--into', into)
  expect(code).toBe(1)
  expect(out + said).toMatch(says)
  expect(treeOf(into)).toEqual({})
})

test('an error with --json is one document with its code', async () => {
  const { code, out } = await run('update', '--json', '--into', temporaryFolder())
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({ error: { code: 'receipt_not_found' } })
})

test('the command runs as a process, and --help names every command', async () => {
  const { code, out } = await new Promise<{ code: number | null; out: string }>((done) => {
    const child = execFile(
      process.execPath,
      ['--conditions=source', '--import', 'tsx', CLI, '--help'],
      (_, out) => done({ code: child.exitCode, out }),
    )
  })
  expect(code).toBe(0)
  for (const name of ['add', 'diff', 'check-update', 'update', 'remove', 'env', 'doctor'])
    expect(out).toContain(`\n  ${name} `)
})

test('a command that names no clear folder or has words too many is refused', async () => {
  const [from, into] = [makeCheckout(), temporaryFolder()]
  symlinkSync(from, join(into, 'link'))
  for (const args of [
    ['add', 'auth', '--into', ''],
    ['add', 'auth', '--into', into, '--from', ''],
    ['add', 'auth', '--into', join(from, 'packages/new'), '--from', from],
    ['add', 'auth', '--into', join(into, 'link'), '--from', from],
    ['add', '__proto__', '--into', into, '--from', from],
    ['constructor', '--into', into],
    ['__proto__', '--into', into],
    ['update', 'auth', '--into', into, '--from', from],
    ['env', 'auth', '--into', into, '--from', from],
    ['diff', 'a', 'b', '--into', into, '--from', from],
    ['--into', into],
  ]) {
    const before = treeOf(from)
    const { code, out } = await run(...args, '--json')
    expect([code, JSON.parse(out).error.code], args.join(' ')).toEqual([1, 'usage'])
    expect(treeOf(from)).toEqual(before)
  }
  const { code, out } = await run('--help', '--json')
  expect([code, JSON.parse(out).help]).toEqual([0, expect.stringContaining('check-update')])
})

test('a folder below a file is refused before anything is shown', async () => {
  const folder = temporaryFolder()
  write(folder, { file: '' })
  const { out } = await run('add', 'auth', '--json', '--into', join(folder, 'file/a'))
  expect(JSON.parse(out).error).toMatchObject({
    code: 'invalid_host',
    message: expect.stringContaining('is a file'),
  })
})

test('env says what a variable is without the rules between sections, and prints no value', async () => {
  const [from, into] = [makeCheckout(), temporaryFolder()]
  const at = ['--into', into, '--from', from]
  await run('add', 'auth', ...at)
  write(into, { '.env': 'BETTER_AUTH_SECRET=very-secret-value\n' })
  const { code, out, said } = await run('env', '--check', '--json', ...at)
  expect(code).toBe(1)
  expect(out + said).not.toContain('very-secret-value')
  const { variables, missing } = JSON.parse(out)
  expect(missing).toEqual(['DATABASE_URL'])
  expect(variables[0]).toMatchObject({ name: 'DATABASE_URL', about: 'Get it from your host.' })
})
