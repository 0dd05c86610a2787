/** `tollgate add`: what is copied into which host, and what is never touched. */

import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { applyPlan } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { openHost } from '../host.ts'
import { type AddOptions, planAdd } from '../plan-add.ts'
import { planRemove } from '../plan-remove.ts'
import {
  type Files,
  makeCheckout,
  read,
  readJson,
  temporaryFolder,
  treeOf,
  write,
} from './fixture.ts'

function add(host: string, parts = ['auth'], options: AddOptions = {}) {
  const plan = planAdd(openCheckout(makeCheckout()), openHost(host), parts, options)
  applyPlan(host, plan)
  return plan
}

function hostWith(files: Files): string {
  const folder = temporaryFolder()
  write(folder, files)
  return folder
}

test('an empty folder becomes a workspace with the parts and all that they need', () => {
  const host = temporaryFolder()
  const plan = add(host)
  expect(plan.conflicts).toEqual([])
  expect(readJson(host, 'package.json')).toMatchObject({
    private: true,
    scripts: {
      'db:diff': 'pnpm --silent --filter @repo/db generate && tsx prisma/src/cli.ts diff',
    },
    devDependencies: { tsx: '4.23.15', typescript: '7.0.2' },
  })
  const workspace = read(host, 'pnpm-workspace.yaml')
  for (const line of ['- packages/*', '- prisma', 'better-auth: 1.7.25', 'bcrypt: false'])
    expect(workspace).toContain(line)
  expect(read(host, 'packages/auth/src/index.ts')).toBe(
    read(makeCheckout(), 'packages/auth/src/index.ts'),
  )
  expect(read(host, '.env.example')).toContain('# Signs cookies.\nBETTER_AUTH_SECRET=\n')
  // email was not asked for, and what is made or left behind is not copied.
  const paths = Object.keys(treeOf(host))
  expect(paths.filter((path) => /email|node_modules|dist|scripts\/|bench/.test(path))).toEqual([])
  expect(read(host, '.env.example')).not.toContain('RESEND')
  expect(plan.steps).toContain('pnpm db:migrate')
  // A script of a linter that the host does not have would fail.
  expect(readJson(host, 'packages/core/package.json').scripts).toEqual({ test: 'vitest run' })
})

test('a second add changes nothing, and a third adds only what is new', () => {
  const host = temporaryFolder()
  add(host)
  const before = treeOf(host)
  expect(add(host).changes).toEqual([])
  expect(treeOf(host)).toEqual(before)
  const plan = add(host, ['email'])
  expect(plan.changes.filter(({ why }) => why === 'create').map(({ path }) => path)).toEqual([
    'packages/email/package.json',
    'packages/email/src/index.ts',
  ])
})

test('a plan changes nothing', () => {
  const host = hostWith({ 'package.json': '{ "name": "acme" }\n' })
  const before = treeOf(host)
  const plan = planAdd(openCheckout(makeCheckout()), openHost(host), ['auth'])
  expect(plan.changes.length).toBeGreaterThan(10)
  expect(treeOf(host)).toEqual(before)
})

test('the packages get the scope of the host, by their whole names', () => {
  const host = temporaryFolder()
  add(host, ['auth'], { scope: '@acme' })
  expect(readJson(host, 'packages/auth/package.json')).toMatchObject({
    name: '@acme/auth',
    dependencies: { '@acme/core': 'workspace:*' },
  })
  const text = read(host, 'packages/auth/src/index.ts')
  expect(text).toContain("from '@acme/core'")
  expect(text).toContain("from '@acme/db/client'")
  expect(text).toContain('@repo/authors is another package')
  expect(readJson(host, 'package.json').scripts['db:diff']).toContain('--filter @acme/db')
})

