/**
 * What auth may be asked to mail.
 *
 * @module
 */

import type { JobDefinition } from '@repo/core'
import type { Db } from '@repo/db'
import type { AccountMail } from './account/mail-kinds.ts'
import type { SignUp } from './sign-up.ts'

/**
 * What is asked for. `sign-up` lets somebody confirm the address they signed up with; the owner of an account is
 * told instead that somebody did. `confirm` is another link, for the sign-up `id` of the browser that asks if it
 * has one. `link` is a magic link that leads on to the path `next`; `account` is about an account that is there.
 */
export type MailRequest =
  | Addressed
  | { mail: 'account'; account: AccountMail }
  | { mail: 'invite'; invitationId: string }

export type Addressed = ToUser | { mail: 'link'; to: string; next?: string }

export type ToUser =
  | { mail: 'reset'; to: string }
  | { mail: 'confirm'; to: string; id?: string; isReminder?: boolean }
  | { mail: 'sign-up'; to: string; id: string; signUp: SignUp }

export interface Mails {
  /**
   * Queues a mail, whether or not there is anybody to get it; in the transaction `tx` if there is one. A mail that an
   * anonymous caller asks for is left out, without a word, where its recipient has had too many of its kind; a mail
   * that belongs to a transaction follows from what the owner did, and is never left out.
   */
  request(request: MailRequest, tx?: Pick<Db, '$queryRaw'>): Promise<void>
  /** Of the job `auth.mail`. */
  work: Pick<JobDefinition<object>, 'parse' | 'run'>
}
