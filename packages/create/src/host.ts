/**
 * The host: the folder into which the parts are copied, and what is in it already.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, posix, relative, resolve, sep } from 'node:path'
import { parse as parseYaml } from 'yaml'
import * as z from 'zod'
import { CreateError } from './errors.ts'
import { type ReadFile, readerOf, textOf } from './files.ts'
import { RECEIPT_FOLDER } from './receipt.ts'

/** The package managers that a host may use. `yarn1` is Yarn Classic. */
export type PackageManager = 'pnpm' | 'npm' | 'yarn' | 'yarn1' | 'bun'

/** A package of the host. */
export interface HostPackage {
  /** The path of its folder; empty for the root. */
  folder: string
  /** Null: its `package.json` has no name. */
  name: string | null
  /** Names of its dependencies of all kinds. */
  dependencies: Record<string, string>
}

/** What the host is. */
export interface Host {
  /** The absolute path. */
  folder: string
  read: ReadFile
  /** Whether a file or a folder exists at a path. */
  has(path: string): boolean
  /** Whether the folder has nothing but dotfiles. */
  isEmpty: boolean
  packageManager: PackageManager
  /** The globs of the workspace. Null: the host is one package. */
  globs: string[] | null
  /** The root's package and the packages of the workspace. */
  packages: HostPackage[]
  /** Whether the folder is in a git repository. */
  isInGit: boolean
}

const manifestSchema = z.looseObject({
  name: z.string().nullish(),
  packageManager: z.string().nullish(),
  workspaces: z
    .union([z.array(z.string()), z.looseObject({ packages: z.array(z.string()) })])
    .nullish(),
  dependencies: z.record(z.string(), z.string()).nullish(),
  devDependencies: z.record(z.string(), z.string()).nullish(),
})

/** Looks at the folder at `path`, which may not exist yet. @throws `invalid_host` */
export function openHost(path: string): Host {
  const folder = resolve(path)
  let there = folder
  while (!existsSync(there)) there = dirname(there)
  if (!statSync(there).isDirectory()) {
    throw new CreateError('invalid_host', `${there} is a file. Name a folder with --into.`)
  }
  const read = readerOf(folder)
  const names = existsSync(folder) ? readdirSync(folder) : []
  const root = readPackage(read, '')
  const globs = globsOf(read, root?.json ?? null)
  const found = root ? [root, ...packagesOf(folder, read, globs ?? [])] : []
  return {
    folder,
    read,
    has: (at) => existsSync(join(folder, at)),
    isEmpty: names.every((name) => name.startsWith('.') && name !== RECEIPT_FOLDER),
    packageManager: managerOf(read, root?.json.packageManager ?? null),
    globs,
    packages: found.map(({ folder: at, json }) => ({
      folder: at,
      name: json.name ?? null,
      dependencies: { ...json.devDependencies, ...json.dependencies },
    })),
    isInGit: git(folder, 'rev-parse', '--is-inside-work-tree') === 'true',
  }
}

/** The files of the host with changes that are not committed. None where the host is in no git repository. */
export function changedFiles({ folder }: Host): string[] {
  const status = git(folder, 'status', '--porcelain', '--', '.')
  return status ? status.split('\n').map((line) => line.slice(3)) : []
}

/** Refuses a path whose folder is outside of the host, and looks at each folder once. @throws `invalid_host` */
export function insideOf(folder: string): (path: string) => void {
  const known = new Set<string>()
  return (path) => {
    const at = dirname(resolve(folder, path))
    if (known.has(at)) return
    if (!isWithin(at, folder)) {
      throw new CreateError(
        'invalid_host',
        `${path} is outside of ${folder}, because of a symbolic link in the path or a changed receipt. Nothing was changed.`,
      )
    }
    known.add(at)
  }
}

/** Whether a path is a folder or below it. Symbolic links are followed as far as the path exists. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(realPath(folder), realPath(path))
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** The path without symbolic links; what does not exist yet is taken as it is written. */
function realPath(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  const above = dirname(path)
  return above === path ? path : join(realPath(above), basename(path))
}

function git(folder: string, ...args: string[]): string | null {
  try {
    return execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).replace(/\n$/, '')
  } catch {
    return null
  }
}

type Json = z.output<typeof manifestSchema>

