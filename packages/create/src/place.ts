/**
 * Where each file of the checkout goes in the host, and how its text changes on the way: package names get the host's
 * scope, and paths from one package to another follow the packages to their new places.
 *
 * @module
 */

import { posix } from 'node:path'
import type { Checkout, Part } from './checkout.ts'
import { cutExtras, extrasOf, filesLeftOut, keysLeftOut } from './extras.ts'
import { type FileState, textFile, textOf } from './files.ts'
import { formatOf } from './formats.ts'
import type { PackageManager } from './host.ts'
import type { HostSchema } from './schema/locate.ts'

/** Where the parts go in a host, as the receipt keeps it. */
export interface Layout {
  /** The scope of the copied packages, with `@`. */
  scope: string
  /** The path of each part's folder in the host. */
  folders: Record<string, string>
  /** The path of each root file in the host, by its path in the checkout. */
  rootFiles: Record<string, string>
  packageManager: PackageManager
  /** The extras that the host left out. */
  without: string[]
}

/** A file in its place in the host. */
export interface Placed {
  /** The path in the checkout. */
  source: string
  file: FileState
}

/**
 * The files of `parts` and their root files, by their paths in the host. With a `schema` of the host, `@repo/db` leaves
 * its models, its migrations and the tests of both behind, and names those of the host.
 */
export function placeFiles(
  checkout: Checkout,
  parts: readonly Part[],
  layout: Layout,
  schema: HostSchema | null = null,
): Map<string, Placed> {
  const moves = movesOf(checkout, layout)
  const rename = renamerOf(checkout, layout)
  const known = extrasOf(checkout)
  const { without } = layout
  const left = keysLeftOut(parts, without)
  const placed = new Map<string, Placed>()
  const sources = [
    ...parts.flatMap((part) => filesOf(part, without)),
    ...new Set(parts.flatMap(({ manifest }) => manifest.rootFiles)),
  ]
  for (const source of sources) {
    const file = checkout.read(source)
    if (!file || (schema && OWN_SCHEMA.test(source))) continue
    const path = moved(source, moves)
    placed.set(path, { source, file: rewrite(file, source, path) })
  }
  return placed

  function rewrite(file: FileState, source: string, path: string): FileState {
    const text = textOf(file)
    if (text === null) return file
    const named = rename(cutExtras(text, known, without, source))
    const pathed = movesPaths(layout) ? relocate(named, source, path, moves) : named
    const hosted = path.endsWith('/package.json')
      ? asHosted(pathed, layout.packageManager, left)
      : pathed
    const ready = schema && source === DB_MANIFEST ? naming(hosted, schema, path) : hosted
    return ready === text ? file : { ...textFile(ready), isExecutable: file.isExecutable }
  }
}

/** The files of a part without these extras, by their paths in the checkout. */
function filesOf(part: Part, without: readonly string[]): string[] {
  const left = filesLeftOut(part, without)
  return part.files.filter(
    (file) => !left.some((path) => file === path || file.startsWith(`${path}/`)),
  )
}

const DB_MANIFEST = 'prisma/package.json'

/** The files of `@repo/db` that a host with a schema of its own has instead. */
const OWN_SCHEMA = /^prisma\/(migrations\/|schema\/(?!schema\.prisma$)|src\/__tests__\/)/

/** The `package.json` of `@repo/db` with the places of the host's schema and migrations. */
function naming(text: string, { path: schema, migrations }: HostSchema, manifest: string): string {
  const from = posix.dirname(manifest)
  const value = {
    schema: posix.relative(from, schema),
    migrations: posix.relative(from, migrations),
  }
  return formatOf(manifest).set(text, ['tollgate'], JSON.stringify(value))
}

/** The path of a file of the checkout in the host. */
export const placeOf = (checkout: Checkout, layout: Layout, source: string): string =>
  moved(source, movesOf(checkout, layout))

/** Renames the packages in a text of the checkout. */
export function renamerOf(
  checkout: Checkout,
  { scope }: Pick<Layout, 'scope'>,
): (text: string) => string {
  const names = [...checkout.parts.values()].map(({ packageName }) => packageName)
  const scoped = names.map((name) => name.split('/')[1])
  const [old] = names[0]?.split('/') ?? []
  if (old === scope || !old) return (text) => text
  const pattern = new RegExp(`${old}/(${scoped.join('|')})(?![\\w-])`, 'g')
  return (text) => text.replaceAll(pattern, `${scope}/$1`)
}

/** Where files and folders move, the longest paths first. */
export type Moves = readonly (readonly [from: string, to: string])[]

function movesOf(checkout: Checkout, { folders, rootFiles }: Layout): Moves {
  const parts = Object.entries(folders).flatMap(([name, to]) => {
    const part = checkout.parts.get(name)
    return part ? [[part.folder, to] as const] : []
  })
  return [...parts, ...Object.entries(rootFiles)].sort(([a], [b]) => b.length - a.length)
}

function moved(path: string, moves: Moves): string {
  for (const [from, to] of moves) {
    if (path === from) return to
    if (path.startsWith(`${from}/`)) return to + path.slice(from.length)
  }
  return path
}

const movesPaths = ({ folders, rootFiles }: Layout): boolean =>
  Object.entries(rootFiles).some(([from, to]) => from !== to) ||
  Object.entries(folders).some(
    ([name, to]) => to !== (name === 'db' ? 'prisma' : `packages/${name}`),
  )

/** A path to another folder, in quotes, in parentheses of a link, or in backticks. */
const RELATIVE = /(?<=['"`(])(\.\.?\/[\w@./-]*\w)(?=['"`)#])/g

/** Lets relative paths in a text lead to where the files they name have moved. */
export function relocate(text: string, source: string, path: string, moves: Moves): string {
  return text.replaceAll(RELATIVE, (written) => {
    const target = posix.join(posix.dirname(source), written)
    const to = moved(target, moves)
    const from = posix.relative(posix.dirname(source), target)
    const next = posix.relative(posix.dirname(path), to)
    if (from === next) return written
    return next.startsWith('.') ? next : `./${next}`
  })
}

/** `workspace:*` as each package manager writes a package of the same workspace. */
export const workspaceRange = (manager: PackageManager): string =>
  manager === 'npm' || manager === 'yarn1' ? '*' : 'workspace:*'

/**
 * A `package.json` as a host needs it: its own package manager's ranges, no linter that the host does not have, and
 * nothing that only a left out extra uses.
 */
function asHosted(text: string, manager: PackageManager, left: readonly string[][]): string {
  const { get, remove } = formatOf('package.json')
  const kept = left.reduce(
    (before, keys) => (get(before, keys) === undefined ? before : remove(before, keys)),
    text,
  )
  return kept
    .replaceAll('"workspace:*"', JSON.stringify(workspaceRange(manager)))
    .replace(/\n *"lint": "biome [^"]*",?(?=\n)/, '')
    .replace(/,(\n *\})/g, '$1')
}

/** Lets the paths of parts in a command or a sentence lead to their places. */
export const placePaths = (checkout: Checkout, layout: Layout, text: string): string =>
  text.replaceAll(/(?<![\w./-])((?:packages\/[a-z]+|prisma)\/[\w./-]*\w)/g, (path) =>
    placeOf(checkout, layout, path),
  )
