/** A cold start: what importing a package loads, and what a first session and a first webhook load. */

import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createTestAuth, TEST_ORIGIN } from '@repo/auth/testing'
import { stripeWebhookRequest } from '@repo/billing/testing'
import { createTestDatabase } from '@repo/db/testing'
import { build } from 'esbuild'
import { expect, inject, onTestFinished, test } from 'vitest'
import type { SessionSettings, WebhookSettings } from '../bench-start/probes/settings.ts'

const run = promisify(execFile)
const proof = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The packages of others that importing a package of ours loads. A longer list makes every cold start slower. What an
 * import does not need is loaded by `await import()` where it is first used.
 */
const LOADED = {
  core: [],
  db: ['@prisma/adapter-pg', '@prisma/client', 'pg', 'zod'],
  jobs: ['@prisma/adapter-pg', '@prisma/client', 'pg', 'zod'],
  email: [
    'react',
    // Bundled into one file by the build.
    'resend',
    'zod',
  ],
  auth: [
    '@better-auth/core/env',
    '@better-auth/utils/random',
    '@prisma/adapter-pg',
    '@prisma/client',
    'jose',
    'pg',
    'zod',
  ],
  billing: [
    '@opentelemetry/api',
    '@prisma/adapter-pg',
    '@prisma/client',
    'pg',
    'react',
    'resend',
    // Bundled into one file by the build.
    'stripe',
    'uuid',
    'zod',
  ],
}

/** The packages whose parts differ much in size, so that their subpaths are listed. */
const BY_PART = /^(@better-auth\/[^/]+\/.+|better-auth\/.+)$/

/** The packages of others that the entry of `@repo/<name>` imports statically, itself or through ours. */
async function loadedBy(name: string): Promise<string[]> {
  const { metafile } = await build({
    stdin: { contents: `import '@repo/${name}'`, resolveDir: proof, sourcefile: 'host.ts' },
    bundle: true,
    write: false,
    metafile: true,
    ignoreAnnotations: true,
    format: 'esm',
    platform: 'node',
    conditions: ['source'],
    plugins: [
      {
        name: 'packages-of-others',
        setup: ({ onResolve }) =>
          onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
            kind === 'entry-point' || path.startsWith('@repo/')
              ? undefined
              : { path, external: true },
          ),
      },
    ],
  })
  const found = new Set<string>()
  const seen = new Set<string>()
  const visit = (path: string) => {
    if (seen.has(path)) return
    seen.add(path)
    for (const imported of metafile.inputs[path]?.imports ?? []) {
      if (imported.kind !== 'import-statement') continue
      if (imported.external) found.add(imported.path)
      else visit(imported.path)
    }
  }
  for (const path of Object.keys(metafile.inputs)) if (path.endsWith('host.ts')) visit(path)
  const names = [...found]
    .filter((path) => !path.startsWith('node:'))
    .map((path) => (BY_PART.test(path) ? path : (/^(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path)))
  return [...new Set(names)].sort()
}

test.each(Object.entries(LOADED))(
  'importing @repo/%s loads no more than it needs',
  async (name, expected) => {
    expect(await loadedBy(name)).toEqual(expected)
  },
)

/** Logs the URL of each module that a process loads. */
const HOOK = (file: string) => {
  const hooks = `import { appendFileSync } from 'node:fs'
    export async function load(url, context, next) {
      appendFileSync(${JSON.stringify(file)}, url + '\\n')
      return next(url, context)
    }`
  const register = `import { register } from 'node:module'
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)})`
  return `data:text/javascript,${encodeURIComponent(register)}`
}

/** Runs a probe from source in a fresh process. Returns the modules that it loaded. */
async function modulesOf(probe: string, settings: object): Promise<string[]> {
  const file = join(tmpdir(), `loaded-${probe}-${process.pid}`)
  onTestFinished(() => rmSync(file, { force: true }))
  const tsx = createRequire(join(proof, '../../package.json')).resolve('tsx')
  const path = join(proof, `src/bench-start/probes/${probe}.ts`)
  await run(
    process.execPath,
    [
      '--conditions=source',
      `--import=file://${tsx}`,
      `--import=${HOOK(file)}`,
      path,
      JSON.stringify(settings),
    ],
    { cwd: dirname(path), env: { ...process.env, NODE_ENV: 'production' } },
  )
  return readFileSync(file, 'utf8').trim().split('\n')
}

/** What a first session and a first webhook do without. */
const UNNEEDED =
  /\/node_modules\/(better-auth|@better-auth\/passkey|@better-auth\/oauth-provider|kysely|react-dom|graphile-worker)\/|query_compiler/

test('a first getSession loads neither Better Auth nor the compiler of Prisma', async () => {
  const database = await createTestDatabase(inject('postgres'))
  onTestFinished(() => database.drop())
  const auth = createTestAuth({ db: database.db })
  onTestFinished(() => auth.close())
  const { cookie, userId } = await auth.signIn()
  const settings: SessionSettings = {
    url: database.url,
    origin: TEST_ORIGIN,
    secret: 'a-secret-for-tests-of-32-characters',
    cookie,
    userId,
    isHandler: false,
  }
  const modules = await modulesOf('session', settings)
  expect(modules.length).toBeGreaterThan(50)
  expect(modules.filter((url) => UNNEEDED.test(url))).toEqual([])
  const handled = await modulesOf('session', { ...settings, isHandler: true })
  // So that the pattern above is known to find them.
  expect(handled.some((url) => url.includes('/node_modules/better-auth/'))).toBe(true)
})

test('a first webhook does not load the compiler of Prisma', async () => {
  const database = await createTestDatabase(inject('postgres'))
  onTestFinished(() => database.drop())
  const payload = JSON.stringify({
    ...{ id: 'evt_first', object: 'event', api_version: '2024-04-10', livemode: false },
    created: Math.floor(Date.now() / 1000),
    type: 'customer.updated',
    data: { object: { id: 'cus_first', object: 'customer' } },
  })
  const { headers } = stripeWebhookRequest(payload, { secret: 'whsec_first' })
  const settings: WebhookSettings = {
    url: database.url,
    secret: 'whsec_first',
    payload,
    signature: headers.get('stripe-signature') as string,
  }
  const modules = await modulesOf('webhook', settings)
  expect(modules.filter((url) => UNNEEDED.test(url))).toEqual([])
  expect(await database.db.webhookEvent.count()).toBe(1)
})
