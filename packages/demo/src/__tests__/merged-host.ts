/**
 * An app with a Prisma schema, migrations and users of its own, and the packages that `tollgate add` copies into it. What
 * a package manager would install is linked, with the copied packages in the place of those of this workspace.
 */

import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { applyPlan, openCheckout, openHost, type Plan, planAdd } from '@repo/create'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const fromDb = createRequire(join(ROOT, 'prisma/package.json'))
const PRISMA = join(dirname(fromDb.resolve('prisma/package.json')), 'build/index.js')
const TSX = pathToFileURL(createRequire(join(ROOT, 'package.json')).resolve('tsx')).href

export interface MergedHost {
  folder: string
  plan: Plan
  /** Runs Prisma's own command in a folder of the host. */
  prisma(at: string, ...args: string[]): Promise<string>
  /** Runs a module of the host and returns what it prints. */
  run(module: string, args: string[], env: Record<string, string>): Promise<string>
  write(files: Record<string, string>): Promise<void>
  remove(): Promise<void>
}

/** Writes the app, lets it live for a while in its folder, and adds auth to it. */
export async function createMergedHost(
  files: Record<string, string>,
  live: (folder: string) => Promise<void>,
): Promise<MergedHost> {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-merged-'))
  await chmod(folder, 0o755)
  const write = async (texts: Record<string, string>) => {
    for (const [path, text] of Object.entries(texts)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
  }
  await write(files)
  await live(folder)
  const checkout = openCheckout(ROOT)
  const plan = planAdd(checkout, openHost(folder), ['auth'], { scope: '@shop' })
  applyPlan(folder, plan)
  for (const part of ['core', 'db', 'email', 'jobs', 'auth']) await link(part)
  await mkdir(join(folder, 'node_modules'), { recursive: true })
  await symlink(join(ROOT, 'prisma/node_modules/@prisma'), join(folder, 'node_modules/@prisma'))
  await symlink(join(ROOT, 'prisma/node_modules/prisma'), join(folder, 'node_modules/prisma'))

  return {
    folder,
    plan,
    write,
    prisma: (at, ...args) =>
      node(join(folder, at), [PRISMA, ...args], { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath }),
    run: (module, args, env) =>
      node(folder, ['--conditions=source', '--import', TSX, join(folder, module), ...args], env),
    remove: () => rm(folder, { recursive: true, force: true }),
  }

  /** Links what the package of this workspace has installed. */
  async function link(part: string): Promise<void> {
    const own = join(ROOT, part === 'db' ? 'prisma' : `packages/${part}`, 'node_modules')
    const to = join(folder, 'packages', part, 'node_modules')
    await mkdir(join(to, '@shop'), { recursive: true })
    for (const name of await readdir(own)) {
      if (name.startsWith('.') || name === '@repo') continue
      await symlink(join(own, name), join(to, name))
    }
    for (const other of ['core', 'db', 'email', 'jobs']) {
      await symlink(join(folder, 'packages', other), join(to, '@shop', other))
    }
  }
}

async function node(cwd: string, args: string[], env: Record<string, string>): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...env },
  })
  return stdout
}
