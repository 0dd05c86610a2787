/**
 * Reads the outbox's mails: one JSON file each, named by the mail's id. No other file is read, whatever else
 * the folder contains and whatever a URL asks for.
 *
 * @module
 */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A mail as the outbox wrote it. */
export interface MailboxMessage {
  id: string
  /** The template's name. */
  template: string
  to: string
  from: string
  subject: string
  html: string
  text: string
  headers: Record<string, string>
  /** Null if the sender gave none. */
  idempotencyKey: string | null
  /** In ISO 8601. */
  createdAt: string
}

const ID = /^[A-Za-z0-9_-]{1,200}$/

/** Reads one mail; null if there is none with this id. */
export async function readMail(folder: string, id: string): Promise<MailboxMessage | null> {
  if (!ID.test(id)) return null
  try {
    return mailOf(id, JSON.parse(await readFile(join(folder, `${id}.json`), 'utf8')))
  } catch (error) {
    // A broken file is skipped, so that it does not break the whole mailbox.
    if (error instanceof SyntaxError || hasCode(error, ['ENOENT', 'EISDIR'])) return null
    throw error
  }
}

/** All mails, the newest first. `to` selects the mails to one address, in any case. */
export async function readMails(folder: string, to?: string): Promise<MailboxMessage[]> {
  const names = await namesIn(folder)
  const ids = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5))
  const mails: MailboxMessage[] = []
  for (const id of ids) {
    const mail = await readMail(folder, id)
    if (mail !== null && (to === undefined || isSame(mail.to, to))) mails.push(mail)
  }
  return mails.sort(
    (one, other) => other.createdAt.localeCompare(one.createdAt) || (one.id < other.id ? 1 : -1),
  )
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    // The outbox creates the folder with its first mail.
    if (hasCode(error, ['ENOENT'])) return []
    throw error
  }
}

const hasCode = (error: unknown, codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code))

const isSame = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

/** Converts a parsed file to a mail; null if it is not one. The file's name is the id. */
function mailOf(id: string, value: unknown): MailboxMessage | null {
  if (typeof value !== 'object' || value === null) return null
  const fields = value as Record<string, unknown>
  const text = (key: string): string => (typeof fields[key] === 'string' ? fields[key] : '')
  if (text('to') === '' || Number.isNaN(Date.parse(text('createdAt')))) return null
  const headers = typeof fields.headers === 'object' && fields.headers ? fields.headers : {}
  return {
    id,
    template: text('template'),
    to: text('to'),
    from: text('from'),
    subject: text('subject'),
    html: text('html'),
    text: text('text'),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, header]) => [name, String(header)]),
    ),
    idempotencyKey: text('idempotencyKey') || null,
    createdAt: text('createdAt'),
  }
}
