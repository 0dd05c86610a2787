/**
 * A copy of this package with a host's own tables in its schema, generated as `prisma generate` does it, so that
 * tests see what a host gets who adds a model or a column.
 *
 * @module
 */

import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const requireHere = createRequire(import.meta.url)
const PACKAGE = dirname(requireHere.resolve('@repo/db/package.json'))
const COPIED = ['generator', 'migrations', 'package.json', 'prisma.config.ts', 'schema', 'src']

/** A copy of the package. */
export interface HostPackage {
  /** A module of the copy, by its path under `src`. */
  import<Module>(path: string): Promise<Module>
  /** Removes the copy. */
  remove(): Promise<void>
}

/**
 * Makes the copy. `schema` are the host's models, and `backwards` the lines that the host adds to models of ours, by the
 * model's name. `seed` is the text of the host's `host-seed.ts`. Default: the empty one.
 */
export async function createHostPackage(
  schema: string,
  backwards: Record<string, string>,
  seed?: string,
): Promise<HostPackage> {
  // Beside the package, so that what it depends on is found from there, too.
  await mkdir(join(PACKAGE, '.tollgate'), { recursive: true })
  const folder = await mkdtemp(join(PACKAGE, '.tollgate/host-'))
  for (const name of COPIED) {
    await cp(join(PACKAGE, name), join(folder, name), { recursive: true })
  }
  await symlink(join(PACKAGE, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'schema/host.prisma'), schema)
  if (seed !== undefined) await writeFile(join(folder, 'src/__tests__/host-seed.ts'), seed)
  const ours = join(folder, 'schema/auth.prisma')
  let models = await readFile(ours, 'utf8')
  for (const [model, fields] of Object.entries(backwards)) {
    models = models.replace(`model ${model} {\n`, (start) => `${start}${fields}\n`)
  }
  await writeFile(ours, models)
  const prisma = join(dirname(requireHere.resolve('prisma/package.json')), 'build/index.js')
  await promisify(execFile)(process.execPath, [prisma, 'generate'], { cwd: folder })
  return {
    import: (path) => import(join(folder, 'src', path)),
    remove: () => rm(folder, { recursive: true }),
  }
}
