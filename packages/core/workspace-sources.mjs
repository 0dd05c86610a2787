/**
 * Where the sources of this workspace's packages are, for the configurations of bundlers. Plain JavaScript, because
 * bundlers load their configuration before anything is compiled.
 *
 * @module
 */

import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { join, sep } from 'node:path'

/**
 * Every entry of the workspace packages that the package in `folder` depends on, directly or not, with the file of its
 * `source`.
 *
 * @param {string} folder
 * @returns {[entry: string, file: string][]}
 */
export const sourcesFor = (folder) =>
  [...workspacePackages(folder)].flatMap(([name, at]) => sourcesOf(name, at))

/**
 * The packages of this workspace that `folder` depends on, by name: what a package manager links, and does
 * not put below `node_modules`.
 *
 * @param {string} folder
 * @param {Map<string, string>} found
 */
function workspacePackages(folder, found = new Map()) {
  const { dependencies, devDependencies } = manifestOf(folder)
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    const link = join(folder, 'node_modules', name)
    if (found.has(name) || !existsSync(link)) continue
    const real = realpathSync(link)
    if (real.includes(`${sep}node_modules${sep}`)) continue
    found.set(name, real)
    workspacePackages(real, found)
  }
  return found
}

/**
 * Each entry of a package with the file of its `source`.
 *
 * @param {string} name
 * @param {string} folder
 * @returns {[entry: string, file: string][]}
 */
function sourcesOf(name, folder) {
  const entries = Object.entries(manifestOf(folder).exports ?? {})
  return entries.flatMap(([path, target]) =>
    target?.source ? [[name + path.slice(1), join(folder, target.source)]] : [],
  )
}

/** @param {string} folder */
function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
