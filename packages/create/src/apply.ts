/**
 * Applies a plan: all of it, or nothing. Each file's old and new content is stored before the first file changes, so that
 * a command that is killed at any moment is taken back by the next command.
 *
 * @module
 */

import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { CreateError } from './errors.ts'
import { type FileState, hashOf, isSameFile, readerOf } from './files.ts'
import type { Change, Plan } from './plan.ts'
import { RECEIPT_FOLDER } from './receipt.ts'

const PENDING = `${RECEIPT_FOLDER}/pending`
const LAST = `${RECEIPT_FOLDER}/last`

const journalSchema = z.strictObject({
  command: z.string(),
  /** Folders that did not exist, the outermost first. */
  newFolders: z.array(z.string()),
  changes: z.array(
    z.strictObject({
      path: z.string(),
      /** Whether the old file could be run. Null: there was none. */
      before: z.boolean().nullable(),
      /** The hash of the new file. Null: it was deleted. */
      after: z.string().nullable(),
    }),
  ),
})

type Journal = z.output<typeof journalSchema>

/** Called before each step that changes the disk. A test throws in it, which leaves the disk as a kill would. */
export type OnStep = (step: string) => void

/**
 * Applies `plan` to the host in `folder`. Progress is told file by file. @throws `write_failed`; then nothing has changed
 */
export function applyPlan(
  folder: string,
  plan: Plan,
  told: (done: number, total: number) => void = () => {},
): void {
  takeBackPending(folder)
  if (plan.changes.length === 0) return
  try {
    writeAll(folder, plan, () => {}, told)
  } catch (cause) {
    takeBackPending(folder)
    if (cause instanceof CreateError) throw cause
    const { message } = cause as Error
    throw new CreateError(
      'write_failed',
      `A file could not be written, and all changes were taken back. ${message}`,
      { cause },
    )
  }
}

/** Writes everything, and leaves what is needed to take it back. */
export function writeAll(
  folder: string,
  { command, changes }: Pick<Plan, 'command' | 'changes'>,
  onStep: OnStep,
  told: (done: number, total: number) => void = () => {},
): void {
  const read = readerOf(folder)
  for (const change of changes) requireUnchanged(folder, change, read(change.path))
  const pending = join(folder, PENDING)
  const newFolders = foldersToMake(folder, changes)
  onStep('begin')
  mkdirSync(join(pending, 'old'), { recursive: true })
  mkdirSync(join(pending, 'new'))
  for (const [n, { before, after }] of changes.entries()) {
    if (before) writeFileSync(join(pending, 'old', `${n}`), before.bytes)
    if (after)
      writeFileSync(join(pending, 'new', `${n}`), after.bytes, {
        mode: after.isExecutable ? 0o755 : 0o644,
      })
  }
  onStep('journal')
  const journal: Journal = {
    command,
    newFolders,
    changes: changes.map(({ path, before, after }) => ({
      path,
      before: before?.isExecutable ?? null,
      after: after && hashOf(after),
    })),
  }
  writeDurably(join(pending, 'journal.json'), JSON.stringify(journal))
  for (const [n, { path, before, after }] of changes.entries()) {
    onStep(path)
    const at = join(folder, path)
    mkdirSync(dirname(at), { recursive: true })
    if (after) renameSync(join(pending, 'new', `${n}`), at)
    else if (before) rmSync(at)
    told(n + 1, changes.length)
  }
  removeEmptyFolders(folder, changes)
  onStep('end')
  rmSync(join(folder, LAST), { recursive: true, force: true })
  onStep('last')
  renameSync(pending, join(folder, LAST))
  rmSync(join(folder, LAST, 'new'), { recursive: true, force: true })
}

/**
 * Takes back what a killed command has changed. Returns the command; null where none was killed.
 */
export function takeBackPending(folder: string): string | null {
  const pending = join(folder, PENDING)
  if (!existsSync(pending)) return null
  const journal = readJournal(join(pending, 'journal.json'))
  for (const [n, { path, before }] of journal?.changes.entries() ?? []) {
    const at = join(folder, path)
    if (before === null) rmSync(at, { force: true })
    else restore(at, readFileSync(join(pending, 'old', `${n}`)), before)
  }
  rmSync(pending, { recursive: true })
  for (const made of [...(journal?.newFolders ?? [RECEIPT_FOLDER])].reverse())
    removeIfEmpty(join(folder, made))
  return journal?.command ?? 'a command'
}

