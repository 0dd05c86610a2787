/**
 * Files as plans see them: bytes at a path that is relative to a folder and written with `/`.
 *
 * @module
 */

import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CreateError } from './errors.ts'

/** A file's bytes, and whether it can be run. */
export interface FileState {
  bytes: Buffer
  isExecutable: boolean
  /** The exact mode to write. Default: that of the file in its place. */
  mode?: number
}

/** Returns the file at a path, or null where there is none. */
export type ReadFile = (path: string) => FileState | null

/** A file with this text. */
export const textFile = (text: string): FileState => ({
  bytes: Buffer.from(text),
  isExecutable: false,
})

/** A reader of the files in `folder`. A symbolic link is followed. @throws `invalid_host` for a folder in a file's place */
export const readerOf =
  (folder: string): ReadFile =>
  (path) => {
    const at = join(folder, path)
    try {
      const bytes = readFileSync(at)
      return { bytes, isExecutable: (statSync(at).mode & 0o100) !== 0 }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return null
      if (code !== 'EISDIR') throw error
      throw new CreateError(
        'invalid_host',
        `${at} is a folder, and a file of this name is expected there. Move the folder; nothing was changed.`,
      )
    }
  }

/** The text of a file. Null: the file is not text in UTF-8, so no part of it can change without harm to the rest. */
export function textOf({ bytes }: FileState): string | null {
  return bytes.includes(0) || !isUtf8(bytes) ? null : bytes.toString('utf8')
}

/** The text with the line ends of Unix. An editor or git may have changed the line ends of a whole file. */
export const unixLines = (text: string): string => text.replaceAll('\r\n', '\n')

/** Whether a text has the line ends of Windows, on every line. */
export const hasWindowsLines = (text: string): boolean =>
  text.includes('\r\n') && !/(?<!\r)\n/.test(text)

/** The text with the line ends of Unix, if all of them are of Windows. Mixed line ends are the host's own. */
export const plainLines = (text: string): string => (hasWindowsLines(text) ? unixLines(text) : text)

/** The hash of a file. Line ends do not count. */
export function hashOf(file: FileState): string {
  const text = textOf(file)
  return createHash('sha256')
    .update(text === null ? file.bytes : unixLines(text))
    .digest('hex')
}

/** Whether two files have the same content. Line ends do not count. */
export const isSameFile = (a: FileState | null, b: FileState | null): boolean =>
  a === null || b === null ? a === b : a.bytes.equals(b.bytes) || hashOf(a) === hashOf(b)

/** The paths of all files in `folder` and below it, without those that `skips` names. */
export function listFiles(folder: string, skips: (name: string) => boolean): string[] {
  const found: string[] = []
  const walk = (below: string) => {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      if (skips(entry.name)) continue
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory()) walk(path)
      else if (entry.isFile()) found.push(path)
    }
  }
  walk('')
  return found.sort()
}
