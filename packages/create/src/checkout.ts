/**
 * The sources: a checkout of this repository. A file that was generated, built or installed is not a source.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { CreateError } from './errors.ts'
import { listFiles, type ReadFile, readerOf, textOf } from './files.ts'
import { MANIFEST, type Manifest, readManifest } from './manifest.ts'

/** A package that can be copied. */
export interface Part {
  name: string
  /** The path in the checkout. */
  folder: string
  /** The package's name there, such as `@repo/auth`. */
  packageName: string
  manifest: Manifest
  /** The names of the parts that this part needs. */
  needs: string[]
  /** The paths of its files in the checkout. */
  files: string[]
}

/** The sources that are copied. */
export interface Checkout {
  folder: string
  /** The version of the repository. */
  version: string
  /** The commit. Null: the folder is no git repository, or has changes that are not committed. */
  commit: string | null
  /** Whether the checkout's commit is an ancestor of `commit`. False where git does not know. */
  isBefore(commit: string): boolean
  parts: ReadonlyMap<string, Part>
  read: ReadFile
  /** The root's `package.json`. */
  root: RootManifest
}

const rootSchema = z.looseObject({
  name: z.literal('tollgate'),
  version: z.string(),
  packageManager: z.string(),
  engines: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
})

/** The members of the root's `package.json` that a host gets. */
export type RootManifest = z.output<typeof rootSchema>

const packageSchema = z.looseObject({
  name: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
  devDependencies: z.record(z.string(), z.string()).default({}),
  peerDependencies: z.record(z.string(), z.string()).default({}),
})

/** The names of files and folders that are made, and so are no sources, and of files with secrets. */
const MADE =
  /^(node_modules|dist|generated|coverage|\.next|\.tollgate|\.turbo|\.api|\.git|\.DS_Store|\.env(?!.*\.example$)(\..*)?|next-env\.d\.ts|.*\.tsbuildinfo|.*\.log)$/

/** Opens the checkout at `folder`. @throws `checkout_not_found`, `invalid_checkout` */
export function openCheckout(folder: string): Checkout {
  const read = readerOf(folder)
  const root = rootSchema.safeParse(parse(read, 'package.json'))
  if (!root.success) {
    throw new CreateError(
      'checkout_not_found',
      `${folder} is not a checkout of Tollgate. Name one with --from.`,
    )
  }
  const folders = [
    ...readdirSync(join(folder, 'packages')).map((name) => `packages/${name}`),
    'prisma',
  ]
  const found = folders.flatMap((path) => {
    const manifest = readManifest(read, path)
    return manifest
      ? [{ path, manifest, json: packageSchema.parse(parse(read, `${path}/package.json`)) }]
      : []
  })
  const names = new Map(found.map(({ json, manifest }) => [json.name, manifest.part]))
  const parts = found.map(({ path, manifest, json }): Part => {
    const wanted = { ...json.dependencies, ...json.devDependencies, ...json.peerDependencies }
    const needs = Object.entries(wanted).flatMap(([name, range]) => {
      if (!range.startsWith('workspace:')) return []
      const part = names.get(name)
      if (part) return [part]
      throw new CreateError('invalid_checkout', `${path} needs ${name}, which has no manifest.`)
    })
    const isLeft = (file: string) =>
      file === MANIFEST ||
      manifest.leavesBehind.some((left) => file === left || file.startsWith(`${left}/`))
    const files = listFiles(join(folder, path), (name) => MADE.test(name)).filter(
      (file) => !isLeft(file),
    )
    return {
      name: manifest.part,
      folder: path,
      packageName: json.name,
      manifest,
      needs,
      files: files.map((file) => `${path}/${file}`),
    }
  })
  return {
    folder,
    version: root.data.version,
    commit: commitOf(folder),
    isBefore: (commit) => isAncestor(folder, commit),
    parts: new Map(parts.map((part) => [part.name, part])),
    read,
    root: root.data,
  }
}

/** The parts with these names and all parts that they need, those that others need first. @throws `usage` */
export function closureOf(checkout: Checkout, names: Iterable<string>): Part[] {
  const found = new Map<string, Part>()
  const add = (name: string) => {
    if (found.has(name)) return
    const part = checkout.parts.get(name)
    if (!part) {
      const known = [...checkout.parts.values()].filter(({ manifest }) => manifest.isChosen)
      throw new CreateError(
        'usage',
        `There is no part ${JSON.stringify(name)}. The parts are ${known.map((each) => each.name).join(', ')}.`,
      )
    }
    for (const needed of part.needs) add(needed)
    found.set(name, part)
  }
  for (const name of names) add(name)
  return [...found.values()]
}

function parse(read: ReadFile, path: string): unknown {
  const file = read(path)
  try {
    return file ? JSON.parse(textOf(file) ?? '') : null
  } catch (cause) {
    throw new CreateError('invalid_checkout', `${path} of the checkout is not JSON.`, { cause })
  }
}

/** Whether HEAD is an ancestor of `commit`, and not that commit itself. */
function isAncestor(folder: string, commit: string): boolean {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  try {
    if (git('rev-parse', 'HEAD').trim() === commit) return false
    git('merge-base', '--is-ancestor', 'HEAD', commit)
    return true
  } catch {
    return false
  }
}

function commitOf(folder: string): string | null {
  if (!existsSync(join(folder, '.git'))) return null
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  try {
    return git('status', '--porcelain') === '' ? git('rev-parse', 'HEAD') : null
  } catch {
    return null
  }
}
