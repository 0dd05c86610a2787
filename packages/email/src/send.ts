/**
 * `sendEmail` takes a template's name, a recipient and the template's props. Everything is checked before
 * anything is sent. If the call returns, the mail was handed over; if it throws, it was not.
 *
 * @module
 */

import {
  aFunction,
  aString,
  canonicalEmail,
  isProduction,
  type Logger,
  type OptionKind,
  objectOf,
  objectWith,
  optionProblem,
  readEnv,
  recordOf,
  required,
} from '@repo/core'
import * as z from 'zod'
import { createResend, resendEnv } from './client.ts'
import type { EmailProps, EmailTemplates } from './define.ts'
import { EmailError } from './errors.ts'
import { outboxTransport } from './outbox.ts'
import { renderEmail } from './render.ts'
import { resendTransport } from './resend.ts'
import { type Route, withRoute } from './route.ts'
import { type BuiltInEmails, builtInEmails } from './templates/index.ts'
import type { Delivery, EmailMessage, Transport } from './transport.ts'

/** The environment variables of the default sender. */
export const emailEnv = z.object({
  /** If it is missing outside production, mails go to the outbox. */
  RESEND_API_KEY: resendEnv.shape.RESEND_API_KEY.optional(),
  RESEND_BASE_URL: resendEnv.shape.RESEND_BASE_URL,
  /** The sender: `Acme <hello@acme.example>` or a bare address, of a domain verified at Resend. */
  EMAIL_FROM: z.string().min(3).optional(),
  /** The folder of the outbox. Default `.tollgate/outbox` in the working directory. */
  EMAIL_OUTBOX_DIR: z.string().default('.tollgate/outbox'),
  /** The URL of the mailbox page, used in the log line of the outbox only. */
  EMAIL_MAILBOX_URL: z.url().optional(),
})

/** The options of one mail. */
export interface SendOptions {
  /**
   * Names the mail, e.g. `welcome/<user id>`: it is sent once, however often the call is repeated. At most
   * 256 characters. Default: none.
   */
  idempotencyKey?: string
  /** The address for replies. Default: replies go to the sender. */
  replyTo?: string
  /** Further headers of the mail. Default: none. */
  headers?: Record<string, string>
  /**
   * The recipient's language, a tag of BCP 47 such as `de-AT`. It chooses the translation, and templates get it.
   * Default: unknown.
   */
  locale?: string | null
  /** Facts about the recipient for templates, such as the host's own fields of a user. Default: none. */
  recipient?: Readonly<Record<string, unknown>>
  /** Aborts the sending, including a running attempt. */
  signal?: AbortSignal
}

/** Sends one mail of a template; see {@link Sender}. */
export type SendEmail<Templates extends EmailTemplates = BuiltInEmails> = <
  Name extends Extract<keyof Templates, string>,
>(
  template: Name,
  to: string,
  props: EmailProps<Templates, Name>,
  options?: SendOptions,
) => Promise<Delivery>

/** Sends mails of a set of templates. */
export interface Sender<Templates extends EmailTemplates = BuiltInEmails> {
  /**
   * Sends one mail.
   *
   * @throws EmailError `unknown_template`, `invalid_recipient`, `invalid_props`, `idempotency_conflict`,
   *   `provider_rejected`, `provider_unavailable`, `missing_api_key`.
   */
  sendEmail: SendEmail<Templates>
}

/** The options of `createSender`. */
export interface SenderOptions<Templates extends EmailTemplates = BuiltInEmails> {
  /** Default: the built-in templates. Spread `builtInEmails` beside your own. */
  templates?: Templates
  /**
   * Templates in other languages, by language tag: `{ de: { WelcomeEmail } }`. A recipient with the locale `de-AT`
   * gets the template of `de-AT`, else that of `de`, else that of `templates`. Default: none.
   */
  translations?: Readonly<Record<string, Partial<NoInfer<Templates>>>>
  /** Default: Resend if a key is set; the outbox if not, outside production. */
  transport?: Transport
  /** Default `EMAIL_FROM`. If that is empty, the outbox and a given `transport` use a placeholder. */
  from?: string
  /** The logger of the outbox; its entries are masked. Default: JSON lines on standard error. */
  logger?: Logger
}

const aTemplate = objectOf(
  {
    schema: required(objectWith('a schema of zod', 'parse')),
    subject: required(aFunction),
    component: required(aFunction),
  },
  'a template, as defineEmail returns it',
)

const KINDS: Record<keyof SenderOptions, OptionKind> = {
  templates: recordOf(aTemplate, 'an object with templates by name'),
  translations: recordOf(
    recordOf(aTemplate, 'an object with templates by name'),
    'an object with templates by language tag',
  ),
  transport: objectWith('a transport', 'send'),
  from: aString,
  logger: objectWith('a logger such as pino', 'debug', 'info', 'warn', 'error'),
}

