/** The edge entry as it is deployed: small, without Node, and right in edge-runtime and in workerd. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { builtinModules, createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { EdgeVM } from '@edge-runtime/vm'
import { until } from '@repo/core/testing'
import { freePort } from '@repo/db/testing'
import { build } from 'esbuild'
import { afterAll, expect, test } from 'vitest'
import { edgeSuite } from './edge-suite.ts'

const here = (path: string) => new URL(path, import.meta.url).pathname

async function bundle(contents: string, format: 'esm' | 'iife') {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: here('.'), loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format,
    platform: 'browser',
    conditions: ['source'],
  })
  return { code: outputFiles[0]?.text ?? '', metafile }
}

test('the entry has no Node builtin and no zod, and 8 KiB gzipped at the most', async () => {
  const { code, metafile } = await bundle("export * from '../edge.ts'", 'esm')
  const inputs = Object.keys(metafile.inputs)
  const packages = inputs.flatMap(
    (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!node_modules)[^@]*$/.exec(path)?.[1] ?? [],
  )
  expect([...new Set(packages)]).toEqual(['jose'])
  const outside = Object.values(metafile.inputs).flatMap(({ imports }) =>
    imports.filter(({ external }) => external).map(({ path }) => path),
  )
  expect(outside).toEqual([])
  for (const name of builtinModules) expect(code).not.toContain(`"node:${name}"`)
  expect(gzipSync(code).length).toBeLessThanOrEqual(8 * 1024)
})

test('the suite holds in Node', async () => {
  expect(await edgeSuite()).toEqual([])
})

test('it holds in edge-runtime', async () => {
  const { code } = await bundle(
    "import { edgeSuite } from './edge-suite.ts'; globalThis.edgeSuite = edgeSuite",
    'iife',
  )
  const vm = new EdgeVM()
  vm.evaluate(code)
  expect(vm.evaluate('typeof process')).toBe('undefined')
  expect(await vm.evaluate('edgeSuite()')).toEqual([])
})

let workerd: ChildProcess | undefined
let folder: string | undefined
afterAll(async () => {
  workerd?.kill('SIGKILL')
  if (folder) await rm(folder, { recursive: true, force: true })
})

test('it holds in workerd', async () => {
  const { code } = await bundle(
    `import { edgeSuite } from './edge-suite.ts'
     export default { fetch: async () => Response.json(await edgeSuite()) }`,
    'esm',
  )
  folder = await mkdtemp(join(tmpdir(), 'tollgate-workerd-'))
  const port = await freePort()
  await writeFile(join(folder, 'worker.js'), code)
  await writeFile(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main) ],
  sockets = [ (name = "http", address = "127.0.0.1:${port}", http = (), service = "main") ],
);
const main :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  compatibilityDate = "2026-01-01",
);
`,
  )
  const { default: binary } = createRequire(import.meta.url)('workerd') as { default: string }
  const stdio = ['ignore', 'inherit', 'inherit'] as const
  workerd = spawn(binary, ['serve', join(folder, 'config.capnp')], { stdio: [...stdio] })
  const ask = () => fetch(`http://127.0.0.1:${port}/`)
  const isUp = () =>
    ask().then(
      () => true,
      () => false,
    )
  await until(isUp, 50)
  expect(await (await ask()).json()).toEqual([])
})
