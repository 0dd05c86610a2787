/**
 * A plan: what a command would change in the host, and what it leaves. Making a plan changes nothing.
 *
 * @module
 */

import { type FileState, isSameFile, type ReadFile, textFile, textOf } from './files.ts'
import { type Receipt, readReceipt, receiptFiles } from './receipt.ts'
import {
  fileOfBlock,
  isBlock,
  keepingLines,
  readingBlocks,
  withBlock,
  withText,
} from './schema/block.ts'

/** Why a file changes. */
export type Reason =
  /** The file is new. */
  | 'create'
  /** Nobody edited the file, so it becomes what upstream has. */
  | 'update'
  /** Upstream's changes go into the edited file. */
  | 'merge'
  /** Values are written into a file of the host's own. */
  | 'edit'
  /** Upstream moved the file; the host's changes move along. */
  | 'move'
  /** The file goes. */
  | 'delete'
  /** The new text stands beside the host's file and waits for a person. */
  | 'beside'
  /** The record of what was copied. */
  | 'receipt'

/** A file that changes. Null: it does not exist. */
export interface Change {
  path: string
  why: Reason
  before: FileState | null
  after: FileState | null
}

/** A file or value that stays as the host has it, although the command has something else. */
export interface Note {
  path: string
  why: string
}

/** What a command would do. */
export interface Plan {
  command: string
  changes: Change[]
  /** What stays as it is. */
  notes: Note[]
  /** The host's files whose merge waits for a person. */
  conflicts: string[]
  /** What a person does next. */
  steps: string[]
}

/** The end of the name of a file that waits beside the host's file. */
export const BESIDE = '.tollgate-new'

/** Collects the changes of a plan. A file that would become what it is does not count. */
export class Draft {
  readonly changes = new Map<string, Change>()
  readonly notes: Note[] = []
  readonly conflicts: string[] = []
  readonly #read: ReadFile

  constructor(read: ReadFile) {
    this.#read = readingBlocks(read)
  }

  /** Writes a file, or deletes it with null. */
  put(path: string, after: FileState | null, why: Reason, before = this.#read(path)): void {
    const isSame =
      before && after
        ? before.bytes.equals(after.bytes) && before.isExecutable === after.isExecutable
        : before === after
    if (isSame) this.changes.delete(path)
    else this.changes.set(path, { path, why, before, after })
  }

  /** Writes the new text of a file of the host's own, which stays as runnable as it is. */
  edit(path: string, text: string): void {
    const before = this.#read(path)
    const file = { ...textFile(text), isExecutable: before?.isExecutable ?? false }
    this.put(path, file, before ? 'edit' : 'create')
  }

  /** Puts a new text beside the host's file, which stays as it is. */
  putBeside(path: string, text: FileState, why: string): void {
    this.put(`${path}${BESIDE}`, text, 'beside')
    this.conflicts.push(path)
    this.notes.push({ path, why: `${why} Yours stays; the new text is in ${path}${BESIDE}.` })
  }

  /** Lets the changes of blocks be changes of their files. */
  #foldBlocks(): void {
    for (const [path, { after }] of this.changes) {
      if (!isBlock(path)) continue
      this.changes.delete(path)
      const name = fileOfBlock(path)
      const file = this.changes.get(name)?.after ?? this.#read(name)
      const text = file && textOf(file)
      if (typeof text !== 'string' || !file) continue
      const block = after && textOf(after)
      const next = keepingLines(text, (plain) => withBlock(plain, block))
      this.put(name, withText(file, next), 'edit')
    }
  }

  /** Ends the plan with its receipt; null removes the receipt. */
  finish(command: string, receipt: Receipt | null, steps: string[]): Plan {
    this.#foldBlocks()
    const files = receipt ? receiptFiles(receipt) : new Map<string, FileState>()
    const earlier = readReceipt(this.#read)
    for (const path of earlier ? receiptFiles(earlier).keys() : []) {
      if (!files.has(path)) this.put(path, null, 'receipt')
    }
    for (const [path, file] of files) {
      // A receipt that says the same stays as it is, although another version of zlib would pack it differently.
      if (receipt && earlier && isSameReceipt(receipt, earlier)) continue
      this.put(path, file, 'receipt')
    }
    const changes = [...this.changes.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
    const { notes, conflicts } = this
    return {
      command,
      changes,
      notes,
      conflicts: [...new Set(conflicts)],
      steps: changes.length > 0 ? steps : [],
    }
  }
}

function isSameReceipt({ base: a, ...one }: Receipt, { base: b, ...other }: Receipt): boolean {
  if (JSON.stringify(sorted(one)) !== JSON.stringify(sorted(other)) || a.size !== b.size)
    return false
  return [...a].every(([path, file]) => isSameFile(file, b.get(path) ?? null))
}

const sorted = (receipt: Omit<Receipt, 'base'>) => ({
  ...receipt,
  files: Object.entries(receipt.files).sort(([a], [b]) => (a < b ? -1 : 1)),
})
