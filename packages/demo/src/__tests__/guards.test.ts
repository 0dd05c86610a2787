/** Standing guards: files, documents and dependencies are as the documents say. */

import { execFile } from 'node:child_process'
import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { authEnv, integrationEnv } from '@repo/auth'
import {
  appEnv,
  calcomEnv,
  creemEnv,
  paymentEnv,
  productEnv,
  products,
  stripeEnv,
  stripeWebhookEnv,
  trialEnv,
} from '@repo/billing'
import { rateLimitEnv } from '@repo/core/rate-limit'
import { databaseEnv } from '@repo/db'
import { emailEnv, resendEnv } from '@repo/email'
import { build, transform } from 'esbuild'
import { expect, test } from 'vitest'
import { type Block, blocksOf, typeCheck } from './blocks.ts'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const read = (path: string) => readFile(join(ROOT, path), 'utf8')

const PACKAGES = ['core', 'jobs', 'email', 'auth', 'billing', 'sandbox', 'create']
const READMES = [
  'README.md',
  'prisma/README.md',
  ...PACKAGES.map((name) => `packages/${name}/README.md`),
  'packages/billing/src/credits/README.md',
]

const SCHEMAS = [
  databaseEnv,
  appEnv,
  authEnv,
  integrationEnv,
  rateLimitEnv,
  stripeEnv,
  stripeWebhookEnv,
  paymentEnv,
  creemEnv,
  productEnv(products),
  trialEnv,
  calcomEnv,
  resendEnv,
  emailEnv,
]
const VARIABLES = new Set(SCHEMAS.flatMap((schema) => Object.keys(schema.shape)))

