/**
 * Where the parts go in a host: folders that its workspace already has, and names that nobody else has.
 *
 * @module
 */

import type { Checkout, Part } from './checkout.ts'
import { CreateError } from './errors.ts'
import { leftOut } from './extras.ts'
import type { Host } from './host.ts'
import { type Layout, renamerOf } from './place.ts'

/** What a person may choose. */
export interface LayoutOptions {
  /** The scope of the copied packages, with `@`. Default `@repo`. */
  scope?: string
  /** The folder of the packages. Default: the first folder of the workspace's globs, such as `packages`. */
  directory?: string
  /** Extras that the host leaves out, such as `creem`. */
  without?: readonly string[]
  /** Extras that the host left out and wants now. */
  including?: readonly string[]
}

/** The folders whose names say that they hold libraries, in the order in which they are chosen. */
const LIBRARIES = ['packages', 'libs', 'modules']

/** Decides where new parts go. Parts of `earlier` stay where they are. @throws `usage`, `name_taken`, `invalid_host` */
export function decideLayout(
  checkout: Checkout,
  parts: readonly Part[],
  host: Host,
  { scope = '@repo', directory, ...extras }: LayoutOptions,
  earlier: Layout | null,
): Layout {
  if (earlier) {
    if (scope !== '@repo' && scope !== earlier.scope) {
      throw new CreateError(
        'usage',
        `The packages of this host have the scope ${earlier.scope}. Leave out --scope.`,
      )
    }
    scope = earlier.scope
  }
  if (!/^@[a-z0-9][a-z0-9._-]*$/.test(scope)) {
    throw new CreateError(
      'usage',
      `--scope must be an npm scope such as @acme, not ${JSON.stringify(scope)}.`,
    )
  }
  const base = directory ?? (earlier ? folderOf(earlier) : null) ?? libraryFolder(host)
  if (
    !/^[\w@.-]+(\/[\w@.-]+)*$/.test(base) ||
    base.split('/').some((step) => step === '..' || step === '.')
  ) {
    throw new CreateError(
      'usage',
      `--directory must be a folder inside of the host, not ${JSON.stringify(base)}.`,
    )
  }
  const isOurs = (folder: string) => Object.values(earlier?.folders ?? {}).includes(folder)
  const folders = Object.fromEntries(
    parts.map(({ name, folder }) => {
      const known = earlier?.folders[name]
      if (known) return [name, known]
      if (folder === 'prisma' && !host.has('prisma')) return [name, 'prisma']
      return [name, `${base}/${name}`]
    }),
  )
  const rename = renamerOf(checkout, { scope })
  for (const { name, packageName } of parts) {
    const folder = folders[name] as string
    if (isOurs(folder)) continue
    const taken = host.packages.find((each) => each.name === rename(packageName))
    if (taken) {
      throw new CreateError(
        'name_taken',
        `The package ${taken.name} of ${taken.folder || 'the root'} has the name that ${name} would get. ` +
          'Give the copied packages another scope with --scope, such as --scope @tollgate.',
      )
    }
    if (host.has(folder)) {
      throw new CreateError(
        'name_taken',
        `The folder ${folder} exists and has no receipt, so it is not touched. Choose another folder with --directory.`,
      )
    }
  }
  const rootFiles = Object.fromEntries(
    [...new Set(parts.flatMap(({ manifest }) => manifest.rootFiles))].map((file) => [
      file,
      earlier?.rootFiles[file] ?? freeName(host, file, base),
    ]),
  )
  return {
    scope,
    folders: { ...earlier?.folders, ...folders },
    rootFiles: { ...earlier?.rootFiles, ...rootFiles },
    packageManager: earlier?.packageManager ?? host.packageManager,
    without: leftOut(checkout, earlier?.without ?? [], extras),
  }
}

const folderOf = ({ folders }: Layout): string | null =>
  folders.core?.replace(/\/[^/]+$/, '') ?? null

function libraryFolder({ globs }: Host): string {
  const folders = (globs ?? []).flatMap(
    (glob) => /^(?:\.\/)?([\w@./-]+)\/\*\/?$/.exec(glob)?.[1] ?? [],
  )
  return (
    LIBRARIES.find((name) => folders.includes(name)) ??
    folders.find((name) => !/apps?$/.test(name)) ??
    'packages'
  )
}

/** The name of a root file, or another one where the host has a file of this name. The licence goes to the parts. */
function freeName({ read }: Host, file: string, base: string): string {
  if (file === 'LICENSE') return `${base}/core/LICENSE`
  return read(file) ? file.replace(/^([^.]+)\./, '$1.tollgate.') : file
}
