/**
 * Where a rendered mail goes. A transport takes one message and says who took it; it keeps the
 * provider's idempotency: one key, one mail.
 *
 * @module
 */

export interface EmailMessage {
  /** The template's name. */
  template: string
  to: string
  from: string
  replyTo?: string
  subject: string
  html: string
  text: string
  headers?: Record<string, string>
  /** Names the mail: the same key is delivered once, for a day at least. */
  idempotencyKey?: string
}

export interface Delivery {
  /** The provider's id of the mail. */
  id: string
  provider: string
  /** True: this key had been sent before, and nothing went out now. Null: the provider does not say. */
  deduplicated: boolean | null
}

export interface Transport {
  /** @throws EmailError, `retryable` or not. */
  send(message: EmailMessage, signal?: AbortSignal): Promise<Delivery>
}
