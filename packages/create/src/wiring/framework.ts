/**
 * What the wiring has to know of a framework: by what its apps are recognized, where its files go, and what the app's
 * own files need.
 *
 * @module
 */

import { parse } from 'jsonc-parser'
import type { Edit } from '../receipt.ts'

/** An app of the host, as a framework looks at it. Paths are those below the app's folder. */
export interface App {
  /** The app's dependencies of all kinds. */
  dependencies: Readonly<Record<string, string>>
  has(path: string): boolean
  /** The text of a file; null: there is none. */
  read(path: string): string | null
  /** Whether the app is the root of the workspace. */
  isRoot: boolean
}

/** Where an app keeps what the wiring touches. */
export interface Found {
  /** The folder of the sources with its slash; empty for the app's own folder. */
  source: string
  /** The file that makes the server. Null: the framework makes it. */
  entry: string | null
}

/** A framework whose apps are wired. */
export interface Framework {
  /** The name in the receipt. */
  name: string
  /** The name for people. */
  title: string
  /** The port of the framework's development server. */
  port: number
  /** The folder of the checkout with the framework's own files. */
  folder: string
  /** Looks for an app of this framework. Null: the app is another's. */
  find(app: App): Found | null
  /** The path of a file in the app. Files are named as in `folder`, where sources lie in `src/`. */
  place(file: string, found: Found): string
  /**
   * Whether the app stands in front of the one with auth and billing: it gets neither instances nor services. Default
   * false.
   */
  isInFront?: boolean
  /** The values that the app's own files need, with paths of the app. `pathOf` is the path of a part from the app. */
  edits(app: App, found: Found, pathOf: (part: string) => string): Edit[]
  /** Packages that the app itself has to depend on, with the part whose version is taken. */
  dependencies: readonly (readonly [name: string, part: string])[]
  /** What a person does to have pages, as sentences and commands. `folder` is the app's, `$checkout` the checkout's. */
  next: string | ((app: App, found: Found, folder: string) => string[])
}

/** The first of `paths` that the app has. */
export const firstOf = (app: App, paths: readonly string[]): string | undefined =>
  paths.find((path) => app.has(path))

/** Puts the sources into the app's own folder for them. */
export const inSource = (file: string, { source }: Found): string => file.replace(/^src\//, source)

const edit = (file: string, keys: string[], value = ''): Edit => ({ file, keys, value })

/** The options of the compiler that an app names. Null: it has no `tsconfig.json` that can be read. */
export function optionsOf(app: App): Record<string, unknown> | null {
  const text = app.read('tsconfig.json')
  const json: unknown = text && parse(text, [], { allowTrailingComma: true })
  if (typeof json !== 'object' || json === null) return null
  const { compilerOptions } = json as { compilerOptions?: unknown }
  return typeof compilerOptions === 'object' ? { ...compilerOptions } : {}
}

/** The options with which TypeScript reads the packages' sources. None where the app has no `tsconfig.json`. */
export function sourcesInTsconfig(app: App): Edit[] {
  const options = optionsOf(app)
  if (options === null) return []
  const option = (name: string, value: string) =>
    edit('tsconfig.json', ['compilerOptions', name], value)
  const { jsx = 'react-jsx' } = options
  return [
    edit('tsconfig.json', ['compilerOptions', 'customConditions', '+source']),
    option('allowImportingTsExtensions', 'true'),
    // The packages' mails are JSX, and say themselves whose it is.
    ...(jsx === 'react-jsx' ? [option('jsx', '"react-jsx"')] : []),
    ...librariesFor(options).map((name) =>
      edit('tsconfig.json', ['compilerOptions', 'lib', `+${name}`]),
    ),
  ]
}

/** The libraries that the sources need beside those of the app. What is added once stays wanted. */
function librariesFor({ lib, target }: Record<string, unknown>): string[] {
  const isOld = (name: unknown) => /^es(\d|20(1\d|2[0-3]))$/i.test(String(name))
  if (Array.isArray(lib)) {
    if (!lib.some(isOld) || lib.some((name) => /^es(next|20(2[4-9]|[3-9]\d))$/i.test(name)))
      return []
    return ['ES2023', ...(lib.includes('DOM') ? ['DOM', 'DOM.Iterable'] : [])]
  }
  return target !== undefined && isOld(target) ? ['ES2023', 'DOM', 'DOM.Iterable'] : []
}

/**
 * A script that runs the entry with Node: the one that the framework's generator wrote becomes one that reads the
 * packages' sources. Any other script stays.
 */
export const scriptEdit = (name: string, generated: string, wanted: string): Edit =>
  edit('package.json', ['scripts', name, `~${generated}`], JSON.stringify(wanted))
