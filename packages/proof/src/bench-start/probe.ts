/**
 * Runs parts of this benchmark in fresh processes of plain Node, in which every package is its built `dist`.
 *
 * @module
 */

import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { say } from '../harness/command.ts'
import type { Part } from './probes/measure.ts'

const run = promisify(execFile)
const proof = fileURLToPath(new URL('../..', import.meta.url))
/** The probes stay in this package, so that they resolve modules as the package does. */
const folder = join(proof, 'dist/bench-start')

const NAMES = ['import', 'session', 'better-auth', 'webhook', 'limit'] as const

/** A file of `probes` that is run as a program. */
export type Probe = (typeof NAMES)[number]

/** The packages in the order in which they need each other. */
const PACKAGES = ['core', 'db', 'jobs', 'email', 'auth', 'billing']

/** Builds the packages as `pnpm build` does, without their types, and then the probes. */
export async function prepare(): Promise<void> {
  for (const name of PACKAGES) {
    say(`building @repo/${name}`)
    const manifest = createRequire(import.meta.url).resolve(`@repo/${name}/package.json`)
    await run(process.execPath, [tsup(), '--silent'], { cwd: dirname(manifest) })
  }
  await build({
    entryPoints: NAMES.map((name) => join(proof, `src/bench-start/probes/${name}.ts`)),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
  })
}

function tsup(): string {
  const root = createRequire(pathToFileURL(join(proof, '../../package.json')))
  return join(dirname(root.resolve('tsup/package.json')), 'dist/cli-default.js')
}

/** Runs a probe and returns what each part of its start took. */
export async function probe(name: Probe, settings: object): Promise<Record<string, Part>> {
  const { NODE_OPTIONS: _, ...env } = process.env
  const { stdout } = await run(
    process.execPath,
    [join(folder, `${name}.mjs`), JSON.stringify(settings)],
    // Packages print warnings for what a benchmark leaves out; those go nowhere.
    { env: { ...env, NODE_ENV: 'production' } },
  )
  return JSON.parse(stdout.trim().split('\n').at(-1) as string) as Record<string, Part>
}
