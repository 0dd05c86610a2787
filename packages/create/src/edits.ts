/**
 * The values that a copy needs in files of the host: workspace globs, scripts, dependencies, overrides, variables and
 * lines of `.gitignore`. The host's own values win.
 *
 * @module
 */

import { parse as parseYaml } from 'yaml'
import { agentsEdits } from './agents.ts'
import type { Checkout, Part } from './checkout.ts'
import { adviceOf, isCode } from './code-formats.ts'
import { CreateError } from './errors.ts'
import { cutExtras, extrasOf, variableNames } from './extras.ts'
import { type ReadFile, textOf, unixLines } from './files.ts'
import { blocksOf, formatOf } from './formats.ts'
import { type Host, nameFor, type PackageManager, plainGlob } from './host.ts'
import { type Layout, placePaths, renamerOf, workspaceRange } from './place.ts'
import type { Edit } from './receipt.ts'
import type { HostSchema } from './schema/locate.ts'
import { type Wiring, wiringEdits } from './wiring.ts'

/** What a copy needs, and where. */
export interface EditRequest {
  checkout: Checkout
  /** All parts of the host. */
  parts: readonly Part[]
  layout: Layout
  host: Host
  /** The folder of the package that imports the parts; empty for the root. Null: no package is known. */
  app: string | null
  /** Whether the host had no `package.json` before the copy. */
  ownsRoot: boolean
  /** The app that is wired. Null: none is. */
  wiring: Wiring | null
  /** The host's Prisma schema with the models. Null: the packages have one of their own. */
  schema: HostSchema | null
}

/** The values that the host needs for its parts. */
export function wantedEdits(request: EditRequest): Edit[] {
  const { layout, ownsRoot } = request
  return [
    ...(ownsRoot ? rootMembers(request) : []),
    ...globs(request),
    // The app's own scripts before those of a root without an app, which have the same names.
    ...(request.wiring ? wiringEdits(request.checkout, request.host, layout, request.wiring) : []),
    ...scripts(request),
    ...devDependencies(request),
    ...overrides(request),
    ...dependencies(request),
    ...[
      'generated/',
      '.tollgate/',
      '.env.local',
      ...(ownsRoot
        ? ['node_modules/', 'dist/', '.next/', 'next-env.d.ts', '*.tsbuildinfo', '.env']
        : []),
      ...(ignoresExamples(request.host.read) ? ['!.env*.example'] : []),
    ].map((line) => edit('.gitignore', [`+${line}`], '')),
    ...variables(request),
    ...agentsEdits(request.checkout, request.parts, layout),
    ...(layout.packageManager === 'pnpm' && ownsRoot ? allowedBuilds(request) : []),
  ]
}

/** Whether `.gitignore` leaves out each file whose name begins with `.env`, as that of `create-next-app` does. */
function ignoresExamples(read: ReadFile): boolean {
  const file = read('.gitignore')
  const lines = unixLines((file && textOf(file)) ?? '').split('\n')
  return lines.some((line) => /^(\*\*)?\/?\.env(\*|\.\*)$/.test(line.trim()))
}

const edit = (file: string, keys: string[], value: string): Edit => ({ file, keys, value })
const jsonEdit = (file: string, keys: string[], value: unknown): Edit =>
  edit(file, keys, JSON.stringify(value))

function rootMembers({ host, checkout, layout }: EditRequest): Edit[] {
  const { packageManager, engines } = checkout.root
  const members = {
    name: nameFor(host.folder),
    version: '0.1.0',
    private: true,
    type: 'module',
    engines: { node: engines.node ?? '>=20.19' },
    ...(layout.packageManager === 'pnpm' ? { packageManager } : {}),
  }
  return Object.entries(members).map(([key, value]) => jsonEdit('package.json', [key], value))
}

