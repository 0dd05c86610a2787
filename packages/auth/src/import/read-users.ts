/**
 * Reads the users of an import from JSON lines or CSV. A line that cannot be read is refused by itself; the lines after
 * it are read.
 *
 * @module
 */

import { readCsv } from './csv.ts'
import { type ImportedUser, Refused } from './user-row.ts'

/** The forms of a file. */
export type ImportFormat = 'jsonl' | 'csv'

/** The longest line, in characters. */
const LONGEST = 100_000

/** The users of a text that comes in pieces, and a `Refused` in the place of each that cannot be read. */
export async function* readUsers(
  pieces: AsyncIterable<string>,
  format: ImportFormat,
): AsyncGenerator<ImportedUser, void> {
  // `importUsers` expects users, and refuses what this yields in their place.
  const users = (format === 'csv' ? fromCsv(pieces) : fromLines(pieces)) as AsyncIterable<unknown>
  for await (const user of users) yield user as ImportedUser
}

async function* fromLines(pieces: AsyncIterable<string>): AsyncGenerator<unknown, void> {
  for await (const line of linesOf(pieces)) {
    if (line === null) yield tooLong()
    else if (line.trim() !== '') yield parsed(line)
  }
}

/** The lines; null in the place of a line that is too long. */
async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<string | null, void> {
  let rest = ''
  let isTooLong = false
  for await (const piece of pieces) {
    const lines = piece.split('\n')
    const last = lines.pop() ?? ''
    for (const line of lines) {
      const whole = rest + line
      yield isTooLong || whole.length > LONGEST ? null : whole
      rest = ''
      isTooLong = false
    }
    rest += last
    if (rest.length > LONGEST) {
      rest = ''
      isTooLong = true
    }
  }
  if (isTooLong) yield null
  else if (rest !== '') yield rest
}

const tooLong = (): Refused =>
  new Refused('unreadable_row', `A line has more than ${LONGEST} characters.`)

/** What a decoder writes in the place of bytes that are not UTF-8. */
const NO_LETTER = '\ufffd'

const wrongBytes = (): Refused =>
  new Refused('unreadable_row', 'The row has bytes that are not UTF-8. Convert the file to UTF-8.')

function parsed(line: string): unknown {
  if (line.includes(NO_LETTER)) return wrongBytes()
  try {
    return JSON.parse(line.replace(/^\ufeff/, '')) as unknown
  } catch {
    return new Refused('unreadable_row', 'The line is not JSON.')
  }
}

async function* fromCsv(pieces: AsyncIterable<string>): AsyncGenerator<unknown, void> {
  let header: string[] | null = null
  for await (const record of readCsv(pieces)) {
    if (record === null) {
      const message =
        'A quote has no end or has text after it, or a record is too long. Nothing after it was read.'
      yield new Refused('unreadable_row', message)
    } else if (header === null) {
      header = record.map((name) => name.replace(/^\ufeff/, '').trim())
      if (new Set(header).size === header.length) continue
      yield new Refused('unreadable_row', 'The header names a column twice. Nothing was read.')
      return
    } else if (record.some((value) => value.includes(NO_LETTER))) yield wrongBytes()
    else if (record.length !== header.length) {
      const message = `The record has ${record.length} values, but the header names ${header.length}.`
      yield new Refused('unreadable_row', message)
    } else yield fromRecord(header, record)
  }
}

const TRUE = /^(?:true|t|yes|1)$/i
const FALSE = /^(?:false|f|no|0)$/i

/** The user of a record. `accounts` is written `github:123 google:456`. */
function fromRecord(header: readonly string[], record: readonly string[]): object {
  const entries = header.map((name, index): [string, unknown] => {
    const value = record[index] ?? ''
    if (value === '') return [name, null]
    if (name === 'emailVerified') {
      return [name, TRUE.test(value) ? true : FALSE.test(value) ? false : value]
    }
    return [name, name === 'accounts' ? value.trim().split(/\s+/).map(accountOf) : value]
  })
  return Object.fromEntries(entries)
}

function accountOf(text: string): object {
  const colon = text.indexOf(':')
  return { providerId: text.slice(0, Math.max(colon, 0)), accountId: text.slice(colon + 1) }
}