test.each([
  {
    lock: 'package-lock.json',
    text: '{}',
    range: '*',
    override: 'overrides',
    script: 'npm run --silent --workspace @repo/db generate',
  },
  {
    lock: 'yarn.lock',
    text: '# yarn lockfile v1\n',
    range: '*',
    override: 'resolutions',
    script: 'yarn workspace @repo/db run generate',
  },
  {
    lock: 'yarn.lock',
    text: '__metadata:\n  version: 8\n',
    range: 'workspace:*',
    override: 'resolutions',
    script: 'yarn workspace @repo/db run generate',
  },
  {
    lock: 'bun.lock',
    text: '{}',
    range: 'workspace:*',
    override: 'overrides',
    script: 'bun run --filter @repo/db generate',
  },
])(
  'a workspace with $lock gets ranges, overrides and scripts of its package manager ($range)',
  ({ lock, text, range, override, script }) => {
    const host = hostWith({
      'package.json': '{\n    "name": "acme",\n    "workspaces": ["libs/*", "apps/*"]\n}\n',
      [lock]: text,
      'apps/web/package.json': '{ "name": "web", "dependencies": { "next": "16.0.0" } }\n',
    })
    add(host)
    const root = readJson(host, 'package.json')
    expect(root.workspaces).toEqual(['libs/*', 'apps/*', 'prisma'])
    expect(root[override]).toMatchObject({ 'better-auth': '1.7.25' })
    expect(root.scripts['db:diff']).toContain(script)
    expect(readJson(host, 'libs/auth/package.json').dependencies['@repo/core']).toBe(range)
    expect(readJson(host, 'apps/web/package.json').dependencies).toMatchObject({
      '@repo/auth': range,
      next: '16.0.0',
    })
    // The indentation of the host's file stays.
    expect(read(host, 'package.json')).toContain('\n    "name": "acme"')
  },
)

test('paths between packages follow the packages to their places', () => {
  const host = hostWith({
    'package.json': '{ "name": "acme" }\n',
    'tsconfig.base.json': '{}\n',
    'prisma/schema.prisma': 'model Mine { id Int @id }\n',
  })
  const plan = add(host, ['auth'], { directory: 'modules/shared' })
  expect(plan.conflicts).toEqual([])
  expect(read(host, 'tsconfig.base.json')).toBe('{}\n')
  expect(read(host, 'modules/shared/core/tsconfig.json')).toContain(
    '"../../../tsconfig.tollgate.base.json"',
  )
  expect(read(host, 'modules/shared/db/tsconfig.json')).toContain(
    '"../../../tsconfig.tollgate.base.json"',
  )
  expect(read(host, 'modules/shared/auth/README.md')).toContain('(../db/README.md#tenants)')
  expect(readJson(host, 'package.json').scripts['db:diff']).toContain(
    'tsx modules/shared/db/src/cli.ts',
  )
  expect(read(host, 'prisma/schema.prisma')).toBe('model Mine { id Int @id }\n')
})

test('values and versions that the host has stay as they are, and are named', () => {
  const host = hostWith({
    'package.json':
      '{ "name": "acme", "scripts": { "db:diff": "mine" }, "devDependencies": { "typescript": "5.9.3", "zod": "4.0.0" } }\n',
    'pnpm-workspace.yaml': '# Ours.\npackages:\n  - apps/* # the apps\n',
    '.env.example': 'BETTER_AUTH_SECRET=mine\nOTHER=\n',
    '.gitignore': 'generated/',
  })
  const plan = add(host)
  const root = readJson(host, 'package.json')
  expect(root.scripts['db:diff']).toBe('mine')
  expect(root.devDependencies).toMatchObject({ typescript: '5.9.3', zod: '4.0.0', tsx: '4.23.15' })
  const workspace = read(host, 'pnpm-workspace.yaml')
  expect(workspace).toContain('# Ours.\n')
  expect(workspace).toContain('- apps/* # the apps\n')
  expect(workspace).not.toContain('zod')
  expect(read(host, '.env.example')).toMatch(/^BETTER_AUTH_SECRET=mine\nOTHER=\n/)
  expect(read(host, '.env.example').match(/BETTER_AUTH_SECRET/g)).toHaveLength(1)
  expect(read(host, '.gitignore')).toMatch(/^generated\/\n\.tollgate\/\n/)
  expect(plan.notes.map(({ why }) => why)).toContainEqual(
    expect.stringContaining('scripts › db:diff is "mine" in your file'),
  )
})

