/**
 * `tollgate update`: brings the copied files to the version of the checkout. A file that nobody edited is replaced, an
 * edited file is merged, and where both changed the same lines the new text waits beside the host's file.
 *
 * @module
 */

import { type Checkout, closureOf } from './checkout.ts'
import { planEdits, wantedEdits } from './edits.ts'
import { CreateError } from './errors.ts'
import {
  type FileState,
  hasWindowsLines,
  isSameFile,
  textFile,
  textOf,
  unixLines,
} from './files.ts'
import { type Host, insideOf } from './host.ts'
import { decideLayout } from './layout.ts'
import { likeness, mergeTexts } from './merge.ts'
import { compareVersions, migrationsBetween } from './migrations.ts'
import { placeFiles } from './place.ts'
import { BESIDE, Draft, type Plan } from './plan.ts'
import { type Receipt, readReceipt } from './receipt.ts'
import { readingBlocks } from './schema/block.ts'
import { draftUser, planSchema, requireValid } from './schema/merge.ts'
import { commandsOf, schemaSteps } from './steps.ts'
import { placeWiring } from './wiring.ts'

/** How to update. */
export interface UpdateOptions {
  /** Whether files come back that the host deleted. Default false. */
  restore?: boolean
  /** Whether an older version may replace a newer one. Default false. */
  downgrade?: boolean
  /** Extras to leave out from now on. */
  without?: readonly string[]
  /** Extras that were left out and come back. */
  including?: readonly string[]
}

/** The receipt of the host. @throws `receipt_not_found`, `invalid_receipt` */
export function requireReceipt(host: Host): Receipt {
  const receipt = readReceipt(host.read)
  if (receipt) return receipt
  throw new CreateError(
    'receipt_not_found',
    `${host.folder} has no receipt, so nothing was copied into it. Run tollgate add, or name another folder with --into.`,
  )
}

/** @throws `older_checkout` */
function refuseOlder(checkout: Checkout, { version, commit }: Receipt): void {
  const isOlder =
    checkout.version === version
      ? commit !== null && checkout.isBefore(commit)
      : compareVersions(checkout.version, version) < 0
  if (!isOlder) return
  throw new CreateError(
    'older_checkout',
    `The checkout (${checkout.version}${checkout.commit ? `, ${checkout.commit.slice(0, 9)}` : ''}) is older than ` +
      `what the host has (${version}${commit ? `, ${commit.slice(0, 9)}` : ''}). Update the checkout, or add --downgrade.`,
  )
}

/** The files that wait beside a file of the host. */
export const waitingFiles = (host: Host, receipt: Receipt): string[] =>
  receipt.unresolved.filter((path) => host.read(`${path}${BESIDE}`) !== null)

