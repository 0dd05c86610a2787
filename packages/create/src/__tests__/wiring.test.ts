/** Apps that exist, as their generators write them: what each framework's app gets, and that removing it leaves nothing. */

import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { applyPlan } from '../apply.ts'
import { openCheckout } from '../checkout.ts'
import { codeFormatOf } from '../code-formats.ts'
import { openHost } from '../host.ts'
import { type AddOptions, planAdd } from '../plan-add.ts'
import { planRemove } from '../plan-remove.ts'
import { read, readJson, temporaryFolder, treeOf, write } from './fixture.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const checkout = openCheckout(ROOT)

const add = (host: string, options: AddOptions = {}) => {
  const plan = planAdd(checkout, openHost(host), ['auth', 'billing'], options)
  // The copied packages are those of every host, and take long to write.
  const changes = plan.changes.filter(({ path }) => !/^(packages|prisma)\//.test(path))
  applyPlan(host, { ...plan, changes })
  return plan
}

/** What is the same in each host, and what the framework's files are. */
const APPS = [
  {
    name: 'hono',
    port: 3000,
    files: ['src/lib/mount.ts', 'src/lib/tollgate.ts', 'src/services.mts'],
    edited: { 'src/index.ts': "import { mountTollgate } from './lib/mount.ts'" },
    scripts: {
      dev: 'tsx watch --conditions=source src/index.ts',
      start: 'node --conditions=source --import tsx src/index.ts',
    },
  },
  {
    name: 'express',
    port: 3000,
    files: ['src/lib/mount.ts', 'src/lib/tollgate.ts', 'src/services.mts'],
    edited: { 'src/server.ts': "import { mountTollgate } from './lib/mount.ts'" },
    scripts: {
      dev: 'tsx watch --conditions=source src/server.ts',
      start: 'node --conditions=source --import tsx src/server.ts',
    },
  },
  {
    name: 'sveltekit',
    port: 5173,
    files: [
      'src/hooks.server.ts',
      'src/lib/server/session.ts',
      'src/lib/server/tollgate.ts',
      'src/routes/api/webhooks/stripe/+server.ts',
      'src/services.mts',
    ],
    edited: { 'vite.config.ts': 'plugins: [tollgate(), sveltekit()]' },
    scripts: {
      dev: 'vite dev',
      local: 'node --conditions=source --import tsx src/services.mts --port 5173',
    },
  },
  {
    name: 'react-router',
    port: 5173,
    files: [
      'app/lib/session.server.ts',
      'app/lib/tollgate.server.ts',
      'app/routes/tollgate/stripe.ts',
      'app/tollgate.routes.ts',
      'services.mts',
    ],
    edited: {
      'vite.config.ts': 'plugins: [tollgate(), reactRouter()]',
      'app/routes.ts': "[...tollgateRoutes, index('routes/home.tsx')]",
    },
    scripts: {
      dev: 'react-router dev',
      local: 'node --conditions=source --import tsx services.mts --port 5173',
    },
  },
]

describe.each(APPS)('an app in $name', ({ name, port, files, edited, scripts }) => {
  const made = () => {
    const host = temporaryFolder()
    cpSync(join(ROOT, 'packages/demo/hosts', name, 'app'), host, { recursive: true })
    return host
  }

  test('gets its files, one import or call in its own, and settings; a second add changes nothing', () => {
    const host = made()
    const { conflicts, notes } = add(host)
    expect(conflicts).toEqual([])
    expect(notes.filter(({ why }) => !why.includes('typescript'))).toEqual([])
    const paths = Object.keys(treeOf(host))
    expect(paths).toEqual(expect.arrayContaining([...files, 'tollgate.config.ts']))
    for (const [file, text] of Object.entries(edited)) expect(read(host, file)).toContain(text)
    expect(readJson(host, 'package.json').scripts).toMatchObject(scripts)
    expect(read(host, '.env.local.example')).toContain(`APP_URL=http://localhost:${port}\n`)
    const tsconfig = read(host, 'tsconfig.json')
    expect(tsconfig).toMatch(/"customConditions": \[\s*"source"\s*\]/)
    // Each relative import of a wired file leads to a file.
    for (const path of [...files, 'tollgate.config.ts']) {
      for (const [, to = ''] of read(host, path).matchAll(/from '(\.[^']+)'/g)) {
        const at = join(path, '..', to)
        expect(
          paths.some((each) => each === at || each === `${at}.ts`),
          `${path} → ${to}`,
        ).toBe(true)
      }
    }
    expect(add(host).changes).toEqual([])
  })

  test('is as it was, byte for byte, once all is removed', () => {
    const host = made()
    const before = treeOf(host)
    add(host)
    applyPlan(host, planRemove(checkout, openHost(host), []))
    rmSync(join(host, '.tollgate-receipt'), { recursive: true, force: true })
    const after = treeOf(host)
    // Folders that have become empty stay.
    const filesOf = (tree: Record<string, string>) =>
      Object.fromEntries(Object.entries(tree).filter(([path]) => !path.endsWith('/')))
    expect(Object.keys(filesOf(after))).toEqual(Object.keys(filesOf(before)))
    for (const path of Object.keys(edited)) expect(read(host, path)).toBe(readFrom(name, path))
    expect(readJson(host, 'package.json')).toEqual(JSON.parse(readFrom(name, 'package.json')))
  })
})

