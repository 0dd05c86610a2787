/**
 * The lockfile of a new host: the checkout's, without what is not copied. The host then has the versions that Tollgate
 * was tested with, and pnpm resolves nothing.
 *
 * @module
 */

import { isMap, parseDocument } from 'yaml'
import type { Checkout, Part } from './checkout.ts'
import { packagesLeftOut } from './extras.ts'
import { type FileState, textFile, textOf } from './files.ts'
import type { Layout } from './place.ts'

/** The file's name. */
export const LOCKFILE = 'pnpm-lock.yaml'

/**
 * The lockfile for a host whose root is made with the copy, and which has these `devDependencies` and `overrides`. Null: the host has another package manager, scope or layout,
 * so its package manager resolves the versions.
 */
export function lockfileFor(
  checkout: Checkout,
  parts: readonly Part[],
  { scope, folders, packageManager, without }: Layout,
  devDependencies: readonly string[],
  overrides: readonly string[],
): FileState | null {
  const file = checkout.read(LOCKFILE)
  const isAsHere = parts.every(
    ({ name, folder, packageName }) =>
      folders[name] === folder && packageName.startsWith(`${scope}/`),
  )
  if (!file || packageManager !== 'pnpm' || !isAsHere) return null
  const document = parseDocument(textOf(file) ?? '')
  const importers = document.get('importers')
  if (!isMap(importers)) return null
  const kept = new Set(['.', ...parts.map(({ folder }) => folder)])
  for (const path of Object.keys(importers.toJSON() as object)) {
    if (!kept.has(path)) document.deleteIn(['importers', path])
  }
  const root = document.getIn(['importers', '.', 'devDependencies'])
  for (const name of isMap(root) ? Object.keys(root.toJSON() as object) : []) {
    if (!devDependencies.includes(name))
      document.deleteIn(['importers', '.', 'devDependencies', name])
  }
  const fixed = document.get('overrides')
  for (const name of isMap(fixed) ? Object.keys(fixed.toJSON() as object) : []) {
    if (!overrides.includes(name)) document.deleteIn(['overrides', name])
  }
  const left = packagesLeftOut(parts, without)
  for (const { folder } of parts) {
    for (const group of ['dependencies', 'devDependencies', 'optionalDependencies']) {
      for (const name of left) {
        const path = ['importers', folder, group, name]
        if (document.hasIn(path)) document.deleteIn(path)
      }
    }
  }
  return textFile(document.toString({ lineWidth: 0 }))
}
