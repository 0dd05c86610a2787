/**
 * A captured outbox for tests. It keeps the provider's idempotency, so that a test can tell a mail that was
 * never requested from one that was requested twice and sent once.
 *
 * @module
 */

import { EmailError } from './errors.ts'
import { createSender, type Sender } from './send.ts'
import type { EmailMessage, Transport } from './transport.ts'

/** A mail that was captured. */
export interface CapturedMail extends EmailMessage {
  /** The id that the transport returned. */
  id: string
}

/** Mails of a test in place of a provider. */
export interface CapturedOutbox {
  /** The mails that were sent, the oldest first. */
  readonly sent: readonly CapturedMail[]
  /** How often a mail was requested, including duplicates and failures. */
  readonly attempts: number
  /** The mails to one address, the oldest first. */
  to(address: string): CapturedMail[]
  /** The newest mail of `template`; throws if there is none. */
  last(template: string): CapturedMail
  /** Makes the next sending fail with `error`. Default: the provider cannot be reached. */
  failNext(error?: Error): void
  /** Forgets all mails. */
  clear(): void
  /** The transport that captures, for a sender with own templates. */
  transport: Transport
  /** A sender of the built-in templates that captures. */
  sender: Sender
}

/** Creates a captured outbox and a sender that delivers to it. */
export function createOutbox(): CapturedOutbox {
  const sent: CapturedMail[] = []
  const failures: Error[] = []
  let attempts = 0
  const transport: Transport = {
    async send(message) {
      attempts += 1
      const failure = failures.shift()
      if (failure) throw failure
      const { idempotencyKey: key } = message
      const present = key ? sent.find((mail) => mail.idempotencyKey === key) : undefined
      if (present) {
        if (present.html !== message.html || present.to !== message.to) {
          throw new EmailError(
            'idempotency_conflict',
            'Another mail was sent with this idempotency key. Use a new key for a new mail.',
          )
        }
        return { id: present.id, provider: 'captured', deduplicated: true }
      }
      const id = `mail-${sent.length + 1}`
      sent.push({ ...message, id })
      return { id, provider: 'captured', deduplicated: false }
    },
  }
  return {
    sent,
    get attempts() {
      return attempts
    },
    to: (address) => sent.filter((mail) => mail.to === address),
    last(template) {
      const found = sent.findLast((mail) => mail.template === template)
      if (!found) throw new Error(`No ${template} was sent; ${sent.length} mails were.`)
      return found
    },
    failNext(error) {
      failures.push(
        error ??
          new EmailError('provider_unavailable', 'The provider cannot be reached (failNext).'),
      )
    },
    clear() {
      sent.length = 0
      attempts = 0
    },
    transport,
    sender: createSender({ transport }),
  }
}
