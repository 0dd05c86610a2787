/**
 * A transport delivers one rendered mail and returns its id. It keeps the provider's idempotency: one key
 * makes one mail.
 *
 * @module
 */

/** A rendered mail, ready to be sent. */
export interface EmailMessage {
  /** The template's name. */
  template: string
  /** The recipient: one bare address. */
  to: string
  /** The sender: `Acme <hello@acme.example>` or a bare address. */
  from: string
  /** The address for replies. Default: the sender. */
  replyTo?: string
  /** The subject, on one line. */
  subject: string
  /** The mail for programs that show HTML. */
  html: string
  /** The same mail as plain text. */
  text: string
  /** Further headers of the mail. Default: none. */
  headers?: Record<string, string>
  /** Names the mail: a mail with the same key is delivered once within at least a day. */
  idempotencyKey?: string
}

/** The answer of a transport that took a mail. */
export interface Delivery {
  /** The provider's id of the mail. */
  id: string
  provider: string
  /** True if this key was sent before and nothing was sent now. Null if the provider does not say. */
  deduplicated: boolean | null
}

/** Delivers rendered mails, for instance through a provider. */
export interface Transport {
  /** Delivers the mail. @throws EmailError, whose `retryable` says whether a retry may help */
  send(message: EmailMessage, signal?: AbortSignal): Promise<Delivery>
}
