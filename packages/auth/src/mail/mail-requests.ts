/**
 * The mails that auth can be asked to send.
 *
 * @module
 */

import type { JobDefinition } from '@repo/core'
import type { Db } from '@repo/db'
import type { AccountMail } from '../account/mail-kinds.ts'
import type { SignUp } from '../sign-in/sign-up.ts'

/**
 * A mail to send. `sign-up` asks a new user to confirm the address; if the address already has an account,
 * its owner is told of the sign-up instead. `confirm` is another confirmation link; `id` names the sign-up of
 * the browser that asks. `link` is a magic link that leads to the path `next`; `locale` is the
 * language of the browser that asks, for an address without an account. `account` is about an existing
 * account.
 */
export type MailRequest =
  | Addressed
  | { mail: 'account'; account: AccountMail }
  | { mail: 'invite'; invitationId: string }

/** A mail to an address. */
export type Addressed = ToUser | { mail: 'link'; to: string; next?: string; locale?: string }

/** A mail to the user of an address, if there is one. */
export type ToUser =
  | { mail: 'reset'; to: string }
  | { mail: 'confirm'; to: string; id?: string; isReminder?: boolean }
  | { mail: 'sign-up'; to: string; id: string; signUp: SignUp }

/** Queues the mails of auth and sends them. */
export interface Mails {
  /**
   * Queues a mail, whether or not the address has an account. With `tx`, the job is part of that transaction.
   * Without `tx`, a mail that an anonymous caller can ask for is dropped silently if its recipient had too
   * many of its kind. With `tx`, no mail is dropped, because it follows from what the owner did.
   */
  request(request: MailRequest, tx?: Pick<Db, '$queryRaw'>): Promise<void>
  /** The work of the job `auth.mail`. */
  work: Pick<JobDefinition<object>, 'parse' | 'run'>
}
