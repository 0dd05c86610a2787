/**
 * Wires the parts into an app that exists: the instances, the handlers of auth and of webhooks, the local services, and
 * the settings with which the framework and TypeScript read the packages' sources. A file that the app has stays as it is.
 *
 * @module
 */

import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { Checkout, Part } from './checkout.ts'
import { cutExtras, extrasOf } from './extras.ts'
import { listFiles, textFile, textOf } from './files.ts'
import { formatOf } from './formats.ts'
import type { Host } from './host.ts'
import { type Layout, type Placed, relocate, renamerOf } from './place.ts'
import type { Edit } from './receipt.ts'
import { type App, type Found, type Framework, optionsOf } from './wiring/framework.ts'
import { FRAMEWORKS, frameworkNamed } from './wiring/frameworks.ts'

/** The app that is wired, as the receipt keeps it. */
export interface Wiring extends Found {
  /** The framework's name. */
  framework: string
  /** The app's folder; empty for the root. */
  app: string
}

/**
 * What is wired into `app`. Null: the app is of no known framework, or the parts are not those that the wiring
 * connects.
 */
export function wiringOf(host: Host, app: string | null, parts: readonly Part[]): Wiring | null {
  const names = parts.map(({ name }) => name)
  if (app === null || names.includes('web')) return null
  const known = frameworkOf(host, app)
  if (!known) return null
  const { framework, found } = known
  const needed = framework.isInFront ? ['auth'] : ['auth', 'billing']
  return needed.every((name) => names.includes(name))
    ? { framework: framework.name, app, ...found }
    : null
}

/** The framework of a package of the host. Null: it is of none that is known. */
export function frameworkOf(
  host: Host,
  app: string,
): { framework: Framework; found: Found } | null {
  const view = viewOf(host, app)
  for (const framework of FRAMEWORKS) {
    const found = framework.find(view)
    if (found) return { framework, found }
  }
  return null
}

function viewOf({ has, read, packages }: Host, app: string): App {
  return {
    dependencies: packages.find(({ folder }) => folder === app)?.dependencies ?? {},
    has: (path) => has(inApp(app, path)),
    read: (path) => {
      const file = read(inApp(app, path))
      return file && textOf(file)
    },
    isRoot: app === '',
  }
}

/** What a person does to have pages. */
export function pageSteps(checkout: Checkout, host: Host, wiring: Wiring): string[] {
  const { next } = frameworkNamed(wiring.framework)
  if (typeof next === 'string') return [next]
  return next(viewOf(host, wiring.app), wiring, wiring.app).map((step) =>
    step.replaceAll('$checkout', () => checkout.folder),
  )
}

/** A path of the app, from the host's root. */
export const inApp = (app: string, path: string): string => (app === '' ? path : `${app}/${path}`)

/** The part whose files are wired. */
const webOf = (checkout: Checkout) => checkout.parts.get('web')

/** The files of a framework's apps, with their paths in the checkout. */
function filesOf(
  checkout: Checkout,
  { folder, isInFront }: Framework,
): { name: string; source: string }[] {
  const web = webOf(checkout)
  const { files = [], shared = [] } = web?.manifest.wiring ?? {}
  const from = (at: string, names: readonly string[]) =>
    names.map((name) => ({ name, source: `${at}/${name}` }))
  if (!web || folder === web.folder) return from(folder, [...shared, ...files])
  const at = join(checkout.folder, folder)
  return [
    ...from(web.folder, isInFront ? [] : shared),
    ...from(folder, existsSync(at) ? listFiles(at, () => false) : []),
  ]
}

/** The files of the app, by their paths in the host. */
export function placeWiring(
  checkout: Checkout,
  layout: Layout,
  wiring: Wiring,
): Map<string, Placed> {
  const framework = frameworkNamed(wiring.framework)
  const rename = renamerOf(checkout, layout)
  const files = filesOf(checkout, framework)
  const places = files.map(({ name }) => [name, framework.place(name, wiring)] as const)
  // An import may leave out the end of a file's name.
  const moves = places
    .flatMap(([name, to]) => [[name, to] as const, [withoutEnd(name), withoutEnd(to)] as const])
    .sort(([a], [b]) => b.length - a.length)
  const known = extrasOf(checkout)
  const placed = new Map<string, Placed>()
  for (const { name, source } of files) {
    const file = checkout.read(source)
    if (!file) continue
    const path = framework.place(name, wiring)
    const kept = cutExtras(textOf(file) ?? '', known, layout.without, source)
    const text = relocate(rename(kept), name, path, moves)
    const own = text.replaceAll('localhost:3000', `localhost:${framework.port}`)
    placed.set(inApp(wiring.app, path), { source, file: textFile(own) })
  }
  return placed
}

