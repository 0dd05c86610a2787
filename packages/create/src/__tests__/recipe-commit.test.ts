/** `recipe --commit` in real git repositories: one commit of its own paths, or nothing at all. */

import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openCheckout } from '../checkout.ts'
import { openHost } from '../host.ts'
import { commitRecipe } from '../recipes/commit.ts'
import { commitAll, read, write } from './fixture.ts'
import { type RecipeHost, recipeHost } from './recipe-host.ts'

const CLI = fileURLToPath(new URL('../cli.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const LIB = 'apps/web/src/lib/tollgate.ts'
const RECORD = '.tollgate-receipt/recipes.json'

const passes = "import { expect, test } from 'vitest'\ntest('works', () => expect(1).toBe(1))\n"

/** A doctor that found this. */
const doctorWith = (ok: number, ...failed: string[]) => `
console.log(JSON.stringify({
  counts: { ok: ${ok}, failed: ${failed.length}, skipped: 2 },
  checks: ${JSON.stringify(failed)}.map((id) => ({ id, state: 'failed' })),
}))
process.exitCode = ${failed.length}
`

/** A host in git whose packages have a test each, and whose doctor found something. */
function gitHost(
  files: Record<string, string | null> = {},
  { test: own = passes, doctor = doctorWith(9, 'auth.cookies') } = {},
): RecipeHost {
  const host = recipeHost(
    { '.gitignore': 'node_modules\n', 'CONTEXT.md': '# Context\n', ...files },
    {
      'packages/auth/a.test.ts': passes,
      'packages/billing/a.test.ts': own,
      'packages/email/a.test.ts': passes,
      'packages/core/src/doctor/main.ts': doctor,
    },
  )
  mkdirSync(join(host.folder, 'node_modules'), { recursive: true })
  for (const name of ['vitest', 'tsx'])
    symlinkSync(join(ROOT, 'node_modules', name), join(host.folder, 'node_modules', name))
  commitAll(host.folder)
  git(host, 'config', 'user.name', 'a')
  git(host, 'config', 'user.email', 'a@example.com')
  return host
}

const git = ({ folder }: RecipeHost, ...args: string[]): string =>
  execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).replace(/\n$/, '')

const commit = ({ folder, from }: RecipeHost, name: string, options: { undo?: boolean } = {}) =>
  commitRecipe({
    checkout: openCheckout(from),
    host: openHost(folder),
    name,
    undo: options.undo ?? false,
    say() {},
  })

/** Files, index and head: what a recipe that fails must leave as it was. */
const stateOf = (host: RecipeHost) => ({
  files: git(host, 'ls-files', '--cached', '--others', '--exclude-standard')
    .split('\n')
    .map((path) => [path, read(host.folder, path)]),
  status: git(host, 'status', '--porcelain'),
  head: git(host, 'rev-parse', 'HEAD'),
})

test('a recipe becomes one commit of its own paths, and the report says what happened', async () => {
  const host = gitHost({ 'lastdiscussion.md': 'We decided.\n' })
  // Edits of the host: one staged, one not, one new.
  write(host.folder, {
    'apps/web/src/app/page.tsx': 'export default () => 1\n',
    'notes.md': 'mine\n',
  })
  write(host.folder, { 'CONTEXT.md': '# Context\n\nMore.\n' })
  git(host, 'add', 'CONTEXT.md')
  const before = git(host, 'status', '--porcelain')
  const report = await commit(host, 'mfa')
  expect(report).toEqual({
    task_completed: true,
    files_modified: [RECORD, LIB],
    tests_passed: true,
    commit_message: '[agent-auth-billing] Add a second factor',
    commit_hash: git(host, 'rev-parse', 'HEAD'),
    self_score: 0.9,
    self_critique:
      'Read CONTEXT.md and lastdiscussion.md. 3 tests of auth, billing, email passed. ' +
      'The doctor measured 10 things, and skipped 2; wrong are auth.cookies.',
    risk_level: 'high',
  })
  expect(git(host, 'show', '--name-only', '--format=%s', 'HEAD').split('\n')).toEqual([
    '[agent-auth-billing] Add a second factor',
    '',
    RECORD,
    LIB,
  ])
  expect(git(host, 'status', '--porcelain')).toBe(before)
  expect(read(host.folder, LIB)).toContain('twoFactor: true')

  // A second run has nothing to commit, and taking it back is a commit as well.
  const head = git(host, 'rev-parse', 'HEAD')
  expect(await commit(host, 'mfa')).toMatchObject({
    task_completed: true,
    files_modified: [],
    tests_passed: null,
    commit_hash: null,
  })
  expect(git(host, 'rev-parse', 'HEAD')).toBe(head)
  expect(await commit(host, 'mfa', { undo: true })).toMatchObject({
    commit_message: '[agent-auth-billing] Take back: Add a second factor',
    commit_hash: git(host, 'rev-parse', 'HEAD'),
  })
  expect(git(host, 'diff', '--stat', 'HEAD~2', 'HEAD')).toBe('')
  expect(git(host, 'status', '--porcelain')).toBe(before)
})

test('variables that are not set, and a doctor without a fault, are in the report', async () => {
  const host = gitHost(
    { '.env.local': 'STRIPE_SECRET_KEY=sk_test_1\n' },
    { doctor: doctorWith(12) },
  )
  expect(await commit(host, 'stripe')).toMatchObject({
    self_score: 1,
    self_critique: expect.stringContaining('Not set yet: STRIPE_WEBHOOK_SECRET.'),
    risk_level: 'medium',
  })
})

test('tests that fail take the change back, and the edits of the host stay, staged or not', async () => {
  const host = gitHost({}, { test: passes.replace('toBe(1)', 'toBe(2)') })
  write(host.folder, {
    'apps/web/src/app/page.tsx': 'export default () => 1\n',
    'notes.md': 'mine\n',
  })
  git(host, 'add', 'notes.md')
  const before = stateOf(host)
  expect(await commit(host, 'github-oauth')).toEqual({
    task_completed: false,
    reason: 'tests_failed',
    error: 'The tests of billing failed: works',
    action_taken: expect.stringMatching(/^The 2 files of the recipe were taken back\./),
  })
  expect(stateOf(host)).toEqual(before)
})

test('a hook of git that refuses takes the change back', async () => {
  const host = gitHost()
  const hook = join(host.folder, '.git/hooks/pre-commit')
  write(host.folder, {
    '.git/hooks/pre-commit': '#!/bin/sh\necho "No commits today." >&2\nexit 1\n',
  })
  chmodSync(hook, 0o755)
  write(host.folder, { 'notes.md': 'mine\n' })
  git(host, 'add', 'notes.md')
  const before = stateOf(host)
  expect(await commit(host, 'github-oauth')).toMatchObject({
    task_completed: false,
    reason: 'commit_failed',
    error: 'git could not commit: No commits today.',
  })
  expect(stateOf(host)).toEqual(before)
})

test('edits of the host in a file of the recipe are refused before anything changes', async () => {
  const host = gitHost()
  write(host.folder, { [LIB]: `// mine\n${read(host.folder, LIB)}` })
  const before = stateOf(host)
  expect(await commit(host, 'mfa')).toMatchObject({
    task_completed: false,
    reason: 'uncommitted_changes',
    error: expect.stringContaining(LIB),
    action_taken: 'Nothing was changed.',
  })
  expect(stateOf(host)).toEqual(before)
})

test('no repository, no commit, no configuration and no such recipe are failures with a reason', async () => {
  const bare = recipeHost()
  expect(await commit(bare, 'mfa')).toMatchObject({
    task_completed: false,
    reason: 'no_repository',
  })
  git(bare, 'init', '-q')
  expect(await commit(bare, 'mfa')).toMatchObject({ reason: 'no_repository' })
  const host = gitHost({ [LIB]: 'export const auth = make()\n' })
  const before = stateOf(host)
  expect(await commit(host, 'mfa')).toMatchObject({ reason: 'unrecognizable' })
  expect(await commit(host, 'nothing')).toMatchObject({ reason: 'usage' })
  expect(stateOf(host)).toEqual(before)
})

test('without a doctor there is no score, and without Vitest nothing is committed', async () => {
  const silent = gitHost({}, { doctor: 'console.log("no json")' })
  expect(await commit(silent, 'mfa')).toMatchObject({
    task_completed: true,
    self_score: null,
    self_critique: expect.stringContaining('The doctor could not examine the host'),
  })
  const host = recipeHost()
  commitAll(host.folder)
  const before = stateOf(host)
  expect(await commit(host, 'mfa')).toMatchObject({
    reason: 'tests_failed',
    error: expect.stringMatching(
      /^The tests of auth failed: (Vitest is not installed|There are no tests)\.$/,
    ),
  })
  expect(stateOf(host)).toEqual(before)
})

test('as a process, --json prints the report alone, and the exit code says whether it was done', async () => {
  const host = gitHost()
  const run = (...args: string[]) =>
    new Promise<{ code: number; out: string }>((done) => {
      const child = execFile(
        process.execPath,
        [
          '--conditions=source',
          '--import',
          'tsx',
          CLI,
          'recipe',
          ...args,
          '--into',
          host.folder,
          '--from',
          host.from,
        ],
        { cwd: dirname(CLI) },
        (_, out) => done({ code: child.exitCode ?? 1, out }),
      )
    })
  const done = await run('mfa', '--commit', '--json')
  expect([done.code, JSON.parse(done.out)]).toMatchObject([
    0,
    { task_completed: true, tests_passed: true },
  ])
  const refused = await run('saml', '--commit', '--json')
  expect([refused.code, JSON.parse(refused.out)]).toMatchObject([
    1,
    { task_completed: false, reason: 'usage' },
  ])
  const shown = await run('github-oauth', '--dry-run', '--json')
  expect([shown.code, JSON.parse(shown.out)]).toMatchObject([
    0,
    { command: 'recipe', applied: false },
  ])
})