function globs({ host, layout }: EditRequest): Edit[] {
  const wanted = new Set(Object.values(layout.folders).map(globOver))
  const has = host.globs ?? []
  // A glob of the host that means the same is enough.
  const isOtherwise = (glob: string) =>
    has.some(
      (each) => each !== glob && [glob, glob.replace(/[^/]+$/, '**')].includes(plainGlob(each)),
    )
  return [...wanted]
    .filter((glob) => !isOtherwise(glob))
    .map((glob) =>
      layout.packageManager === 'pnpm'
        ? edit('pnpm-workspace.yaml', ['packages', `+${glob}`], '')
        : edit('package.json', [...workspacesOf(host.read), `+${glob}`], ''),
    )
}

const globOver = (folder: string): string =>
  folder.includes('/') ? folder.replace(/[^/]+$/, '*') : folder

/** The member of `package.json` with the globs: Yarn Classic also takes an object with `packages`. */
function workspacesOf(read: ReadFile): string[] {
  const file = read('package.json')
  const nested =
    file && formatOf('package.json').get(textOf(file) ?? '', ['workspaces', 'packages'])
  return nested ? ['workspaces', 'packages'] : ['workspaces']
}

/** The scripts for a schema of the packages' own. In a host's schema, Prisma's commands do that. */
const OF_OWN_SCHEMA = ['db:diff', 'db:reset']

function scripts({ checkout, parts, layout, schema }: EditRequest): Edit[] {
  const rename = renamerOf(checkout, layout)
  return parts.flatMap(({ manifest }) =>
    Object.entries(manifest.scripts).flatMap(([name, script]) => {
      if (schema && OF_OWN_SCHEMA.includes(name)) return []
      const placed = placePaths(checkout, layout, script).replaceAll(
        /\$run\(([^ )]+) ([^)]+)\)/g,
        (_, name: string, task: string) => runIn(layout.packageManager, name, task),
      )
      return jsonEdit('package.json', ['scripts', name], rename(placed))
    }),
  )
}

/** The command that runs a script of a package of the workspace. */
function runIn(manager: PackageManager, name: string, script: string): string {
  if (manager === 'pnpm') return `pnpm --silent --filter ${name} ${script}`
  if (manager === 'npm') return `npm run --silent --workspace ${name} ${script}`
  return manager === 'bun'
    ? `bun run --filter ${name} ${script}`
    : `yarn workspace ${name} run ${script}`
}

function devDependencies({ checkout, parts, host }: EditRequest): Edit[] {
  const names = new Set(parts.flatMap(({ manifest }) => manifest.devDependencies))
  const root = host.read('package.json')
  const { get } = formatOf('package.json')
  return [...names].flatMap((name) => {
    const range = checkout.root.devDependencies[name]
    const isDependency = root && get(textOf(root) ?? '', ['dependencies', name]) !== undefined
    return range && !isDependency
      ? [jsonEdit('package.json', ['devDependencies', name], range)]
      : []
  })
}

