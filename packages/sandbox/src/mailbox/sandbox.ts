/**
 * The mailbox stand-in. It reads the outbox that `@repo/email` writes and changes nothing in it.
 *
 * @module
 */

import { consoleLogger, createLogger, type Logger } from '@repo/core'
import type { Hono } from 'hono'
import { showError } from '../layout.tsx'
import { type MailboxMessage, readMails } from './mails.ts'
import { createMailboxPages } from './pages.tsx'

/** The options of `createMailboxSandbox`. */
export interface MailboxSandboxOptions {
  /** The folder of the outbox; it need not exist yet. Default: none, and the mailbox stays empty. */
  outboxDir?: string
  /** Default: one JSON line per entry on standard error. */
  logger?: Logger
}

/** Which mails to list. */
export interface MailFilter {
  /** The recipient's address. Default: all mails. */
  to?: string
}

/** A mailbox with pages and an API. */
export interface MailboxSandbox {
  /** The pages under `/mailbox`, and `GET /mailbox/api/messages?to=` as JSON. */
  app: Hono
  /** Answers a request to the pages or the API. */
  fetch(request: Request): Promise<Response>
  /** The mails, the newest first. */
  messages(filter?: MailFilter): Promise<MailboxMessage[]>
}

/** Creates a mailbox for an outbox folder. */
export function createMailboxSandbox(options: MailboxSandboxOptions = {}): MailboxSandbox {
  const { outboxDir = null } = options
  const app = createMailboxPages(outboxDir)
  app.onError(showError('Mailbox', createLogger(options.logger ?? consoleLogger)))
  return {
    app,
    fetch: async (request) => app.fetch(request),
    messages: async ({ to } = {}) => (outboxDir === null ? [] : readMails(outboxDir, to)),
  }
}