/** A line of a schema that declares a variable: a name in capitals with a check, which is no literal. */
const DECLARED = /^ +([A-Z][A-Z0-9]*_[A-Z0-9_]+): (?!['"`{[])/gm

/** The variables that schemas declare in the sources of the packages, with their files. */
async function declaredVariables(): Promise<Map<string, string>> {
  const declared = new Map<string, string>()
  for (const folder of ['prisma', ...PACKAGES.map((name) => `packages/${name}`)]) {
    for (const path of await readdir(join(ROOT, folder, 'src'), { recursive: true })) {
      if (!/\.tsx?$/.test(path) || /__tests__|generated/.test(path)) continue
      const file = `${folder}/src/${path}`
      const text = await read(file)
      if (!text.includes('z.object(')) continue
      for (const [, name = ''] of text.matchAll(DECLARED)) declared.set(name, file)
    }
  }
  return declared
}

test('.env.example names exactly the variables that the packages read', async () => {
  const example = [...(await read('.env.example')).matchAll(/^([A-Z][A-Z0-9_]*)=(.*)$/gm)]
  const named = new Set(example.map(([, name = '']) => name))
  const declared = await declaredVariables()
  expect(declared.size).toBeGreaterThan(40)
  const known = new Map([
    ...[...VARIABLES].map((name) => [name, 'A package'] as const),
    ...declared,
  ])
  const problems = [
    ...[...known]
      .filter(([name]) => !named.has(name))
      .map(
        ([name, file]) =>
          `${file} reads ${name}: add it to .env.example, below a line on how to get its value.`,
      ),
    ...[...declared]
      .filter(([name]) => !VARIABLES.has(name))
      .map(
        ([name, file]) =>
          `${file} declares ${name}: export its schema from the package and add it to SCHEMAS of guards.test.ts.`,
      ),
    ...[...named]
      .filter((name) => !known.has(name))
      .map((name) => `.env.example names ${name}, which no package reads: remove it.`),
    ...example
      .filter(([, , value]) => value !== '')
      .map(([, name]) => `.env.example gives ${name} a value: leave it empty.`),
  ]
  expect(problems).toEqual([])
})

test('promise 8: every entry of every package is imported without reading a variable of ours', async () => {
  const entries: string[] = []
  for (const folder of ['prisma', ...PACKAGES.map((name) => `packages/${name}`)]) {
    const { name, exports } = JSON.parse(await read(`${folder}/package.json`)) as {
      name: string
      exports: Record<string, unknown>
    }
    const paths = Object.keys(exports).filter((path) => path !== './package.json')
    entries.push(...paths.map((path) => path.replace('.', name)))
  }
  const script = `
    const read = []
    process.env = new Proxy({}, { get: (_, key) => void read.push(key) })
    for (const entry of ${JSON.stringify(entries)}) await import(entry)
    process.stdout.write(JSON.stringify(read))`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', '--input-type=module', '-e', script],
    { cwd: join(ROOT, 'packages/demo'), env: {} },
  )
  expect(entries.length).toBeGreaterThanOrEqual(14)
  const readByUs = (JSON.parse(stdout) as string[]).filter((name) => VARIABLES.has(name))
  expect(readByUs).toEqual([])
})

test('no module that a host bundles reads its own path at import, and none names a file as an asset', async () => {
  const entries: string[] = []
  for (const folder of ['prisma', ...PACKAGES.map((name) => `packages/${name}`)]) {
    const { exports } = JSON.parse(await read(`${folder}/package.json`)) as {
      exports: Record<string, { source?: string }>
    }
    for (const [path, { source }] of Object.entries(exports)) {
      if (source && path !== './testing') entries.push(join(ROOT, folder, source))
    }
  }
  const { metafile } = await build({
    entryPoints: entries,
    outdir: 'nowhere',
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    absWorkingDir: ROOT,
    jsx: 'automatic',
  })
  const sources = Object.keys(metafile.inputs).filter((path) => !path.includes('/generated/'))
  expect(sources.length).toBeGreaterThan(200)
  const found: string[] = []
  for (const path of sources) {
    // Printed again without comments, so that each statement of the module starts a line.
    const loader = path.endsWith('x') ? 'tsx' : 'ts'
    const { code: text } = await transform(await read(path), { loader, jsx: 'preserve' })
    // Turbopack and webpack copy a file that is written in this form, anywhere in a module.
    if (/new URL\(\s*['"`][^'"`]*['"`],\s*import\.meta\.url/.test(text)) found.push(path)
    let statement = ''
    for (const line of text.split('\n')) {
      if (/^[^\s})\]/*]/.test(line)) statement = line
      const isFunction = /=>|^(export )?(default )?(async )?function|^(export )?class/.test(
        statement,
      )
      const asks = /import\.meta|createRequire\(|__dirname|__filename/.test(line)
      if (asks && !isFunction) found.push(`${path}: ${line}`)
    }
  }
  expect(found).toEqual([])
})

test('every TypeScript block of every README type-checks', async () => {
  const blocks: Block[] = []
  for (const readme of READMES) blocks.push(...blocksOf(readme, await read(readme)))
  const checked = blocks.filter(({ code }) => !code.includes("from './pages.tsx'"))
  expect(checked.length).toBeGreaterThan(15)
  expect(await typeCheck('.readme', checked)).toBe('')
})

test('each file that README, CONTRIBUTING and SECURITY name exists', async () => {
  for (const path of ['README.md', '.github/CONTRIBUTING.md', '.github/SECURITY.md']) {
    const folder = join(ROOT, path, '..')
    const links = [...(await read(path)).matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)]
    if (path === 'README.md') expect(links.length).toBeGreaterThan(10)
    for (const [, link = ''] of links)
      await expect(access(join(folder, link)), link).resolves.toBe(undefined)
  }
})

test('decisions are numbered without a gap, and each number that is named exists', async () => {
  const context = await read('CONTEXT.md')
  const numbers = [...context.matchAll(/^\*\*D-(\d{3}) · \d{4}-\d\d-\d\d · /gm)].map(([, n]) =>
    Number(n),
  )
  expect(numbers.length).toBeGreaterThan(160)
  expect(numbers).toEqual(numbers.map((_, n) => n + 1))
  for (const [, n] of context.matchAll(/\bD-(\d{3})\b/g)) expect(numbers).toContain(Number(n))
})

test('the README of the Next.js app shows the app’s files unchanged', async () => {
  const page = await read('packages/web/README.md')
  let shown = 0
  for (const { 1: code = '', index } of page.matchAll(/^```(?:tsx?|json)\n([\s\S]*?)^```/gm)) {
    const path = [...page.slice(0, index).matchAll(/`([\w./[\]-]+\.(?:tsx?|json))`/g)].at(-1)?.[1]
    expect(await read(`packages/web/${path}`), path).toContain(code.trimEnd())
    shown += 1
  }
  expect(shown).toBeGreaterThan(10)
})

test('the top folder contains only the expected files', async () => {
  const visible = (await readdir(ROOT)).filter(
    (name) => !name.startsWith('.') && name !== 'node_modules',
  )
  expect(visible.sort()).toEqual(
    [
      'CHANGELOG.md',
      'CONTEXT.md',
      'LICENSE',
      'README.md',
      'package.json',
      'packages',
      'pnpm-lock.yaml',
      'pnpm-workspace.yaml',
      'prisma',
      'tsconfig.base.json',
      'turbo.json',
      'vitest.workspace.ts',
    ].sort(),
  )
})

/** A time limit of a test's own. `until` and `expect.poll` need none; `vitest.workspace.ts` ends a test that hangs. */
const OWN_LIMIT = /\btimeout: ?[\d_]+|^ *\}, [\d_]{4,}\)/gm

/** The seconds of a limit in milliseconds. Zero waits without end. */
const secondsIn = (limit: string): number =>
  Number(limit.replace(/\D/g, '') || 0) / 1000 || Number.POSITIVE_INFINITY

test('no test has a time limit below a minute of its own, because a slow machine is not a fault', async () => {
  const tests: string[] = []
  for (const folder of ['prisma', 'packages']) {
    for (const path of await readdir(join(ROOT, folder), { recursive: true })) {
      if (/src\/__tests__\/[^/]+\.tsx?$/.test(path) && !path.includes('node_modules'))
        tests.push(`${folder}/${path}`)
    }
  }
  expect(tests.length).toBeGreaterThan(150)
  const own = fileURLToPath(import.meta.url)
  const limited: string[] = []
  for (const path of tests) {
    if (join(ROOT, path) === own) continue
    const limits = (await read(path)).match(OWN_LIMIT) ?? []
    if (limits.some((text) => secondsIn(text) < 60)) limited.push(path)
  }
  expect(limited).toEqual([])
})

test('packages depend in one direction', async () => {
  const allowed: Record<string, string[]> = {
    core: [],
    db: ['core'],
    email: ['core'],
    jobs: ['core', 'db'],
    auth: ['core', 'db', 'email', 'jobs'],
    billing: ['core', 'db', 'email', 'jobs'],
    // Its local services run the worker.
    sandbox: ['core', 'db', 'jobs'],
    create: ['core'],
    docs: [],
    demo: ['auth', 'billing', 'core', 'db', 'email', 'jobs', 'sandbox'],
    web: ['auth', 'billing', 'core', 'db', 'email', 'jobs', 'sandbox'],
    proof: ['auth', 'billing', 'core', 'db', 'email', 'jobs', 'sandbox'],
  }
  const folders = (await readdir(join(ROOT, 'packages'))).map((name) => [`packages/${name}`, name])
  const advice = 'List each package, with the packages that it may depend on.'
  expect(Object.keys(allowed).sort(), advice).toEqual(
    ['db', ...folders.map(([, name]) => name)].sort(),
  )
  const wrong: string[] = []
  for (const [name, may] of Object.entries(allowed)) {
    const path = name === 'db' ? 'prisma/package.json' : `packages/${name}/package.json`
    const manifest = JSON.parse(await read(path)) as { dependencies?: Record<string, string> }
    const own = Object.keys(manifest.dependencies ?? {}).filter((key) => key.startsWith('@repo/'))
    for (const key of own) {
      if (may.includes(key.slice('@repo/'.length))) continue
      wrong.push(
        `${path} depends on ${key}, which lies above or beside it: move what both need into a package below (CONTEXT.md, Rules of the house).`,
      )
    }
  }
  expect(wrong).toEqual([])
})

const IMPORTED = /\b(?:from|import\(?)\s*'(\.[^']*)'/g

test('no file imports a path of another package: it imports @repo/<package>', async () => {
  const reaching: string[] = []
  for (const folder of [
    'prisma',
    ...(await readdir(join(ROOT, 'packages'))).map((name) => `packages/${name}`),
  ]) {
    const paths = await readdir(join(ROOT, folder, 'src'), { recursive: true })
    for (const path of paths.filter(
      (each) => /\.tsx?$/.test(each) && !/generated|__tests__/.test(each),
    )) {
      const file = join(ROOT, folder, 'src', path)
      for (const [, specifier = ''] of (await readFile(file, 'utf8')).matchAll(IMPORTED)) {
        const target = resolve(dirname(file), specifier)
        if (!target.startsWith(join(ROOT, folder, sep))) {
          reaching.push(
            `${relative(ROOT, file)} imports ${specifier}, a path of another package: import @repo/<package>.`,
          )
        }
      }
    }
  }
  expect(reaching).toEqual([])
})