test('a file with the line ends of Windows and a byte order mark keeps both', () => {
  const host = hostWith({ 'package.json': '\uFEFF{\r\n  "name": "acme"\r\n}\r\n' })
  add(host)
  const text = read(host, 'package.json')
  expect(text.startsWith('\uFEFF{\r\n')).toBe(true)
  expect(text.replaceAll('\r\n', '')).not.toContain('\n')
})

test.each<{
  what: string
  files: Files
  options?: AddOptions
  parts?: string[]
  code: string
  says: RegExp
}>([
  {
    what: 'a package of the host has the name',
    files: {
      'package.json': '{ "workspaces": ["apps/*"] }',
      'apps/a/package.json': '{ "name": "@repo/auth" }',
    },
    code: 'name_taken',
    says: /--scope/,
  },
  {
    what: 'a folder of the host is in the way',
    files: { 'package.json': '{}', 'packages/auth/own.ts': '' },
    code: 'name_taken',
    says: /--directory/,
  },
  {
    what: 'package.json does not parse',
    files: { 'package.json': '{ "name": ' },
    code: 'invalid_host',
    says: /package\.json is not valid JSON/,
  },
  {
    what: 'pnpm-workspace.yaml does not parse',
    files: { 'package.json': '{}', 'pnpm-workspace.yaml': 'packages: [' },
    code: 'invalid_host',
    says: /pnpm-workspace\.yaml/,
  },
  {
    what: 'the scope is none',
    files: {},
    options: { scope: 'acme' },
    code: 'usage',
    says: /@acme/,
  },
  {
    what: 'the folder leads out of the host',
    files: {},
    options: { directory: '../out' },
    code: 'usage',
    says: /inside of the host/,
  },
  {
    what: 'the part does not exist',
    files: {},
    parts: ['payments'],
    code: 'usage',
    says: /auth, email/,
  },
  { what: 'no part is named', files: {}, parts: [], code: 'usage', says: /tollgate add auth/ },
  {
    what: 'the app does not exist',
    files: { 'package.json': '{}' },
    options: { app: 'apps/web' },
    code: 'usage',
    says: /apps\/web/,
  },
])(
  'is refused and changes nothing where $what',
  ({ files, options, parts = ['auth'], code, says }) => {
    const host = hostWith(files)
    const before = treeOf(host)
    expect(() => add(host, parts, options)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(says) }),
    )
    expect(treeOf(host)).toEqual(before)
  },
)

test('a link that leads out of the host is not followed', () => {
  const outside = temporaryFolder()
  const host = hostWith({ 'package.json': '{}' })
  symlinkSync(outside, join(host, 'packages'))
  expect(() => add(host)).toThrow(
    expect.objectContaining({
      code: 'invalid_host',
      message: expect.stringContaining('symbolic link'),
    }),
  )
  expect(treeOf(outside)).toEqual({})
})

test('a file that is in the way stays, and the new text stands beside it', () => {
  const host = temporaryFolder()
  add(host)
  // Another version has one more root file, which the host has, too.
  const folder = makeCheckout({
    'packages/email/tollgate.json':
      '{ "part": "email", "isChosen": true, "rootFiles": ["mail.config.ts"] }',
    'mail.config.ts': 'theirs\n',
  })
  mkdirSync(join(host, 'x'))
  write(host, { 'mail.config.ts': 'mine\n' })
  const plan = planAdd(openCheckout(folder), openHost(host), ['email'])
  applyPlan(host, plan)
  expect(read(host, 'mail.config.ts')).toBe('mine\n')
  expect(read(host, 'mail.tollgate.config.ts')).toBe('theirs\n')
})

