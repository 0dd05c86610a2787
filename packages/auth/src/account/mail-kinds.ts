/**
 * The mails about an account, in the form of the queue.
 *
 * @module
 */

import type { BuiltInEmails, EmailProps } from '@repo/email'

/** The event that an alert is about. */
export type SecurityAlert = EmailProps<BuiltInEmails, 'SecurityAlertEmail'>['alert']

/** The language of the recipient, where the row may be gone when the mail is sent. */
interface Localized {
  locale?: string
}

/** A mail to send, as it is stored in the queue, encrypted. Dates are texts, because it is stored as JSON. */
export type AccountMail =
  | { kind: 'new_address'; changeId: string }
  | { kind: 'address_change'; stage: 'requested' | 'done'; changeId: string }
  | ({ kind: 'address_change'; stage: 'undone'; to: string; name: string } & Localized)
  | ({
      kind: 'deletion'
      stage: 'requested' | 'blocked' | 'canceled' | 'done'
      to: string
      name: string
      dueAt?: string
    } & Localized)
  | {
      kind: 'alert'
      userId: string
      alert: SecurityAlert
      at: string
      /** The id of a provider or of an OAuth client. */
      about?: string
      device?: string
      network?: string
    }
