/** The doctor composes what a host's instances measure, tells it, and never throws. */

import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { examine, type Finding } from '../doctor/index.ts'

const MAIN = fileURLToPath(new URL('../doctor/main.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))

type Files = Record<string, string>

function hostWith(files: Files): string {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

/** A configuration whose instances have these checks. `state: 'throws'` and `'hangs'` do as they say. */
const configOf = (instances: Record<string, { on?: string; checks: Record<string, string> }>) => `
  const instance = ({ on, checks }) => ({
    jobs: [],
    cron: [],
    checks: async (run) => ({
      actsOn: [on ?? 'database localhost/acme, read only'],
      checks: Object.entries(checks).map(([id, state]) => ({
        id,
        run: () => {
          if (state === 'throws') throw new Error('the secret is sk_test_1234567890abcdef')
          return { state, says: id + ' is ' + state + (run.isLive ? ', live' : '') + '.', advice: state === 'failed' ? 'Mend it.' : null }
        },
      })),
      close: async () => console.error('closed'),
    }),
  })
  const all = ${JSON.stringify(instances)}
  export default Object.fromEntries(Object.entries(all).map(([name, each]) => [name, instance(each)]))
`

const OPTIONS = { isLive: false, mayRehearse: false, runsTests: false, only: null }

const statesOf = (checks: readonly Finding[]) =>
  Object.fromEntries(checks.map(({ id, state }) => [id, state]))

function run(cwd: string, ...args: string[]): Promise<{ code: number; out: string; said: string }> {
  return new Promise((done) => {
    const child = execFile(
      process.execPath,
      [
        '--conditions=source',
        '--import',
        join(ROOT, 'node_modules/tsx/dist/loader.mjs'),
        MAIN,
        ...args,
      ],
      { cwd, env: { ...process.env, NO_COLOR: '1' } },
      (_, out, said) => done({ code: child.exitCode ?? 1, out, said }),
    )
  })
}

test('the checks of all instances run once each, and each instance is closed', async () => {
  const cwd = hostWith({
    'tollgate.config.mjs': configOf({
      auth: { checks: { 'auth.cookies': 'ok', 'database.schema': 'ok' } },
      billing: { checks: { 'billing.prices': 'skipped', 'database.schema': 'failed' } },
    }),
  })
  const { code, out, said } = await run(cwd, '--json', '--only', 'auth,billing,database')
  const report = JSON.parse(out)
  expect(report).toMatchObject({
    isOk: true,
    isLive: false,
    config: 'tollgate.config.mjs',
    actsOn: ['database localhost/acme, read only'],
    counts: { ok: 2, failed: 0, skipped: 1 },
  })
  expect(statesOf(report.checks)).toEqual({
    'auth.cookies': 'ok',
    'database.schema': 'ok',
    'billing.prices': 'skipped',
  })
  expect(code).toBe(0)
  expect(said).toMatch(/closed\nclosed\n2 in order, 0 failed, 1 skipped/)
})

test('instances with different databases are examined each for itself', async () => {
  const cwd = hostWith({
    'tollgate.config.mjs': configOf({
      auth: { checks: { 'database.schema': 'ok' } },
      billing: {
        on: 'database localhost/other, read only',
        checks: { 'database.schema': 'failed' },
      },
    }),
  })
  const { checks, isOk } = await examine({ ...OPTIONS, cwd, only: ['database'] })
  expect(checks.map(({ state }) => state)).toEqual(['ok', 'failed'])
  expect(isOk).toBe(false)
})

test('a name that no check has fails, and a broken configuration is told in its place', async () => {
  const cwd = hostWith({
    'tollgate.config.mjs': configOf({ auth: { checks: { 'auth.token': 'ok' } } }),
  })
  const some = await examine({ ...OPTIONS, cwd, only: ['auth', 'bill'] })
  expect(some.isOk).toBe(false)
  expect(some.checks).toMatchObject([
    { id: 'only.bill', state: 'failed' },
    { id: 'auth.token', state: 'ok' },
  ])
  const broken = hostWith({ 'tollgate.config.mjs': 'throw new Error("broken")' })
  const none = await examine({ ...OPTIONS, cwd: broken, only: ['auth'] })
  expect(none).toMatchObject({ isOk: false, checks: [{ id: 'config.loads', state: 'failed' }] })
})

test('a failure is drawn with what to do, and the exit code is 1', async () => {
  const cwd = hostWith({
    'tollgate.config.mjs': configOf({
      auth: { checks: { 'auth.cookies': 'failed', 'auth.token': 'throws', 'auth.state': 'ok' } },
    }),
  })
  const { code, out } = await run(cwd, '--live', '--only', 'auth')
  expect(code).toBe(1)
  expect(out).toMatch(
    /^tollgate\.config\.mjs\n {2}on database localhost\/acme, read only\n\nauth\n/,
  )
  expect(out).toMatch(/ {2}✗ cookies +auth\.cookies is failed, live\.\n +→ Mend it\.\n/)
  expect(out).toMatch(
    / {2}✗ token +The check could not be finished: the secret is sk_test_\S*…?\S*/,
  )
  expect(out).not.toContain('1234567890ab')
  expect(out).toMatch(/ {2}✓ state /)
  expect(out).toMatch(/\n1 in order, 2 failed, 0 skipped, in [\d.]+ s\n$/)
})

test.each<[string, Files, string, RegExp]>([
  ['no configuration', {}, 'config.loads', /No tollgate\.config\.ts was found/],
  [
    'a configuration that does not parse',
    { 'tollgate.config.mjs': 'export default {' },
    'config.loads',
    /tollgate\.config\.mjs cannot be loaded/,
  ],
  [
    'an instance that cannot be made',
    {
      'tollgate.config.mjs':
        "export default { get auth() { throw Object.assign(new Error('The environment is not complete (see .env.example):\\n  APP_URL is missing'), { name: 'TollgateError', code: 'invalid_environment', status: 500 }) } }",
    },
    'config.loads',
    /APP_URL is missing/,
  ],
  [
    'an instance of somebody else',
    { 'tollgate.config.mjs': 'export default { auth: { jobs: [], cron: [] } }' },
    'config.auth',
    /auth has no checks/,
  ],
  [
    'an instance whose checks cannot be made',
    {
      'tollgate.config.mjs':
        "export default { billing: { jobs: [], cron: [], checks: async () => { throw new Error('no plans') } } }",
    },
    'config.billing',
    /no plans/,
  ],
])('%s is a check that failed, and the folder is examined still', async (_, files, id, says) => {
  const cwd = hostWith(files)
  const { checks, isOk } = await examine({ ...OPTIONS, cwd })
  expect(isOk).toBe(false)
  expect(checks.find((check) => check.id === id)).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(says),
  })
  expect(statesOf(checks)).toMatchObject({ 'host.node': 'ok', 'host.tests': 'skipped' })
})

test('wrong flags are explained, and nothing runs', async () => {
  const cwd = hostWith({ 'tollgate.config.mjs': configOf({ auth: { checks: {} } }) })
  const { code, out, said } = await run(cwd, '--lively', '--json')
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({ error: { code: 'usage' } })
  expect(said).toContain('--live ')
})

test('packages of which an app loads two copies are found, with the package that brings each', async () => {
  const version = (name: string, version: string, dependencies = {}) =>
    JSON.stringify({ name, version, dependencies })
  const files: Files = {
    'package.json': version('app', '1.0.0', { react: '*', '@acme/ui': '*', 'better-auth': '*' }),
    'node_modules/react/package.json': version('react', '19.3.1'),
    'node_modules/better-auth/package.json': version('better-auth', '1.7.25'),
    'ui/package.json': version('@acme/ui', '1.0.0', { react: '*', 'better-auth': '*' }),
  }
  const cwd = hostWith(files)
  mkdirSync(join(cwd, 'node_modules/@acme'), { recursive: true })
  symlinkSync(join(cwd, 'ui'), join(cwd, 'node_modules/@acme/ui'))
  const copies = async () => {
    const { checks } = await examine({ ...OPTIONS, cwd, only: ['host.copies'] })
    return checks[0]
  }
  expect(await copies()).toMatchObject({
    state: 'ok',
    says: '4 packages are installed, and of react, better-auth one copy each.',
  })
  mkdirSync(join(cwd, 'ui/node_modules/react'), { recursive: true })
  writeFileSync(join(cwd, 'ui/node_modules/react/package.json'), version('react', '18.2.0'))
  expect(await copies()).toMatchObject({
    state: 'failed',
    says: 'The app would load several copies of react (19.3.1 by app, 18.2.0 by @acme/ui).',
  })
})

test('secrets in git, changes that are not committed, and a first version are found', async () => {
  const cwd = hostWith({ 'package.json': '{}', '.env.example': 'A=', '.gitignore': '.env.local\n' })
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', cwd, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args])
  const found = async () => {
    const { checks } = await examine({ ...OPTIONS, isLive: true, cwd, only: ['host'] })
    return Object.fromEntries(checks.map(({ id, ...rest }) => [id, rest]))
  }
  expect(await found()).toMatchObject({
    'host.secrets': { state: 'skipped' },
    'host.way-back': { state: 'failed', says: expect.stringContaining('no git repository') },
    'host.backups': { state: 'skipped', advice: expect.any(String) },
  })
  git('init', '-q')
  git('add', '-A')
  expect(await found()).toMatchObject({
    'host.secrets': { state: 'ok' },
    'host.way-back': { state: 'failed', says: expect.stringContaining('not committed') },
  })
  git('commit', '-qm', 'one')
  expect((await found())['host.way-back']).toMatchObject({
    state: 'failed',
    says: expect.stringContaining('one commit'),
  })
  writeFileSync(join(cwd, '.env.production'), 'A=1')
  git('add', '-A')
  git('commit', '-qm', 'two')
  expect(await found()).toMatchObject({
    'host.secrets': { state: 'failed', says: 'Files with secrets are in git: .env.production.' },
    'host.way-back': { state: 'ok' },
  })
})

test('secrets in git are found above the app’s folder, under names in any letters, and of Workers', async () => {
  const root = hostWith({
    'apps/web/package.json': '{}',
    'apps/web/.dev.vars': 'A=1',
    'apps/web/.dev.vars.example': 'A=',
    '.env.example': 'A=',
    '.env': 'A=1',
    'übung/.env.local': 'A=1',
  })
  execFileSync('git', ['-C', root, 'init', '-q'])
  execFileSync('git', ['-C', root, 'add', '-A'])
  const cwd = join(root, 'apps/web')
  const { checks } = await examine({ ...OPTIONS, cwd, only: ['host.secrets'] })
  expect(checks).toMatchObject([
    {
      state: 'failed',
      says: 'Files with secrets are in git: .env, apps/web/.dev.vars, übung/.env.local.',
    },
  ])
})

test('with --tests the copied packages of the host are tested, and what fails is named', async () => {
  const testOf = (sum: number) =>
    `import { expect, test } from 'vitest'\ntest('one and one', () => expect(1 + 1).toBe(${sum}))\n`
  const cwd = hostWith({
    'package.json': JSON.stringify({
      name: 'app',
      dependencies: { '@acme/auth': '*', '@acme/billing': '*', '@acme/other': '*' },
    }),
    'packages/auth/package.json': JSON.stringify({ name: '@acme/auth' }),
    'packages/auth/a.test.ts': testOf(2),
    'packages/billing/package.json': JSON.stringify({ name: '@acme/billing' }),
    'packages/billing/a.test.ts': testOf(2),
    'packages/other/package.json': JSON.stringify({ name: '@acme/other' }),
    'packages/other/a.test.ts': testOf(3),
  })
  mkdirSync(join(cwd, 'node_modules/@acme'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules/vitest'), join(cwd, 'node_modules/vitest'))
  for (const name of ['auth', 'billing', 'other'])
    symlinkSync(join(cwd, 'packages', name), join(cwd, 'node_modules/@acme', name))
  const tests = async () => {
    const options = { ...OPTIONS, runsTests: true, cwd, only: ['host.tests'] }
    return (await examine(options)).checks[0]
  }
  expect(await tests()).toMatchObject({
    state: 'ok',
    says: 'All 2 tests of @acme/auth, @acme/billing pass.',
  })
  writeFileSync(join(cwd, 'packages/billing/a.test.ts'), testOf(3))
  expect(await tests()).toMatchObject({
    state: 'failed',
    says: 'Tests fail. @acme/billing: one and one',
  })
  writeFileSync(join(cwd, 'packages/billing/a.test.ts'), 'export {}')
  expect(await tests()).toMatchObject({ state: 'failed' })
  rmSync(join(cwd, 'packages/billing/a.test.ts'))
  expect(await tests()).toMatchObject({ state: 'failed' })
})