describe('a Next.js app that exists', () => {
  const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
  const app = (folder: string): Files => ({
    [`${folder}package.json`]:
      '{\n  "name": "shop",\n  "scripts": { "dev": "next dev" },\n  "dependencies": { "next": "16.4.6" }\n}\n',
    [`${folder}tsconfig.json`]:
      '{\n  // As create-next-app writes it.\n  "compilerOptions": {\n    "noEmit": true,\n    "paths": { "@/*": ["./src/*"] },\n  },\n}\n',
    [`${folder}next.config.ts`]:
      "import type { NextConfig } from 'next'\n\nconst nextConfig: NextConfig = {\n  reactStrictMode: true,\n}\n\nexport default nextConfig\n",
    [`${folder}src/app/page.tsx`]: 'export default () => null\n',
  })
  const wire = (host: string, options: AddOptions = {}) => {
    const plan = planAdd(openCheckout(ROOT), openHost(host), ['auth', 'billing'], options)
    applyPlan(host, plan)
    return plan
  }

  test('gets instances, routes, proxy, services and the settings, in the scope of the host', () => {
    const host = hostWith({
      'package.json': '{ "name": "acme", "private": true }\n',
      'pnpm-workspace.yaml': 'packages:\n  - apps/*\n  - packages/*\n',
      ...app('apps/shop/'),
    })
    const plan = wire(host, { scope: '@acme' })
    expect(plan.conflicts).toEqual([])
    expect(read(host, 'apps/shop/src/lib/tollgate.ts')).toContain("from '@acme/auth'")
    expect(read(host, 'apps/shop/src/app/api/auth/[...all]/route.ts')).toContain('handlers')
    expect(read(host, 'apps/shop/tollgate.config.ts')).toContain("'./src/lib/tollgate.ts'")
    const config = read(host, 'apps/shop/next.config.ts')
    expect(config).toMatch(/^import \{ withTollgate \} from '@acme\/core\/next-config'\n/)
    expect(config).toContain('export default withTollgate(nextConfig)\n')
    const tsconfig = read(host, 'apps/shop/tsconfig.json')
    expect(tsconfig).toContain('// As create-next-app writes it.')
    expect(tsconfig).toMatch(/"customConditions": \[\s*"source"\s*\]/)
    const { scripts, dependencies, devDependencies } = readJson(host, 'apps/shop/package.json')
    expect(scripts.worker).toContain('tsx ../../packages/jobs/src/cli.ts worker')
    expect(scripts.services).toContain('src/services.mts')
    expect(dependencies['@acme/auth']).toBe('workspace:*')
    expect(devDependencies).toMatchObject({
      '@acme/sandbox': 'workspace:*',
      tsx: expect.any(String),
    })
    // A file .env.local of the host keeps its lines, and the database is the one of `local`.
    expect(plan.steps.join('\n')).toContain(
      'In apps/shop: pnpm --silent local --print-env >> .env.local',
    )
    const pages = /^cp -Rn (\S+)\/\{(\S+)\} apps\/shop\/src\/app\/$/m.exec(plan.steps.join('\n'))
    const copied = pages?.[2]?.split(',') ?? []
    expect(copied).toContain('sign-up')
    expect(copied.filter((name) => !existsSync(`${pages?.[1]}/${name}`))).toEqual([])
    expect(plan.steps.join()).not.toContain('instant')
    expect(wire(host).changes).toEqual([])
  })

  test('with Cache Components is told what its pages need, where they lie', () => {
    const files = app('')
    files['next.config.ts'] = 'const config = { cacheComponents: true }\n\nexport default config\n'
    const { steps } = wire(hostWith(files))
    expect(steps.join('\n')).toContain('/packages/web/src/components src/\n')
    expect(steps.join('\n')).toMatch(
      /Your next\.config\.ts turns Cache .*`export const instant = false`/,
    )
  })

  test('that the command brings needs no step but its own', () => {
    const { steps } = planAdd(openCheckout(ROOT), openHost(temporaryFolder()), ['auth', 'web'])
    expect(steps.slice(0, 2)).toEqual([
      'pnpm install',
      'cd packages/web && pnpm local, and follow packages/web/README.md.',
    ])
    expect(steps.join()).not.toMatch(/db:migrate|Mount|tollgate\.config/)
  })

  test('at the root without a folder for sources is wired in its own layout, and taken apart again', () => {
    const files = app('')
    delete files['src/app/page.tsx']
    const host = hostWith({
      ...files,
      'app/page.tsx': 'export default () => null\n',
      'proxy.ts': 'mine\n',
      'tsconfig.json': '{ "compilerOptions": { "paths": { "@/*": ["./*"] } } }\n',
      '.gitignore': 'node_modules\n',
    })
    const before = treeOf(host)
    const plan = wire(host)
    expect(read(host, 'tollgate.config.ts')).toContain("'./lib/tollgate.ts'")
    expect(readJson(host, 'package.json').scripts.services).toContain('tsx services.mts')
    expect(readJson(host, 'tsconfig.json').exclude).toEqual([
      'node_modules',
      'packages',
      'prisma',
      'vitest.workspace.ts',
    ])
    expect(wire(host).changes).toEqual([])
    expect(read(host, 'proxy.ts')).toBe('mine\n')
    expect(plan.notes).toContainEqual({
      path: 'proxy.ts',
      why: expect.stringContaining('Your app has this file'),
    })
    applyPlan(host, planRemove(openCheckout(ROOT), openHost(host), []))
    rmSync(join(host, '.tollgate-receipt'), { recursive: true, force: true })
    expect(read(host, 'next.config.ts')).toBe(files['next.config.ts'])
    expect(Object.keys(treeOf(host))).toEqual(Object.keys(before))
  })

  test('is left alone with --no-wire, and a configuration in another form is named', () => {
    const files = app('')
    const other = { ...files, 'next.config.ts': 'export default { reactStrictMode: true }\n' }
    const alone = hostWith(files)
    wire(alone, { wire: false })
    expect(read(alone, 'next.config.ts')).toBe(files['next.config.ts'])
    const host = hostWith(other)
    const plan = wire(host)
    expect(read(host, 'next.config.ts')).toBe(other['next.config.ts'])
    expect(plan.notes).toContainEqual({
      path: 'next.config.ts',
      why: expect.stringContaining('withTollgate'),
    })
  })
})

