/**
 * `tollgate add`: copies parts and what they need into the host. A file that the host has stays as it is.
 *
 * @module
 */

import { type Checkout, closureOf } from './checkout.ts'
import { planEdits, wantedEdits } from './edits.ts'
import { CreateError } from './errors.ts'
import { isSameFile } from './files.ts'
import { type Host, insideOf } from './host.ts'
import { decideLayout, type LayoutOptions } from './layout.ts'
import { LOCKFILE, lockfileFor } from './lockfile.ts'
import { placeFiles } from './place.ts'
import { Draft, type Plan } from './plan.ts'
import { type Receipt, readReceipt } from './receipt.ts'
import { readingBlocks } from './schema/block.ts'
import { decideSchema } from './schema/decide.ts'
import { draftUser, planSchema, requireValid } from './schema/merge.ts'
import { stepsAfter } from './steps.ts'
import { frameworkOf, placeWiring, wiringOf } from './wiring.ts'

/** What to add. */
export interface AddOptions extends LayoutOptions {
  /** The package that will import the parts; empty for the root. Default: the only app of a known framework. */
  app?: string
  /**
   * Where the models go: `merge` into the host's Prisma schema, the path of that schema, or `own` for a schema of their
   * own. Default: into the host's only schema for PostgreSQL, if it has one.
   */
  schema?: string
  /** Whether an app of a known framework gets routes, instances and settings. Default true. */
  wire?: boolean
}

/**
 * Plans to add `names` to the host. @throws `usage`, `name_taken`, `invalid_host`, `invalid_receipt`, `invalid_schema`,
 * `schema_conflict`
 */
export function planAdd(
  checkout: Checkout,
  host: Host,
  names: readonly string[],
  options: AddOptions = {},
): Plan {
  if (names.length === 0)
    throw new CreateError(
      'usage',
      'Name the parts to add, such as: tollgate add auth billing email.',
    )
  const earlier = readReceipt(host.read)
  if (earlier && earlier.version !== checkout.version) {
    throw new CreateError(
      'usage',
      `The host has version ${earlier.version} and the checkout is ${checkout.version}. Run tollgate update first.`,
    )
  }
  const added = (options.without ?? []).filter((name) => !earlier?.layout.without.includes(name))
  if (earlier && added.length > 0) {
    throw new CreateError(
      'usage',
      `The host has ${added.join(' and ')}. Take it out with tollgate update --without ${added.join(',')}.`,
    )
  }
  const asked = [...new Set([...(earlier?.parts ?? []), ...names])]
  const parts = closureOf(checkout, asked)
  const layout = decideLayout(checkout, parts, host, options, earlier?.layout ?? null)
  const draft = new Draft(host.read)
  const hasDb = parts.some(({ name }) => name === 'db')
  const isDecided = earlier?.layout.folders.db !== undefined || !hasDb
  if (earlier?.layout.folders.db !== undefined && options.schema !== undefined) {
    const is = earlier.schema ? `those of ${earlier.schema.path}` : 'of their own'
    throw new CreateError(
      'usage',
      `The models of this host are ${is}. Leave out --schema, or remove the parts first.`,
    )
  }
  const decision = isDecided
    ? { schema: earlier?.schema ?? null, note: null }
    : decideSchema(checkout, host, options.schema)
  const { schema } = decision
  if (decision.note) draft.notes.push({ path: 'Prisma', why: decision.note })
  const merge = schema && planSchema(checkout, host, layout, schema, earlier)
  const requireInside = insideOf(host.folder)
  const base = new Map(earlier?.base)
  const files = { ...earlier?.files }
  const read = readingBlocks(host.read)
  for (const [path, { source, file }] of [
    ...placeFiles(checkout, parts, layout, schema),
    ...(merge?.files ?? []),
  ]) {
    // A file of an earlier copy belongs to the host: `update` changes it.
    if (files[path]) continue
    requireInside(path)
    const has = read(path)
    files[path] = source
    base.set(path, file)
    if (has === null) draft.put(path, file, 'create', has)
    else if (!isSameFile(has, file))
      draft.putBeside(path, file, 'The host has another file of this name.')
  }
  const app = appOf(host, options.app ?? earlier?.app ?? undefined, earlier)
  const ownsRoot = earlier?.ownsRoot ?? host.read('package.json') === null
  const wiring = earlier?.wiring ?? (options.wire === false ? null : wiringOf(host, app, parts))
  for (const [path, { source, file }] of wiring ? placeWiring(checkout, layout, wiring) : []) {
    if (files[path]) continue
    requireInside(path)
    if (host.read(path)) {
      draft.notes.push({ path, why: `Your app has this file. Tollgate's is ${source}.` })
      continue
    }
    files[path] = source
    base.set(path, file)
    draft.put(path, file, 'create')
  }
  if (merge) {
    draftUser(draft, host, merge.user)
    requireValid(draft, host, merge.merged)
  }
  const request = { checkout, parts, layout, host, app, ownsRoot, wiring, schema }
  const { texts, edits, kept } = planEdits(host.read, wantedEdits(request), earlier?.edits ?? [])
  for (const [path, text] of texts) {
    requireInside(path)
    draft.edit(path, text)
  }
  draft.notes.push(...kept)
  if (ownsRoot && host.read(LOCKFILE) === null && !earlier) {
    const names = parts.flatMap(({ manifest }) => manifest.devDependencies)
    const overrides = edits.flatMap(({ keys: [group, name] }) =>
      group === 'overrides' && name !== undefined ? [name] : [],
    )
    const lockfile = lockfileFor(checkout, parts, layout, names, overrides)
    if (lockfile) draft.put(LOCKFILE, lockfile, 'create')
  }
  const receipt: Receipt = {
    form: 1,
    version: checkout.version,
    commit: earlier ? earlier.commit : checkout.commit,
    parts: asked,
    layout,
    files,
    ownsRoot,
    app,
    wiring,
    schema: merge?.merged ?? earlier?.schema ?? null,
    edits,
    unresolved: [...new Set([...(earlier?.unresolved ?? []), ...draft.conflicts])],
    migrations: earlier?.migrations ?? [],
    base,
  }
  return draft.finish('add', receipt, stepsAfter({ ...request, files, isNew: earlier === null }))
}

/** The package that imports the parts. Null: it is not known. @throws `usage` */
export function appOf(
  host: Host,
  named: string | undefined,
  earlier: Receipt | null,
): string | null {
  if (named !== undefined) {
    const folder = named.replace(/^\.\/?/, '').replace(/\/$/, '')
    if (host.packages.some((each) => each.folder === folder)) return folder
    throw new CreateError('usage', `--app ${named} is not a package of this workspace.`)
  }
  const isCopied = (folder: string) => Object.values(earlier?.layout.folders ?? {}).includes(folder)
  const known = host.packages.filter(
    ({ folder, dependencies }) =>
      !isCopied(folder) && (dependencies.next !== undefined || frameworkOf(host, folder) !== null),
  )
  return known.length === 1 ? (known[0]?.folder ?? null) : null
}
