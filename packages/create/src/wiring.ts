/**
 * Wires the parts into a Next.js app that exists: the instances, the routes, the proxy, the local services, and the two
 * settings with which Next.js and TypeScript read the packages' sources. A file that the app has stays as it is.
 *
 * @module
 */

import { posix } from 'node:path'
import type { Checkout, Part } from './checkout.ts'
import { cutExtras, extrasOf } from './extras.ts'
import { type FileState, textFile, textOf } from './files.ts'
import { formatOf } from './formats.ts'
import type { Host } from './host.ts'
import { type Layout, type Placed, renamerOf } from './place.ts'
import type { Edit } from './receipt.ts'

/** The app that is wired, as the receipt keeps it. */
export interface Wiring {
  /** The app's folder; empty for the root. */
  app: string
  /** The folder of its sources: `src/`, or empty. */
  source: string
}

/**
 * What is wired into `app`. Null: the app does not use Next.js with an app router, or the parts are not those that the
 * wiring connects.
 */
export function wiringOf(
  { has, packages }: Host,
  app: string | null,
  parts: readonly Part[],
): Wiring | null {
  const names = parts.map(({ name }) => name)
  const isWhole = names.includes('auth') && names.includes('billing') && !names.includes('web')
  if (app === null || !isWhole) return null
  const { dependencies = {} } = packages.find(({ folder }) => folder === app) ?? {}
  const source = ['src/', ''].find((each) => has(inApp(app, `${each}app`)))
  return dependencies.next !== undefined && source !== undefined ? { app, source } : null
}

/** A path of the app, from the host's root. */
export const inApp = (app: string, path: string): string => (app === '' ? path : `${app}/${path}`)

/** The part whose files are wired. */
const webOf = (checkout: Checkout) => checkout.parts.get('web')

/** The files of the app, by their paths in the host. */
export function placeWiring(
  checkout: Checkout,
  layout: Layout,
  { app, source }: Wiring,
): Map<string, Placed> {
  const web = webOf(checkout)
  const rename = renamerOf(checkout, layout)
  const known = extrasOf(checkout)
  const files = new Map<string, Placed>()
  for (const name of web?.manifest.wiring?.files ?? []) {
    const path = `${web?.folder}/${name}`
    const file = checkout.read(path)
    if (!file) continue
    files.set(inApp(app, name.replace(/^src\//, source)), {
      source: path,
      file: rewritten(file, path),
    })
  }
  return files

  function rewritten(file: FileState, path: string): FileState {
    const text = cutExtras(textOf(file) ?? '', known, layout.without, path)
    return textFile(rename(text).replaceAll("'./src/", `'./${source}`))
  }
}

/** The values that the app's own files need. */
export function wiringEdits(
  checkout: Checkout,
  { read }: Host,
  layout: Layout,
  { app, source }: Wiring,
): Edit[] {
  const web = webOf(checkout)
  const rename = renamerOf(checkout, layout)
  const own = web && checkout.read(`${web.folder}/package.json`)
  const value = (keys: string[]) =>
    formatOf('package.json').get(own ? (textOf(own) ?? '') : '', keys)
  const fromWeb = (group: string, names: readonly string[] = []) =>
    names.flatMap((name): Edit[] => {
      const found = value([group, name])
      // The root has scripts of these names already.
      if (
        found === undefined ||
        (app === '' && group === 'scripts' && name !== 'services' && name !== 'local')
      )
        return []
      const text = rename(
        found
          .replace(' src/', ` ${source}`)
          // Each package manager links the packages elsewhere, but their folders are in one place.
          .replaceAll(/node_modules\/@repo\/([a-z]+)\//g, (_, part: string) => {
            const to = posix.relative(app, layout.folders[part] ?? `packages/${part}`)
            return `${to}/`
          }),
      )
      return [{ file: inApp(app, 'package.json'), keys: [group, name], value: text }]
    })
  const tsconfig = inApp(app, 'tsconfig.json')
  const config = CONFIGS.map((name) => inApp(app, name)).find((path) => read(path))
  return [
    ...fromWeb('scripts', web?.manifest.wiring?.scripts),
    ...fromWeb('devDependencies', web?.manifest.wiring?.devDependencies),
    ...(read(tsconfig)
      ? [
          { file: tsconfig, keys: ['compilerOptions', 'customConditions', '+source'], value: '' },
          {
            file: tsconfig,
            keys: ['compilerOptions', 'allowImportingTsExtensions'],
            value: 'true',
          },
          {
            file: tsconfig,
            keys: ['compilerOptions', 'paths', '@/*'],
            value: JSON.stringify([`./${source}*`]),
          },
          // An app at the root would check the packages' tests with its own options.
          ...(app === '' ? excluded(layout) : []).map((entry) => ({
            file: tsconfig,
            keys: ['exclude', `+${entry}`],
            value: '',
          })),
        ]
      : []),
    ...(config
      ? [{ file: config, keys: ['default'], value: rename('@repo/core/next-config') }]
      : []),
  ]
}

/** The folders that `tsconfig.json` leaves out. The compiler leaves out `node_modules` only where no list says more. */
const excluded = ({ folders }: Layout): string[] => [
  'node_modules',
  ...new Set(Object.values(folders).map((folder) => folder.split('/')[0] ?? folder)),
]

const CONFIGS = ['next.config.ts', 'next.config.mjs', 'next.config.js']