/**
 * Creates a sender with its own templates, transport or address. Reads the environment at the first mail.
 *
 * @throws EmailError `invalid_options` for an option of a wrong kind; names it
 *
 * @example
 * ```ts
 * import { createSender } from '@repo/email'
 *
 * const { sendEmail } = createSender({ from: 'Acme <hello@acme.example>' })
 * await sendEmail('WelcomeEmail', 'ada@example.com', { verifyUrl: 'https://acme.example/verify' })
 * ```
 */
export function createSender<Templates extends EmailTemplates = BuiltInEmails>(
  options: SenderOptions<Templates> = {},
): Sender<Templates> {
  const problem = optionProblem('createSender', KINDS, options)
  if (problem !== null) throw new EmailError('invalid_options', problem)
  const templates: EmailTemplates = options.templates ?? builtInEmails
  const find = finderOf(templates, options.translations ?? {})
  let route: Route | undefined
  const sender: Sender<Templates> = {
    async sendEmail(name, to, props, sendOptions = {}) {
      const { signal, locale = null, recipient: facts = {}, ...rest } = sendOptions
      const template = find(name, locale)
      if (!template)
        throw new EmailError('unknown_template', `The template ${name} does not exist.`)
      const recipient = requireRecipient(to)
      const rendered = await renderEmail(template, props, { locale, recipient: facts })
      route ??= chooseRoute(options)
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
  return withRoute(sender, () => chooseRoute(options))
}

/**
 * Finds the template of a name in a language: the translation for the longest part of the tag, else the template
 * itself.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4647#section-3.4
 * @throws EmailError `invalid_options` for a translation of a template that does not exist
 */
function finderOf(
  templates: EmailTemplates,
  translations: Readonly<Record<string, Partial<EmailTemplates>>>,
) {
  const byTag = new Map(Object.entries(translations).map(([tag, of]) => [tag.toLowerCase(), of]))
  for (const [tag, of] of Object.entries(translations)) {
    const unknown = Object.keys(of).find((name) => !Object.hasOwn(templates, name))
    if (unknown === undefined) continue
    throw new EmailError(
      'invalid_options',
      `createSender: translations.${tag} has ${unknown}, and templates has not. Add it there, too.`,
    )
  }
  return (name: string, locale: string | null): EmailTemplates[string] | undefined => {
    if (!Object.hasOwn(templates, name)) return undefined
    let range = locale?.toLowerCase() ?? ''
    while (range !== '') {
      const found = byTag.get(range)
      if (found && Object.hasOwn(found, name) && found[name]) return found[name]
      range = range.slice(0, Math.max(range.lastIndexOf('-'), 0))
    }
    return templates[name]
  }
}

function chooseRoute(options: Pick<SenderOptions, 'transport' | 'from' | 'logger'>): Route {
  const placeholder = 'Tollgate <outbox@localhost>'
  if (options.transport) {
    const from = options.from ?? readEnv(emailEnv.pick({ EMAIL_FROM: true })).EMAIL_FROM
    return { kind: 'given', transport: options.transport, from: from ?? placeholder }
  }
  const env = readEnv(emailEnv)
  if (env.RESEND_API_KEY || isProduction()) {
    if (!env.RESEND_API_KEY) {
      throw new EmailError(
        'missing_api_key',
        'RESEND_API_KEY is missing. Set it: the outbox is not used in production.',
      )
    }
    const from = options.from ?? readEnv(z.object({ EMAIL_FROM: z.string().min(3) })).EMAIL_FROM
    const base = env.RESEND_BASE_URL ? { baseUrl: env.RESEND_BASE_URL } : {}
    const transport = resendTransport(createResend(env.RESEND_API_KEY, base))
    return { kind: 'resend', transport, from }
  }
  const transport = outboxTransport({
    folder: env.EMAIL_OUTBOX_DIR,
    ...(env.EMAIL_MAILBOX_URL ? { mailboxUrl: env.EMAIL_MAILBOX_URL } : {}),
    ...(options.logger ? { logger: options.logger } : {}),
  })
  return { kind: 'outbox', transport, from: options.from ?? env.EMAIL_FROM ?? placeholder }
}

/**
 * Accepts exactly one bare address without a display name, so nothing can start a header. Returns it with its
 * domain in ASCII.
 */
function requireRecipient(to: string): string {
  const recipient = canonicalEmail(to)
  if (recipient !== null) return recipient
  throw new EmailError('invalid_recipient', 'The recipient must be one bare e-mail address.')
}

/** The sender of `sendEmail`. */
export const defaultSender = createSender()

/**
 * Sends a mail with the built-in templates. Nothing is read from the environment before the first mail.
 *
 * @example
 * ```ts
 * import { sendEmail } from '@repo/email'
 *
 * await sendEmail(
 *   'PasswordResetEmail',
 *   'ada@example.com',
 *   { resetUrl: 'https://acme.example/reset', expiresInMinutes: 30 },
 *   { idempotencyKey: 'reset/user_1/1' },
 * )
 * ```
 */
export const sendEmail: SendEmail = (...args) => defaultSender.sendEmail(...args)
