/**
 * `sendEmail`: a template's name, a recipient, the template's props. Everything is checked before
 * anything is sent; a call that returns has handed the mail over, one that throws has not.
 *
 * @module
 */

import { canonicalEmail, isProduction, type Logger, readEnv } from '@repo/core'
import { z } from 'zod'
import { createResend, resendEnv } from './client.ts'
import type { EmailProps, EmailTemplates } from './define.ts'
import { EmailError } from './errors.ts'
import { outboxTransport } from './outbox.ts'
import { renderEmail } from './render.ts'
import { resendTransport } from './resend.ts'
import { type BuiltInEmails, builtInEmails } from './templates/index.ts'
import type { Delivery, EmailMessage, Transport } from './transport.ts'

export const emailEnv = z.object({
  /** Absent outside production: mails go to the outbox. */
  RESEND_API_KEY: resendEnv.shape.RESEND_API_KEY.optional(),
  RESEND_BASE_URL: resendEnv.shape.RESEND_BASE_URL,
  /** `Acme <hello@acme.example>` or a bare address, of a domain verified at Resend. */
  EMAIL_FROM: z.string().min(3).optional(),
  /** Default `.tollgate/outbox` below the working directory. */
  EMAIL_OUTBOX_DIR: z.string().default('.tollgate/outbox'),
  /** Where the mailbox page shows the outbox; only for the log line. */
  EMAIL_MAILBOX_URL: z.url().optional(),
})

export interface SendOptions {
  /**
   * Names the mail, e.g. `welcome/<user id>`: sent once, however often it is asked for. At most 256
   * characters. Default: none.
   */
  idempotencyKey?: string
  /** Default: answers go to the sender. */
  replyTo?: string
  headers?: Record<string, string>
  /** Gives up, tries under way included. */
  signal?: AbortSignal
}

export type SendEmail<Templates extends EmailTemplates = BuiltInEmails> = <
  Name extends Extract<keyof Templates, string>,
>(
  template: Name,
  to: string,
  props: EmailProps<Templates, Name>,
  options?: SendOptions,
) => Promise<Delivery>

export interface Sender<Templates extends EmailTemplates = BuiltInEmails> {
  /**
   * @throws EmailError `unknown_template`, `invalid_recipient`, `invalid_props`,
   * `idempotency_conflict`, `provider_rejected`, `provider_unavailable`, `missing_api_key`.
   */
  sendEmail: SendEmail<Templates>
}

export interface SenderOptions<Templates extends EmailTemplates = BuiltInEmails> {
  /** Default: those of the package. Spread `builtInEmails` beside your own. */
  templates?: Templates
  /** Default: Resend with a key, the outbox without one outside production. */
  transport?: Transport
  /** Default `EMAIL_FROM`; in the outbox and with a transport a placeholder where that is empty. */
  from?: string
  logger?: Logger
}

/** A sender of its own templates, transport or address. Reads the environment at the first mail. */
export function createSender<Templates extends EmailTemplates = BuiltInEmails>(
  options: SenderOptions<Templates> = {},
): Sender<Templates> {
  const templates: EmailTemplates = options.templates ?? builtInEmails
  let route: { transport: Transport; from: string } | undefined
  return {
    async sendEmail(name, to, props, sendOptions = {}) {
      const template = Object.hasOwn(templates, name) ? templates[name] : undefined
      if (!template) throw new EmailError('unknown_template', `There is no template ${name}.`)
      const recipient = requireRecipient(to)
      const rendered = await renderEmail(template, props)
      route ??= chooseRoute(options)
      const { signal, ...rest } = sendOptions
      const message: EmailMessage = {
        template: name,
        to: recipient,
        from: route.from,
        ...rendered,
        ...rest,
      }
      return route.transport.send(message, signal)
    },
  }
}

function chooseRoute(options: Pick<SenderOptions, 'transport' | 'from' | 'logger'>) {
  const placeholder = 'Tollgate <outbox@localhost>'
  if (options.transport) {
    const from = options.from ?? readEnv(emailEnv.pick({ EMAIL_FROM: true })).EMAIL_FROM
    return { transport: options.transport, from: from ?? placeholder }
  }
  const env = readEnv(emailEnv)
  if (env.RESEND_API_KEY || isProduction()) {
    if (!env.RESEND_API_KEY) {
      throw new EmailError(
        'missing_api_key',
        'RESEND_API_KEY is missing. In production mail is never put aside in silence.',
      )
    }
    const from = options.from ?? readEnv(z.object({ EMAIL_FROM: z.string().min(3) })).EMAIL_FROM
    const base = env.RESEND_BASE_URL ? { baseUrl: env.RESEND_BASE_URL } : {}
    return { transport: resendTransport(createResend(env.RESEND_API_KEY, base)), from }
  }
  const transport = outboxTransport({
    folder: env.EMAIL_OUTBOX_DIR,
    ...(env.EMAIL_MAILBOX_URL ? { mailboxUrl: env.EMAIL_MAILBOX_URL } : {}),
    ...(options.logger ? { logger: options.logger } : {}),
  })
  return { transport, from: options.from ?? env.EMAIL_FROM ?? placeholder }
}

/** One bare address: no list, no display name, nothing that could start a header. Its domain is in ASCII. */
function requireRecipient(to: string): string {
  const recipient = canonicalEmail(to)
  if (recipient !== null) return recipient
  throw new EmailError('invalid_recipient', 'The recipient must be one bare e-mail address.')
}

const defaultSender = createSender()

/** The default sender's: environment, built-in templates. Nothing is read before the first mail. */
export const sendEmail: SendEmail = (...args) => defaultSender.sendEmail(...args)