const withoutEnd = (path: string): string => path.replace(/\.[cm]?tsx?$/, '')

/** The values that the app's own files need. */
export function wiringEdits(
  checkout: Checkout,
  host: Host,
  layout: Layout,
  wiring: Wiring,
): Edit[] {
  const { app } = wiring
  const web = webOf(checkout)
  const framework = frameworkNamed(wiring.framework)
  const rename = renamerOf(checkout, layout)
  const view = viewOf(host, app)
  const manifestOf = (folder: string) => {
    const file = checkout.read(`${folder}/package.json`)
    return (file && textOf(file)) ?? ''
  }
  const { get } = formatOf('package.json')
  const given = framework.isInFront ? undefined : web?.manifest.wiring
  const { scripts = [], devDependencies = [] } = given ?? {}
  const own = web ? manifestOf(web.folder) : ''
  return [
    // The root has scripts of the other names already.
    ...scripts
      .filter((name) => app !== '' || name === 'services' || name === 'local')
      .flatMap((name) => fromWeb('scripts', name)),
    ...devDependencies.flatMap((name) => fromWeb('devDependencies', name)),
    ...framework.dependencies.flatMap(([name, part]) => {
      const folder = checkout.parts.get(part)?.folder ?? ''
      const value = get(manifestOf(folder), ['dependencies', name])
      return value ? [inOwn({ file: 'package.json', keys: ['dependencies', name], value })] : []
    }),
    ...framework.edits(view, wiring, pathOf).map(inOwn),
    ...excluded(view, layout).map((entry) =>
      inOwn({ file: 'tsconfig.json', keys: ['exclude', `+${entry}`], value: '' }),
    ),
  ]

  function folderOf(part: string): string {
    return layout.folders[part] ?? `packages/${part}`
  }

  function pathOf(part: string): string {
    const to = posix.relative(app, folderOf(part))
    return to.startsWith('.') ? to : `./${to}`
  }

  function inOwn({ file, keys, value }: Edit): Edit {
    return { file: inApp(app, file), keys, value: rename(value) }
  }

  function fromWeb(group: string, name: string): Edit[] {
    const found = get(own, [group, name])
    if (found === undefined) return []
    const value = found
      .replaceAll(/ (src\/[\w/.-]+)/g, (_, file: string) => ` ${framework.place(file, wiring)}`)
      // Each package manager links the packages elsewhere, but their folders are in one place.
      .replaceAll(/node_modules\/@repo\/([a-z]+)\//g, (_, part: string) => {
        return `${posix.relative(app, folderOf(part))}/`
      })
    // Vite takes no port from the environment, so the services have to know it.
    const withPort =
      framework.port !== 3000 && /services\.mts/.test(value)
        ? value.replace(/"$/, ` --port ${framework.port}"`)
        : value
    return [inOwn({ file: 'package.json', keys: [group, name], value: withPort })]
  }
}

/**
 * What the app's `tsconfig.json` leaves out. An app at the root would check the packages' tests with its own options, and
 * where the options name the folder of the sources no file may lie outside of it. The compiler leaves out `node_modules`
 * only where no list says more.
 */
function excluded(app: App, { folders, rootFiles }: Layout): string[] {
  const options = optionsOf(app)
  if (options === null) return []
  const copied = [
    ...Object.values(folders).map((folder) => folder.split('/')[0] ?? folder),
    ...Object.values(rootFiles).filter((file) => file.endsWith('.ts')),
  ]
  const outside = [
    ...(app.isRoot ? copied : []),
    ...(options.rootDir === undefined ? [] : ['tollgate.config.ts']),
  ]
  return outside.length === 0 ? [] : ['node_modules', ...new Set(outside)]
}