/** One version of each of these in the workspace, because two copies in one process do not work together. */
function overrides({ checkout, parts, host, layout }: EditRequest): Edit[] {
  const { packageManager } = layout
  const file = checkout.read('pnpm-workspace.yaml')
  const { overrides: all = {}, peerDependencyRules } = parseYaml((file && textOf(file)) ?? '') as {
    overrides?: Record<string, string>
    peerDependencyRules?: { allowedVersions?: Record<string, string> }
  }
  const inPackageJson = isPnpmOfPackageJson(host.read)
  const copied = new Set(parts.map(({ name }) => name))
  const own = new Map(
    host.packages.flatMap(({ name, dependencies }) =>
      isCopied(name) ? [] : Object.entries(dependencies),
    ),
  )
  const shared = packageManager === 'pnpm' ? sharedVersions() : {}
  const pinned = Object.entries({ ...all, ...shared }).flatMap(([name, version]) => {
    // A host that has a version of its own keeps it.
    const has = own.get(name)
    if (has !== undefined && has !== version) return []
    if (!copied.has('auth') && /^better-|^@better-/.test(name)) return []
    if (packageManager === 'pnpm') {
      return [
        inPackageJson
          ? jsonEdit('package.json', ['pnpm', 'overrides', name], version)
          : jsonEdit('pnpm-workspace.yaml', ['overrides', name], version),
      ]
    }
    return [
      jsonEdit(
        'package.json',
        [packageManager === 'npm' || packageManager === 'bun' ? 'overrides' : 'resolutions', name],
        version,
      ),
    ]
  })
  // npm refuses to install where a package is too new for a peer dependency of another.
  const peers = packageManager === 'npm' ? (peerDependencyRules?.allowedVersions ?? {}) : {}
  const allowed = Object.keys(peers).flatMap((rule) => {
    const [name, peer] = rule.split('>') as [string, string]
    const version = versionOf(checkout, parts, peer)
    return version ? [jsonEdit('package.json', ['overrides', name, peer], version)] : []
  })
  return [...pinned, ...allowed]

  /** The host's version of each shared package, for the parts that use it. The host's own packages are not held to it. */
  function sharedVersions(): Record<string, string> {
    const rename = renamerOf(checkout, layout)
    const found = SHARED.flatMap((name) => {
      const has = new Set(
        host.packages.flatMap((each) =>
          isCopied(each.name) ? [] : (each.dependencies[name] ?? []),
        ),
      )
      const [version] = has
      if (version === undefined || has.size > 1) return []
      return parts.flatMap((part) => {
        const ours = versionOf(checkout, [part], name)
        const isFit = ours !== undefined && ours !== version && majorOf(ours) === majorOf(version)
        return isFit ? [[`${rename(part.packageName)}>${name}`, version]] : []
      })
    })
    return Object.fromEntries(found)
  }

  function isCopied(name: string | null): boolean {
    return [...checkout.parts.keys()].some((part) => name === `${layout.scope}/${part}`)
  }
}

/** The version of a package that the parts depend on. */
function versionOf(checkout: Checkout, parts: readonly Part[], name: string): string | undefined {
  const { get } = formatOf('package.json')
  const found = parts.flatMap(({ folder }) => {
    const file = checkout.read(`${folder}/package.json`)
    const text = (file && textOf(file)) ?? ''
    return ['dependencies', 'devDependencies'].flatMap((group) => get(text, [group, name]) ?? [])
  })[0]
  return found && (JSON.parse(found) as string)
}

/** The packages of which an app and a part must have one copy. */
const SHARED = ['react', 'react-dom']

/** The first number of a version or of a range such as `^19.2.0`. */
const majorOf = (version: string): string => /^[~^]?(\d+)\./.exec(version)?.[1] ?? version

/** Whether pnpm reads its overrides from `package.json`: before 10.5, and where the host has some there. */
function isPnpmOfPackageJson(read: ReadFile): boolean {
  const file = read('package.json')
  const text = (file && textOf(file)) ?? ''
  const { get } = formatOf('package.json')
  const [, major, minor] = /^"pnpm@(\d+)\.(\d+)/.exec(get(text, ['packageManager']) ?? '') ?? []
  const isOld = major !== undefined && (Number(major) < 10 || (major === '10' && Number(minor) < 5))
  return isOld || get(text, ['pnpm', 'overrides']) !== undefined
}

/** The parts that were asked for become dependencies of the app. */
function dependencies({ parts, layout, app, checkout }: EditRequest): Edit[] {
  if (app === null) return []
  const rename = renamerOf(checkout, layout)
  const file = app === '' ? 'package.json' : `${app}/package.json`
  const used = parts.filter(({ name }) => name !== 'web')
  return used.map(({ packageName, name }) =>
    jsonEdit(
      file,
      [
        name === 'sandbox' || name === 'db' ? 'devDependencies' : 'dependencies',
        rename(packageName),
      ],
      workspaceRange(layout.packageManager),
    ),
  )
}

