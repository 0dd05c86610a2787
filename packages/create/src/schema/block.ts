/**
 * Tollgate's models in a schema of one file: between two lines of comments. In plans and receipts such a block is a file
 * of its own, with the path `prisma/schema.prisma#tollgate`, so that it is merged and removed as files are.
 *
 * @module
 */

import {
  type FileState,
  hasWindowsLines,
  plainLines,
  type ReadFile,
  textFile,
  textOf,
} from '../files.ts'

const MARK = '#tollgate'
const BEGIN =
  '// tollgate begin: the models of Tollgate. Your own models stay outside of these two lines.'
const END = '// tollgate end'

/** The path of the block in a file. */
export const blockPath = (file: string): string => `${file}${MARK}`

/** Whether a path is that of a block. */
export const isBlock = (path: string): boolean => path.endsWith(MARK)

/** The file that has the block. */
export const fileOfBlock = (path: string): string => path.slice(0, -MARK.length)

/** A reader that also reads blocks. */
export const readingBlocks =
  (read: ReadFile): ReadFile =>
  (path) => {
    if (!isBlock(path)) return read(path)
    const file = read(fileOfBlock(path))
    const block = file && blockIn(plainLines(textOf(file) ?? ''))
    return block === null ? null : textFile(block)
  }

/** The block of a text with the line ends of Unix. Empty lines around it do not count. Null: the text has none. */
export function blockIn(text: string): string | null {
  const span = spanOf(text)
  return span && `${text.slice(span.from, span.to).trim()}\n`
}

/** The text with another block, or without it. */
export function withBlock(text: string, block: string | null): string {
  const span = spanOf(text)
  // Prisma's formatter wants an empty line between a model and a comment.
  const between = `\n${block?.trim()}\n\n`
  if (!span) return block === null ? text : `${text.trimEnd()}\n\n${BEGIN}\n${between}${END}\n`
  if (block !== null) return text.slice(0, span.from) + between + text.slice(span.to)
  const before = text.slice(0, span.from - BEGIN.length - 1).trimEnd()
  const after = text.slice(span.to + END.length).trim()
  return after === '' ? `${before}\n` : `${before}\n\n${after}\n`
}

function spanOf(text: string): { from: number; to: number } | null {
  const begin = text.indexOf(`${BEGIN}\n`)
  const to = text.indexOf(END, begin)
  return begin < 0 || to < 0 ? null : { from: begin + BEGIN.length + 1, to }
}

/** Changes a text of the host as if its lines ended like those of Unix. They stay, and so does a byte order mark. */
export function keepingLines(text: string, change: (plain: string) => string): string {
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : ''
  const changed = change(plainLines(text.slice(mark.length)))
  return mark + (hasWindowsLines(text) ? changed.replaceAll('\n', '\r\n') : changed)
}

/** A file with another text, as runnable as it was. */
export const withText = (file: FileState, text: string): FileState => ({
  ...file,
  ...textFile(text),
  isExecutable: file.isExecutable,
})