/**
 * Plans to take the last update back, byte for byte. @throws `nothing_to_abort`; also where a file has changed since,
 * unless `force` is set
 */
export function planAbort(folder: string, { force = false }: { force?: boolean } = {}): Plan {
  takeBackPending(folder)
  const journal = readJournal(join(folder, LAST, 'journal.json'))
  if (journal?.command !== 'update') {
    throw new CreateError(
      'nothing_to_abort',
      'The last command that changed files was no update, so there is nothing to take back.',
    )
  }
  const read = readerOf(folder)
  const changed = journal.changes.filter(({ path, after }) => {
    const has = read(path)
    return (has && hashOf(has)) !== after
  })
  if (changed.length > 0 && !force) {
    throw new CreateError(
      'nothing_to_abort',
      `These files have changed since the update: ${changed.map(({ path }) => path).join(', ')}. ` +
        'To take the update back, and these changes with it, add --force.',
    )
  }
  const changes = journal.changes.flatMap(({ path, before }, n): Change[] => {
    const old: FileState | null =
      before === null
        ? null
        : { bytes: readFileSync(join(folder, LAST, 'old', `${n}`)), isExecutable: before }
    const has = read(path)
    return isSameBytes(has, old)
      ? []
      : [{ path, why: old ? 'edit' : 'delete', before: has, after: old }]
  })
  return { command: 'update --abort', changes, notes: [], conflicts: [], steps: [] }
}

/** Forgets how to take the last command back. */
export function forgetLast(folder: string): void {
  rmSync(join(folder, LAST), { recursive: true, force: true })
  removeIfEmpty(join(folder, RECEIPT_FOLDER))
}

const isSameBytes = (a: FileState | null, b: FileState | null): boolean =>
  a && b ? a.bytes.equals(b.bytes) && a.isExecutable === b.isExecutable : a === b

function requireUnchanged(folder: string, { path, before }: Change, has: FileState | null): void {
  if (!isSameFile(has, before)) {
    throw new CreateError(
      'write_failed',
      `${path} has changed since the plan was made. Run the command again.`,
    )
  }
  if (before && (lstatSync(join(folder, path)).mode & 0o200) === 0) {
    throw new CreateError(
      'write_failed',
      `${path} is read-only, so nothing was changed. Make it writable first.`,
    )
  }
}

function foldersToMake(folder: string, changes: readonly Change[]): string[] {
  const folders = new Set<string>()
  for (const path of [...changes.map(({ path }) => path), `${PENDING}/x`]) {
    for (let at = dirname(path); at !== '.'; at = dirname(at)) {
      if (at.startsWith(PENDING)) continue
      if (!existsSync(join(folder, at))) folders.add(at)
    }
  }
  return [...folders].sort((a, b) => a.length - b.length)
}

/** Removes the folders that deleted files leave empty. */
function removeEmptyFolders(folder: string, changes: readonly Change[]): void {
  for (const { path, after } of changes) {
    if (after) continue
    for (let at = dirname(path); at !== '.'; at = dirname(at))
      if (!removeIfEmpty(join(folder, at))) break
  }
}

function removeIfEmpty(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch {
    return false
  }
}

/** Puts a file back, at once. */
function restore(path: string, bytes: Buffer, isExecutable: boolean): void {
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.tollgate-old`
  writeFileSync(temporary, bytes)
  chmodSync(temporary, isExecutable ? 0o755 : 0o644)
  renameSync(temporary, path)
}

function writeDurably(path: string, text: string): void {
  const temporary = `${path}.new`
  const file = openSync(temporary, 'w')
  writeSync(file, text)
  fsyncSync(file)
  closeSync(file)
  renameSync(temporary, path)
}

function readJournal(path: string): Journal | null {
  if (!existsSync(path)) return null
  return journalSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
}