/** The blocks of `.env.example` that explain the parts' variables. */
function variables({ checkout, parts, layout: { without } }: EditRequest): Edit[] {
  const file = checkout.read('.env.example')
  const named = new Set(
    parts.flatMap((part) => {
      const { required, optional } = variableNames(part, without)
      return [...required, ...optional]
    }),
  )
  const all = (file && textOf(file)) ?? ''
  const text = cutExtras(all, extrasOf(checkout), without, '.env.example')
  return blocksOf(text).flatMap(({ names, text }) => {
    const [first] = names
    return first && names.some((name) => named.has(name))
      ? [edit('.env.example', [first], text)]
      : []
  })
}

function allowedBuilds({ checkout }: EditRequest): Edit[] {
  const file = checkout.read('pnpm-workspace.yaml')
  const { allowBuilds = {} } = parseYaml((file && textOf(file)) ?? '') as {
    allowBuilds?: Record<string, boolean>
  }
  return Object.entries(allowBuilds).map(([name, isAllowed]) =>
    jsonEdit('pnpm-workspace.yaml', ['allowBuilds', name], isAllowed),
  )
}

/** What the edits of a host become. */
export interface EditPlan {
  /** The new text of each file that changes. */
  texts: Map<string, string>
  /** The edits of the receipt. */
  edits: Edit[]
  /** Values that the host has otherwise, and that stay. */
  kept: Kept[]
}

/** A value that stays as the host has it. */
export interface Kept {
  path: string
  why: string
}

/**
 * Applies the wanted values to the host's files. `recorded` are the values that an earlier copy wrote: one that the
 * host changed or removed since then stays so, and one that is no longer wanted is removed where the host left it.
 */
export function planEdits(
  read: ReadFile,
  wanted: readonly Edit[],
  recorded: readonly Edit[],
): EditPlan {
  const texts = new Map<string, string>()
  const before = new Map<string, string>()
  const textFor = (path: string) => {
    const known = texts.get(path)
    if (known !== undefined) return known
    const file = read(path)
    const text = file ? textOf(file) : ''
    if (text === null) {
      throw new CreateError(
        'invalid_host',
        `${path} is not text in UTF-8. Save it as UTF-8 first; nothing was changed.`,
      )
    }
    before.set(path, text)
    texts.set(path, text)
    return text
  }
  const keyOf = ({ file, keys }: Edit) => JSON.stringify([file, keys])
  const wrote = new Map(recorded.map((each) => [keyOf(each), each]))
  const edits: Edit[] = []
  const kept: Kept[] = []
  const seen = new Set<string>()
  for (const want of wanted) {
    const { file, keys, value } = want
    // Two parts may want the same value in the same place.
    if (seen.has(keyOf(want))) continue
    seen.add(keyOf(want))
    const format = formatOf(file)
    const text = textFor(file)
    const has = format.get(text, keys)
    const earlier = wrote.get(keyOf(want))
    if (
      has === undefined
        ? earlier === undefined
        : earlier !== undefined && has === earlier.value && has !== value
    ) {
      texts.set(file, format.set(text, keys, value))
      edits.push(want)
    } else if (earlier) {
      edits.push(want)
    } else if (has !== undefined && has !== value) {
      const why = isCode(file)
        ? adviceOf(file, value)
        : `${keys.filter((key) => !key.startsWith('~')).join(' › ')} is ${has} in your file; Tollgate would write ${value}.`
      kept.push({ path: file, why })
    }
  }
  const isWanted = new Set(wanted.map(keyOf))
  for (const old of recorded) {
    if (isWanted.has(keyOf(old))) continue
    const format = formatOf(old.file)
    const text = textFor(old.file)
    if (format.get(text, old.keys) === old.value) texts.set(old.file, format.remove(text, old.keys))
  }
  for (const [path, text] of texts) if (text === before.get(path)) texts.delete(path)
  return { texts, edits, kept }
}
