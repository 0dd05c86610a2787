/**
 * The outbox: writes mails as files, for development without a provider account.
 *
 * Each mail is a JSON file `<id>.json`: `{ id, template, to, from, subject, html, text, headers,
 * idempotencyKey, createdAt }`, with an id of `[A-Za-z0-9_-]`. The mailbox page of `@repo/sandbox` reads
 * these files, and the file format is all that the two packages share. As at the provider, one idempotency
 * key makes one mail, also across processes.
 *
 * @module
 */

import { createHash, randomUUID } from 'node:crypto'
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLogger, type Logger } from '@repo/core'
import { EmailError } from './errors.ts'
import type { EmailMessage, Transport } from './transport.ts'

/** The content of a mail's file. */
export interface OutboxMail extends EmailMessage {
  id: string
  headers: Record<string, string>
  /** The time of sending, in ISO 8601. */
  createdAt: string
}

/** The options of `outboxTransport`. */
export interface OutboxOptions {
  /** The folder of the mails, which is made with the first one. */
  folder: string
  /** The URL of the mailbox page: the log line names `<mailboxUrl>/<id>`. */
  mailboxUrl?: string
  /** Gets a line for each mail. Default: JSON lines on standard error. */
  logger?: Logger
}

/** Creates a transport that writes mails to a folder. */
export function outboxTransport(options: OutboxOptions): Transport {
  const logger = createLogger(options.logger)
  return {
    async send(message) {
      const id = message.idempotencyKey
        ? createHash('sha256').update(message.idempotencyKey).digest('hex').slice(0, 32)
        : randomUUID()
      const mail: OutboxMail = {
        ...message,
        id,
        headers: message.headers ?? {},
        createdAt: new Date().toISOString(),
      }
      const file = join(options.folder, `${id}.json`)
      if (!(await createFile(options.folder, file, JSON.stringify(mail, null, 2)))) {
        await requireSame(file, message)
        return { id, provider: 'outbox', deduplicated: true }
      }
      const where = options.mailboxUrl ? `${options.mailboxUrl}/${id}` : file
      logger.info({ template: message.template, mail: where }, 'mail in the outbox')
      return { id, provider: 'outbox', deduplicated: false }
    },
  }
}

/**
 * Writes `file` completely or not at all, unless it exists. A mail holds sign-in links, so only this user of
 * the machine may read the file.
 */
async function createFile(folder: string, file: string, content: string): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = join(folder, `.${randomUUID()}.tmp`)
  await writeFile(draft, content, { mode: 0o600 })
  try {
    // Unlike a rename, a link never replaces a file: if two processes send one key, only one of them writes.
    await link(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await unlink(draft)
  }
}

async function requireSame(file: string, message: EmailMessage): Promise<void> {
  const present = JSON.parse(await readFile(file, 'utf8')) as OutboxMail
  const same =
    present.to === message.to &&
    present.subject === message.subject &&
    present.html === message.html
  if (!same) {
    throw new EmailError(
      'idempotency_conflict',
      'Another mail was sent with this idempotency key. Use a new key for a new mail.',
    )
  }
}