/** Plans the update of the host to `checkout`. @throws `receipt_not_found`, `older_checkout`, `unresolved`, `invalid_host` */
export function planUpdate(
  checkout: Checkout,
  real: Host,
  { restore = false, downgrade = false, ...extras }: UpdateOptions = {},
): Plan {
  const host = { ...real, read: readingBlocks(real.read) }
  const receipt = requireReceipt(host)
  if (!downgrade) refuseOlder(checkout, receipt)
  const waiting = waitingFiles(host, receipt)
  if (waiting.length > 0) {
    throw new CreateError(
      'unresolved',
      `These files wait for you to merge them: ${waiting.join(', ')}. ` +
        `Take over what you want from the file that ends in ${BESIDE}, and delete that file.`,
    )
  }
  const parts = closureOf(checkout, receipt.parts)
  const layout = decideLayout(checkout, parts, host, extras, receipt.layout)
  const { app, ownsRoot, wiring } = receipt
  const { schema } = receipt
  const placed = placeFiles(checkout, parts, layout, schema)
  const merge = schema && planSchema(checkout, host, layout, schema, receipt)
  for (const [path, each] of merge?.files ?? []) placed.set(path, each)
  for (const [path, each] of wiring ? placeWiring(checkout, layout, wiring) : []) {
    // A file that the app had before the copy is not Tollgate's.
    if (receipt.files[path] || host.read(path) === null) placed.set(path, each)
  }
  const draft = new Draft(host.read)
  const requireInside = insideOf(host.folder)
  const migrations = migrationsBetween(receipt, checkout.version)
  const base = new Map<string, FileState>()
  const files: Record<string, string> = {}
  const moves = movesBetween(
    receipt,
    new Map([...placed].map(([path, { file }]) => [path, file])),
    host,
  )
  const movedTo = new Set(moves.values())

  for (const [path, { source, file }] of placed) {
    requireInside(path)
    files[path] = source
    base.set(path, file)
    if (movedTo.has(path)) continue
    settle(path, receipt.base.get(path) ?? null, host.read(path), file)
  }
  for (const [path, old] of receipt.base) {
    if (placed.has(path)) continue
    const has = host.read(path)
    const next = moves.get(path)
    if (next) move(path, next, old, has as FileState)
    else if (has && isSameFile(has, old)) draft.put(path, null, 'delete')
    else if (has)
      draft.notes.push({
        path,
        why: 'It is no longer part of Tollgate, and you changed it. It is yours now.',
      })
  }
  if (merge) {
    draftUser(draft, host, merge.user)
    requireValid(draft, host, merge.merged)
  }
  const wanted = wantedEdits({ checkout, parts, layout, host, app, ownsRoot, wiring, schema })
  const { texts, edits, kept } = planEdits(host.read, wanted, receipt.edits)
  for (const [path, text] of texts) draft.edit(path, text)
  draft.notes.push(...kept)
  const next: Receipt = {
    ...receipt,
    version: checkout.version,
    commit: draft.changes.size === 0 ? receipt.commit : checkout.commit,
    layout,
    files,
    schema: merge?.merged ?? null,
    edits,
    unresolved: [...new Set(draft.conflicts)],
    migrations: [...receipt.migrations, ...migrations.map(({ name }) => name)],
    base,
  }
  const { install, run } = commandsOf(layout.packageManager)
  return draft.finish('update', next, [
    ...(draft.conflicts.length > 0
      ? [`Merge each file that has a ${BESIDE} file beside it, and delete that file.`]
      : []),
    install,
    ...migrations.flatMap(({ steps }) => steps),
    ...(schema ? schemaSteps(layout, schema, Object.keys(files)) : []),
    `${run} db:migrate, with the database of each environment.`,
  ])

  /** Brings one file from `old` to `file`. */
  function settle(
    path: string,
    old: FileState | null,
    has: FileState | null,
    file: FileState,
  ): void {
    if (has === null) {
      // A file that the host deleted stays deleted.
      if (old === null || restore) draft.put(path, file, 'create')
      else if (!isSameFile(old, file))
        draft.notes.push({ path, why: 'You deleted it, so its update was left out.' })
    } else if (isSameFile(has, file) || (old && isSameFile(old, file))) {
      // The host has the new text already, or upstream changed nothing but the mode.
      draft.put(path, { ...has, isExecutable: modeOf(has, old, file) }, 'update')
    } else if (old && isSameFile(has, old)) draft.put(path, likeOurs(has, file), 'update')
    else {
      const merged = old ? mergeFiles(has, old, file) : null
      if (merged) draft.put(path, merged, 'merge')
      else {
        const why = old
          ? 'Both you and Tollgate changed the same lines.'
          : 'The host has another file of this name.'
        draft.putBeside(path, file, why)
      }
    }
  }

  /** Lets the host's changes follow a file that moved. */
  function move(path: string, to: string, old: FileState, has: FileState): void {
    const file = (placed.get(to) as { file: FileState }).file
    const merged = mergeFiles(has, old, file)
    if (merged) {
      draft.put(path, null, 'delete')
      draft.put(to, merged, 'move')
      draft.notes.push({ path, why: `It is ${to} now; your changes are in it.` })
      return
    }
    draft.put(to, file, 'create')
    draft.conflicts.push(to)
    draft.notes.push({
      path,
      why: `It is ${to} now, and your changes do not fit. Your file stays; move them by hand.`,
    })
  }
}

/**
 * The edited files that are gone from upstream, each with the new file that is most like it. A file of which less than
 * half is the same did not move.
 */
function movesBetween(
  receipt: Receipt,
  placed: ReadonlyMap<string, FileState>,
  host: Host,
): Map<string, string> {
  const moves = new Map<string, string>()
  const fresh = [...placed].filter(([path]) => !receipt.base.has(path) && host.read(path) === null)
  for (const [path, old] of receipt.base) {
    if (placed.has(path)) continue
    const has = host.read(path)
    const before = textOf(old)
    if (!has || before === null || isSameFile(has, old)) continue
    const best = fresh
      .flatMap(([to, file]) => {
        const text = textOf(file)
        return text === null ? [] : [{ to, share: likeness(before, text) }]
      })
      .sort((a, b) => b.share - a.share)[0]
    if (best && best.share >= 0.5 && ![...moves.values()].includes(best.to))
      moves.set(path, best.to)
  }
  return moves
}

function mergeFiles(has: FileState, old: FileState, file: FileState): FileState | null {
  const [ours, base, upstream] = [has, old, file].map(textOf)
  if (typeof ours !== 'string' || typeof base !== 'string' || typeof upstream !== 'string')
    return null
  const merged = mergeTexts(ours, base, upstream)
  return merged === null ? null : { ...textFile(merged), isExecutable: modeOf(has, old, file) }
}

/** Whether the file can be run: as upstream changed it, else as the host has it. */
const modeOf = (has: FileState, old: FileState | null, file: FileState): boolean =>
  old && old.isExecutable !== file.isExecutable ? file.isExecutable : has.isExecutable

/** The new file with the line ends of the host's file. */
function likeOurs(has: FileState, file: FileState): FileState {
  const [ours, text] = [textOf(has), textOf(file)]
  if (ours === null || text === null || !hasWindowsLines(ours)) return file
  return { ...textFile(unixLines(text).replaceAll('\n', '\r\n')), isExecutable: file.isExecutable }
}
