/**
 * The packages that an app loads, followed from its `package.json` through `node_modules`, as Node would.
 *
 * @module
 */

import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'

/** An installed package. */
export interface Installed {
  name: string
  version: string
  /** Its folder, without symbolic links. */
  folder: string
  /** The name of the package that led to it. */
  by: string
  /** Whether it is a package of the host's workspace. */
  isOwn: boolean
}

interface Manifest {
  name?: string
  version?: string
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

/** All packages that the package in `folder` loads, directly or through others, each folder once. */
export function installedFor(folder: string): Installed[] {
  const found = new Map<string, Installed>()
  const resolved = new Map<string, string | null>()
  const visit = (at: string, by: string, isFirst: boolean): void => {
    if (found.has(at)) return
    const manifest = manifestIn(at)
    if (!manifest) return
    const { name = at, version = '' } = manifest
    const isOwn = !at.split(sep).includes('node_modules')
    found.set(at, { name, version, folder: at, by, isOwn })
    const wanted = {
      ...(isFirst ? manifest.devDependencies : {}),
      ...manifest.peerDependencies,
      ...manifest.optionalDependencies,
      ...manifest.dependencies,
    }
    for (const each of Object.keys(wanted)) {
      const to = resolveFrom(at, each, resolved)
      if (to !== null) visit(to, name, false)
    }
  }
  if (existsSync(folder)) visit(realpathSync(folder), 'the app', true)
  return [...found.values()]
}

/** The folder of a package as seen from `folder`; null if it is not installed. */
function resolveFrom(
  folder: string,
  name: string,
  known: Map<string, string | null>,
): string | null {
  const key = `${folder}\0${name}`
  const before = known.get(key)
  if (before !== undefined) return before
  const at = join(folder, 'node_modules', name)
  const above = dirname(folder)
  const found = existsSync(join(at, 'package.json'))
    ? realpathSync(at)
    : above === folder
      ? null
      : resolveFrom(above, name, known)
  known.set(key, found)
  return found
}

function manifestIn(folder: string): Manifest | null {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  } catch {
    return null
  }
}