const readFrom = (name: string, path: string) =>
  read(join(ROOT, 'packages/demo/hosts', name, 'app'), path)

test('a Worker gets the guards of the edge, their aliases, and no services', () => {
  const host = temporaryFolder()
  cpSync(join(ROOT, 'packages/demo/hosts/worker/app'), host, { recursive: true })
  const plan = planAdd(checkout, openHost(host), ['auth'])
  const own = plan.changes.filter(({ path }) => !/^(packages|prisma)\//.test(path))
  applyPlan(host, { ...plan, changes: own })
  expect(own.map(({ path }) => path)).toContain('src/lib/gate.ts')
  expect(own.some(({ path }) => /services|tollgate\.(ts|config)/.test(path))).toBe(false)
  const config = read(host, 'wrangler.jsonc')
  expect(config).toContain('For more details on how to configure Wrangler')
  expect(config).toContain('"@repo/auth/edge": "./packages/auth/src/edge.ts"')
  expect(read(host, 'tsconfig.json')).toMatch(/"lib": \[\s*"es2021",\s*"ES2023"\s*\]/)
  expect(plan.steps.join()).not.toContain('.env.local')
  expect(planAdd(checkout, openHost(host), ['auth']).changes).toEqual([])
})

test('in a workspace with several apps the app is named, and only it is wired', () => {
  const host = temporaryFolder()
  for (const name of ['hono', 'sveltekit'])
    cpSync(join(ROOT, 'packages/demo/hosts', name, 'app'), join(host, 'apps', name), {
      recursive: true,
    })
  write(host, {
    'package.json': '{ "name": "acme", "private": true }\n',
    'pnpm-workspace.yaml': 'packages:\n  - apps/*\n',
  })
  const plan = planAdd(checkout, openHost(host), ['auth', 'billing'])
  expect(plan.changes.filter(({ path }) => path.startsWith('apps/'))).toEqual([])
  add(host, { app: 'apps/sveltekit', scope: '@acme' })
  expect(read(host, 'apps/sveltekit/vite.config.ts')).toContain("from '@acme/core/vite'")
  expect(read(host, 'apps/sveltekit/src/lib/server/session.ts')).toContain("from '@acme/auth'")
  expect(read(host, 'apps/hono/src/index.ts')).toBe(readFrom('hono', 'src/index.ts'))
  expect(readJson(host, 'apps/sveltekit/package.json').scripts.worker).toContain(
    '../../packages/jobs/src/cli.ts',
  )
})

test('hooks, scripts and code in another form stay, and the next step is named', () => {
  const host = temporaryFolder()
  cpSync(join(ROOT, 'packages/demo/hosts/hono/app'), host, { recursive: true })
  const code =
    "import { Hono } from 'hono'\n\nexport const make = () => new Hono().basePath('/x')\n"
  write(host, {
    'src/index.ts': code,
    'package.json': read(host, 'package.json').replace('tsx watch src/index.ts', 'nodemon'),
  })
  const { notes } = add(host)
  expect(read(host, 'src/index.ts')).toBe(code)
  expect(readJson(host, 'package.json').scripts.dev).toBe('nodemon')
  expect(notes).toContainEqual({
    path: 'src/index.ts',
    why: "Mount the handlers yourself, right after the app is made: mountTollgate(app), with import { mountTollgate } from './lib/mount.ts'.",
  })
  expect(notes).toContainEqual({
    path: 'package.json',
    why: expect.stringMatching(/^scripts › dev is "nodemon" in your file; Tollgate would write/),
  })
})

describe('code of the host', () => {
  const mounted = "import { mountTollgate } from './lib/mount.ts'\n"
  const set = (file: string, text: string, value: string) => codeFormatOf(file).set(text, [], value)
  const UNKNOWN = 'in a form that a command cannot change'

  test.each([
    ['a semicolon', 'const app = new Hono();\n', 'const app = new Hono();\nmountTollgate(app);\n'],
    ['types', 'const app = new Hono<{ Bindings: B }>()\n', undefined],
    ['options', "const app = new Hono({\n  strict: false, // ')'\n})\napp.get('/')\n", undefined],
    [
      'an export',
      'export const api = express()\n',
      'export const api = express()\nmountTollgate(api)\n',
    ],
    ['no line end', 'const app = express()', 'const app = express()\nmountTollgate(app)'],
  ])('an app that is made with %s is mounted, and taken apart again', (_, text, expected) => {
    const format = codeFormatOf('src/index.ts')
    expect(format.get(text, [])).toBeUndefined()
    const after = set('src/index.ts', text, './lib/mount.ts')
    expect(after).toMatch(/^mountTollgate\((app|api)\);?$/m)
    if (expected) expect(after).toBe(mounted + expected)
    expect(format.get(after, [])).toBe('./lib/mount.ts')
    expect(format.remove(after, [])).toBe(text)
  })

  test.each([
    ['two apps', 'const a = new Hono()\nconst b = new Hono()\n'],
    ['a chain', "const app = new Hono()\n  .get('/', (c) => c.text('x'))\n"],
    ['a function', '  const app = express()\n'],
    ['a comment', '// const app = express()\n'],
    ['a text', 'const text = `\nconst app = express()\n`\n'],
    ['an open parenthesis', 'const app = new Hono(\n'],
    ['nothing', ''],
  ])('%s is left alone', (_, text) => {
    expect(codeFormatOf('src/index.ts').get(text, [])).toBe(UNKNOWN)
  })

  test.each([
    ['on one line', 'export default { plugins: [a()] }', '[tollgate(), a()]'],
    [
      'on several lines',
      'x({\n  plugins: [\n    a(),\n  ],\n})',
      '[\n    tollgate(),\n    a(),\n  ]',
    ],
    ['empty', 'x({ plugins: [] })', '[tollgate()]'],
  ])('a list of plugins %s gets one more, and loses it again', (_, text, list) => {
    const format = codeFormatOf('apps/web/vite.config.ts')
    const after = set('vite.config.ts', text, '@repo/core/vite')
    expect(after).toContain(list)
    expect(format.get(after, [])).toBe('@repo/core/vite')
    expect(format.remove(after, [])).toBe(text)
  })

  test.each(['x({ plugins })', 'x({ plugins: all() })', 'y({ plugins: [] }, { plugins: [] })'])(
    '%s is left alone',
    (text) => expect(codeFormatOf('vite.config.ts').get(text, [])).toBe(UNKNOWN),
  )
})