test('the parts get the React of the app, and nothing of the host is held to it', () => {
  const checkout = makeCheckout({
    'packages/email/package.json':
      '{ "name": "@repo/email", "dependencies": { "@repo/core": "workspace:*", "react": "19.3.1" } }',
  })
  const overridesIn = (files: Files) => {
    const host = temporaryFolder()
    write(host, { 'pnpm-workspace.yaml': 'packages:\n  - apps/*\n', ...files })
    applyPlan(host, planAdd(openCheckout(checkout), openHost(host), ['email'], { scope: '@acme' }))
    return parseYaml(read(host, 'pnpm-workspace.yaml')).overrides
  }
  const app = (react: string) => `{ "name": "app", "dependencies": { "react": "${react}" } }`
  const root = { 'package.json': '{ "private": true }' }
  expect(overridesIn({ ...root, 'apps/a/package.json': app('19.3.0') })).toEqual({
    '@acme/email>react': '19.3.0',
    zod: '4.6.7',
  })
  for (const other of ['19.3.1', '18.3.0']) {
    expect(overridesIn({ ...root, 'apps/a/package.json': app(other) })).toEqual({ zod: '4.6.7' })
  }
  const two = { 'apps/a/package.json': app('19.3.0'), 'apps/b/package.json': app('^19.1.0') }
  expect(overridesIn({ ...root, ...two })).toEqual({ zod: '4.6.7' })
})