function readPackage(read: ReadFile, folder: string): { folder: string; json: Json } | null {
  const path = folder === '' ? 'package.json' : `${folder}/package.json`
  const file = read(path)
  if (!file) return null
  let json: unknown
  try {
    json = JSON.parse((textOf(file) ?? '').replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw new CreateError(
      'invalid_host',
      `${path} is not valid JSON. Correct it first; nothing was changed.`,
      {
        cause,
      },
    )
  }
  const { data, error } = manifestSchema.safeParse(json)
  if (data) return { folder, json: data }
  throw new CreateError('invalid_host', `${path}: ${z.prettifyError(error)}`)
}

function globsOf(read: ReadFile, root: Json | null): string[] | null {
  const file = read('pnpm-workspace.yaml')
  if (file) {
    try {
      const { packages } = (parseYaml(textOf(file) ?? '') ?? {}) as { packages?: unknown }
      if (packages === undefined || packages === null) return null
      return z.array(z.string()).parse(packages)
    } catch (cause) {
      throw new CreateError(
        'invalid_host',
        'pnpm-workspace.yaml cannot be read. Correct it first; nothing was changed.',
        {
          cause,
        },
      )
    }
  }
  const workspaces = root?.workspaces
  if (!workspaces) return null
  return Array.isArray(workspaces) ? workspaces : workspaces.packages
}

/** How many folders deep `**` looks. */
const DEPTH = 4

/** The packages that the globs of a workspace name, without those that a glob with `!` excludes. */
function packagesOf(
  folder: string,
  read: ReadFile,
  globs: readonly string[],
): { folder: string; json: Json }[] {
  const foldersIn = (at: string) =>
    existsSync(join(folder, at)) && statSync(join(folder, at)).isDirectory()
      ? readdirSync(join(folder, at))
          .filter((name) => !/^(\.|node_modules$)/.test(name))
          .map((name) => posix.join(at, name))
          .filter(
            (each) => existsSync(join(folder, each)) && statSync(join(folder, each)).isDirectory(),
          )
      : []
  const below = (at: string, depth: number): string[] =>
    depth === 0 ? [] : foldersIn(at).flatMap((each) => [each, ...below(each, depth - 1)])
  const named = (glob: string): string[] => {
    let paths = ['']
    for (const step of plainGlob(glob).split('/')) {
      if (step === '**') paths = paths.flatMap((path) => [path, ...below(path, DEPTH)])
      else if (step.includes('*')) {
        const pattern = new RegExp(`^${step.split('*').map(escaped).join('.*')}$`)
        paths = paths.flatMap(foldersIn).filter((path) => pattern.test(posix.basename(path)))
      } else paths = paths.map((path) => posix.join(path, step))
    }
    return paths
  }
  const without = new Set(
    globs.filter((glob) => glob.startsWith('!')).flatMap((glob) => named(glob.slice(1))),
  )
  const paths = new Set(globs.filter((glob) => !glob.startsWith('!')).flatMap(named))
  return [...paths].flatMap((path) =>
    path === '' || without.has(path) ? [] : (readPackage(read, path) ?? []),
  )
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** A glob without `./` before and `/` after it. */
export const plainGlob = (glob: string): string => glob.replace(/^\.\//, '').replace(/\/$/, '')

const LOCKFILES: readonly (readonly [file: string, manager: PackageManager])[] = [
  ['pnpm-lock.yaml', 'pnpm'],
  ['pnpm-workspace.yaml', 'pnpm'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['package-lock.json', 'npm'],
  ['yarn.lock', 'yarn'],
]

function managerOf(read: ReadFile, named: string | null): PackageManager {
  const [, name, major] = /^(pnpm|npm|yarn|bun)@(\d+)/.exec(named ?? '') ?? []
  if (name === 'yarn') return major === '1' ? 'yarn1' : 'yarn'
  if (name) return name as PackageManager
  const lock = LOCKFILES.find(([file]) => read(file) !== null)
  if (!lock) return 'pnpm'
  if (lock[1] !== 'yarn') return lock[1]
  const text = textOf(read('yarn.lock') ?? { bytes: Buffer.from(''), isExecutable: false }) ?? ''
  return text.includes('# yarn lockfile v1') ? 'yarn1' : 'yarn'
}

/** A name for the root package of a new host, from its folder. */
export const nameFor = (folder: string): string =>
  basename(folder)
    .toLowerCase()
    .split(/[^a-z0-9]/)
    .filter((word) => word !== '')
    .join('-') || 'app'
