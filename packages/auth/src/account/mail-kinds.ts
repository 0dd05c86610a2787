/**
 * The mails about an account, as they wait in the queue.
 *
 * @module
 */

import type { BuiltInEmails, EmailProps } from '@repo/email'

/** What of the account's security an alert tells of. */
export type SecurityAlert = EmailProps<BuiltInEmails, 'SecurityAlertEmail'>['alert']

/** What is to be mailed, as it waits in the queue, encrypted. Dates are texts: it is stored as JSON. */
export type AccountMail =
  | { kind: 'new_address'; changeId: string }
  | { kind: 'address_change'; stage: 'requested' | 'done'; changeId: string }
  | { kind: 'address_change'; stage: 'undone'; to: string; name: string }
  | {
      kind: 'deletion'
      stage: 'requested' | 'blocked' | 'canceled' | 'done'
      to: string
      name: string
      dueAt?: string
    }
  | {
      kind: 'alert'
      userId: string
      alert: SecurityAlert
      at: string
      /** A provider's or a program's id. */
      about?: string
      device?: string
      network?: string
    }
