/** A Worker as it is deployed: copied into a folder of its own, bundled with its aliases, and run by workerd. */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { applyPlan, openCheckout, openHost, planAdd } from '@repo/create'
import { build } from 'esbuild'
import { begin, type Running } from '../processes.ts'
import { linkPackages } from './links.ts'

const ROOT = fileURLToPath(new URL('../../../../..', import.meta.url))

/** Makes the Worker's folder, bundles the Worker, and returns the code with its size in bytes, compressed. */
export async function bundleWorker(folder: string): Promise<{ code: string; bytes: number }> {
  const fixture = join(ROOT, 'packages/demo/hosts/worker')
  mkdirSync(folder)
  cpSync(join(fixture, 'app'), folder, { recursive: true })
  applyPlan(folder, planAdd(openCheckout(ROOT), openHost(folder), ['auth']))
  cpSync(join(fixture, 'own'), folder, { recursive: true })
  linkPackages(ROOT, folder)
  const config = readFileSync(join(folder, 'wrangler.jsonc'), 'utf8')
  const { main, alias } = JSON.parse(config.slice(config.indexOf('{'))) as {
    main: string
    alias: Record<string, string>
  }
  // Wrangler's own settings.
  const { outputFiles, metafile } = await build({
    entryPoints: [join(folder, main)],
    absWorkingDir: folder,
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    alias: Object.fromEntries(
      Object.entries(alias).map(([name, file]) => [name, join(folder, file)]),
    ),
  })
  const outside = Object.values(metafile.inputs).flatMap(({ imports }) =>
    imports.filter(({ external }) => external).map(({ path }) => path),
  )
  if (outside.length > 0) throw new Error(`The Worker asks for ${outside.join(', ')}.`)
  const code = outputFiles[0]?.text ?? ''
  return { code, bytes: gzipSync(code).length }
}

/** Runs a bundled Worker at `url`, in front of the app at `origin`. */
export async function runWorker(
  folder: string,
  code: string,
  { url, origin }: { url: string; origin: string },
): Promise<Running> {
  writeFileSync(join(folder, 'worker.js'), code)
  writeFileSync(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [ (name = "http", address = "localhost:${new URL(url).port}", http = (), service = "main") ],
);
const main :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  bindings = [ (name = "APP_URL", text = "${url}"), (name = "APP_ORIGIN", text = "${origin}") ],
  compatibilityDate = "2026-01-01",
);
`,
  )
  const auth = createRequire(join(ROOT, 'packages/auth/package.json'))
  const { default: binary } = auth('workerd') as { default: string }
  const worker = begin(`exec ${binary} serve ${join(folder, 'config.capnp')}`, folder)
  for (let isUp = false; !isUp; ) {
    isUp = await fetch(`${url}/edge/me`).then(
      () => true,
      () => false,
    )
  }
  return worker
}
