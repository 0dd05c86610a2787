/**
 * Applies a plan: all of it, or nothing. Each file's old and new content is stored before the first file changes, so that
 * a command that is killed at any moment is taken back by the next command. Of two commands at once, the second is
 * refused. A file that somebody edits after a kill keeps that edit.
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
  readdirSync,
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
import { insideOf } from './host.ts'
import type { Change, Plan } from './plan.ts'
import { RECEIPT_FOLDER } from './receipt.ts'

const PENDING = `${RECEIPT_FOLDER}/pending`
const LAST = `${RECEIPT_FOLDER}/last`
/** The beginning of the folder in which a command prepares its changes; the id of its process follows. */
const STAGING = 'staging-'

const journalSchema = z.strictObject({
  command: z.string(),
  /** The id of the process. */
  pid: z.int(),
  /** Folders that did not exist, the outermost first. */
  newFolders: z.array(z.string()),
  changes: z.array(
    z.strictObject({
      path: z.string(),
      /** The mode of the old file. Null: there was none. */
      before: z.number().nullable(),
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
  const requireInside = insideOf(folder)
  for (const change of changes) {
    requireInside(change.path)
    requireUnchanged(folder, change)
  }
  onStep('begin')
  stage(folder, { command, changes })
  onStep('staged')
  const pending = join(folder, PENDING)
  // Only one process can move its folder here, because the other finds a folder with files.
  renameSync(join(folder, RECEIPT_FOLDER, `${STAGING}${process.pid}`), pending)
  const made = new Set<string>()
  for (const [n, { path, before, after }] of changes.entries()) {
    onStep(path)
    const at = join(folder, path)
    if (after && !made.has(dirname(at))) mkdirSync(dirname(at), { recursive: true })
    if (after) made.add(dirname(at))
    if (after) renameSync(join(pending, 'new', `${n}`), at)
    else if (before) rmSync(at)
    told(n + 1, changes.length)
  }
  removeEmptyFolders(folder, changes)
  onStep('end')
  const last = join(folder, LAST)
  if (existsSync(last)) renameSync(last, join(pending, 'earlier'))
  onStep('last')
  renameSync(pending, last)
  for (const name of ['new', 'earlier']) rmSync(join(last, name), { recursive: true, force: true })
}

/** Stores the old and the new files, and the journal, in a folder of this process. */
function stage(folder: string, { command, changes }: Pick<Plan, 'command' | 'changes'>): void {
  const newFolders = foldersToMake(folder, changes)
  const staging = join(folder, RECEIPT_FOLDER, `${STAGING}${process.pid}`)
  const modes = changes.map(({ path, before }) => (before ? modeAt(join(folder, path)) : null))
  mkdirSync(join(staging, 'old'), { recursive: true })
  mkdirSync(join(staging, 'new'))
  for (const [n, { before, after }] of changes.entries()) {
    const mode = modes[n] ?? null
    if (before && mode !== null) writeFile(join(staging, 'old', `${n}`), before.bytes, mode)
    if (after) writeFile(join(staging, 'new', `${n}`), after.bytes, modeFor(after, mode))
  }
  const journal: Journal = {
    command,
    pid: process.pid,
    newFolders,
    changes: changes.map(({ path, after }, n) => ({
      path,
      before: modes[n] ?? null,
      after: after && hashOf(after),
    })),
  }
  writeDurably(join(staging, 'journal.json'), JSON.stringify(journal))
}

const modeAt = (path: string): number => lstatSync(path).mode & 0o777

/** The mode of a new file: that of the file it replaces, or undefined for what the process gives to new files. */
function modeFor({ isExecutable, mode }: FileState, before: number | null): number | undefined {
  if (mode !== undefined) return mode
  if (before === null) return isExecutable ? 0o777 & ~process.umask() : undefined
  if (isExecutable === ((before & 0o100) !== 0)) return before
  // Who may read the file may run it.
  return isExecutable ? before | ((before & 0o444) >> 2) : before & ~0o111
}

function writeFile(path: string, bytes: Buffer, mode: number | undefined): void {
  writeFileSync(path, bytes)
  if (mode !== undefined) chmodSync(path, mode)
}

/** A command that was killed, and has been taken back. */
export interface TakenBack {
  command: string
  /** The files that somebody has edited since; they stay as they are. */
  kept: string[]
}

/**
 * Takes back what a killed command has changed. Returns null where none was killed. @throws `busy` while the command runs
 */
export function takeBackPending(folder: string): TakenBack | null {
  removeStaged(folder)
  const pending = join(folder, PENDING)
  if (!existsSync(pending)) return null
  const journal = readJournal(join(pending, 'journal.json'))
  if (journal && journal.pid !== process.pid && isRunning(journal.pid)) {
    throw new CreateError(
      'busy',
      `Process ${journal.pid} runs tollgate ${journal.command} on this folder. Wait until it ends. ` +
        `If that is another program, set "pid" to 0 in ${PENDING}/journal.json.`,
    )
  }
  const kept = (journal?.changes ?? []).flatMap((change, n) =>
    takeBack(folder, change, join(pending, 'old', `${n}`)) ? [] : [change.path],
  )
  for (const made of [...(journal?.newFolders ?? [])].reverse()) removeIfEmpty(join(folder, made))
  const earlier = join(pending, 'earlier')
  if (existsSync(earlier)) renameSync(earlier, join(folder, LAST))
  // Without its journal the folder says that nothing is left to take back.
  rmSync(join(pending, 'journal.json'), { force: true })
  rmSync(pending, { recursive: true })
  removeIfEmpty(join(folder, RECEIPT_FOLDER))
  return journal && { command: journal.command, kept }
}

/** Takes one file back. False: somebody has edited it since, so it stays. */
function takeBack(
  folder: string,
  { path, before, after }: Journal['changes'][number],
  old: string,
): boolean {
  const at = join(folder, path)
  const has = lstatSync(at, { throwIfNoEntry: false })
  const hash = has?.isFile() ? hashOf({ bytes: readFileSync(at), isExecutable: false }) : null
  if (before === null) {
    if (has && hash !== after) return false
    rmSync(at, { force: true })
    return true
  }
  // A take-back that was killed has moved the file already.
  if (!existsSync(old)) return true
  const was = hashOf({ bytes: readFileSync(old), isExecutable: false })
  if (has && hash !== after && hash !== was) return false
  mkdirSync(dirname(at), { recursive: true })
  renameSync(old, at)
  return true
}

/** Removes what a killed command has prepared. No file of the host had changed. */
function removeStaged(folder: string): void {
  const receipt = join(folder, RECEIPT_FOLDER)
  if (!lstatSync(receipt, { throwIfNoEntry: false })?.isDirectory()) return
  for (const name of readdirSync(receipt)) {
    const pid = Number(name.startsWith(STAGING) ? name.slice(STAGING.length) : Number.NaN)
    if (Number.isNaN(pid) || (pid !== process.pid && isRunning(pid))) continue
    rmSync(join(receipt, name), { recursive: true })
  }
  removeIfEmpty(receipt)
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
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
        : {
            bytes: readFileSync(join(folder, LAST, 'old', `${n}`)),
            isExecutable: (before & 0o100) !== 0,
            mode: before,
          }
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

function requireUnchanged(folder: string, { path, before }: Change): void {
  const at = lstatSync(join(folder, path), { throwIfNoEntry: false })
  if (at?.isSymbolicLink()) {
    throw new CreateError(
      'write_failed',
      `${path} is a symbolic link, so nothing was changed. Put a file in its place first.`,
    )
  }
  const has = at?.isFile() ? readerOf(folder)(path) : null
  if (at?.isDirectory() || !isSameFile(has, before)) {
    throw new CreateError(
      'write_failed',
      `${path} has changed since the plan was made. Run the command again.`,
    )
  }
  if (at && (at.mode & 0o200) === 0) {
    throw new CreateError(
      'write_failed',
      `${path} is read-only, so nothing was changed. Make it writable first.`,
    )
  }
}

function foldersToMake(folder: string, changes: readonly Change[]): string[] {
  const folders = new Set<string>()
  const seen = new Set<string>()
  for (const path of [...changes.map(({ path }) => path), PENDING]) {
    for (let at = dirname(path); at !== '.' && !seen.has(at); at = dirname(at)) {
      seen.add(at)
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
  try {
    return journalSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (cause) {
    throw new CreateError(
      'invalid_receipt',
      `${path} cannot be read. Its folder has the old files, by number; nothing was changed.`,
      { cause },
    )
  }
}
