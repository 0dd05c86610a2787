/**
 * Bundles a host's program as for production: minified, for Node, with Node's own modules left out.
 *
 * @module
 */

import { build } from 'esbuild'
import type { Program } from './modules.ts'

/** The size of a bundle, in kB. */
export interface Size {
  /** All files, including those that are loaded when they are first needed. */
  total: number
  /** The files that the program loads when it starts. */
  atStart: number
}

/** Bundles `program` and measures the files. */
export async function bundle(program: Program): Promise<Size> {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: program.lines.join('\n'),
      resolveDir: new URL('.', import.meta.url).pathname,
      sourcefile: 'host.ts',
    },
    bundle: true,
    minify: true,
    splitting: true,
    write: false,
    metafile: true,
    outdir: '/bundle',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    define: { 'process.env.NODE_ENV': '"production"' },
    // Optional packages, for those that mention them.
    external: ['pg-native', ...(program.leftOut ?? [])],
    logLevel: 'error',
  })
  const bytes = new Map(outputFiles.map(({ path, contents }) => [path, contents.length]))
  const outputs = new Map(
    Object.entries(metafile.outputs).map(([path, output]) => [nameOf(path), output]),
  )
  const sizeOf = (path: string) => outputs.get(path)?.bytes ?? 0
  const started = new Set<string>()
  const start = (path: string) => {
    if (started.has(path)) return
    started.add(path)
    for (const { path: next, kind } of outputs.get(path)?.imports ?? []) {
      if (kind === 'import-statement' && outputs.has(nameOf(next))) start(nameOf(next))
    }
  }
  for (const [path, { entryPoint }] of outputs) if (entryPoint?.endsWith('host.ts')) start(path)
  const sum = (sizes: Iterable<number>) => [...sizes].reduce((all, one) => all + one, 0) / 1000
  return { total: sum(bytes.values()), atStart: sum([...started].map(sizeOf)) }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
