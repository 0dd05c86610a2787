/**
 * How many mails of a kind one mailbox gets in an hour that somebody else can ask for: ten, whichever accounts,
 * organizations and addresses ask. Beyond that, ten more for all networks together from which the owner of the address
 * has signed in, so that a stranger who uses up the ten does not keep the owner from a reset.
 *
 * Counted by the limiter under a keyed hash, over all processes. Mails that follow from what the owner did, or that
 * tell the owner of a security event, are not counted here.
 *
 * @module
 */

import { tryGetCurrentAuthEndpointContext } from '@better-auth/core/context'
import type { Logger } from '@repo/core'
import {
  type AddressOf,
  RateLimitError,
  type RateLimiter,
  type RateLimitPolicy,
} from '@repo/core/rate-limit'
import { accountEmail } from './stand-in-address.ts'

const inHour = (name: string, limit = 10): RateLimitPolicy => ({
  name,
  limit,
  windowSeconds: 3_600,
})

/**
 * What strangers can have sent, and are not told when there is no more of it. `address` asks for the proof of an
 * address or says that it has an account: after signing up, and another confirmation.
 */
const MAILS = {
  address: inHour('mail-address'),
  reset: inHour('mail-reset'),
  link: inHour('mail-link'),
} as const

/** Those that an anonymous caller can have sent. */
type AskedMail = keyof typeof MAILS

/**
 * What signed-in callers can have sent, who are refused when there is no more of it. Only their own requests count
 * here: how many of the others there were depends on whether the address has an account, and on passwords.
 */
export const REFUSED_MAILS = {
  change: inHour('mail-change'),
  invite: inHour('mail-invite'),
} as const

/** The second ten, for networks that the owner knows. */
const FAMILIAR: Record<AskedMail, RateLimitPolicy> = {
  address: inHour('mail-address-familiar'),
  reset: inHour('mail-reset-familiar'),
  link: inHour('mail-link-familiar'),
}

/** Of confirmations that only a sign-in asked for. */
const REMINDERS = inHour('mail-reminder', 3)

export interface MailLimitsOptions {
  limiter: RateLimiter
  addressOf: AddressOf
  logger: Logger
  /** Whether the account has signed in from the network of this address before. */
  isFamiliar(account: string, address: string): Promise<boolean>
}

export interface MailLimits {
  /** Whether one more mail of the kind may go to `to`. A mail that may not is logged, without the address. */
  allows(mail: AskedMail, to: string, how?: { isReminder?: boolean | undefined }): Promise<boolean>
  /** Counts an invitation, which a signed-in caller asks for. @throws RateLimitError (429) */
  requireInvitation(to: string): Promise<void>
  /** Takes back what `requireInvitation` counted, for an invitation that was refused. */
  giveBackInvitation(to: string): Promise<void>
}

export function createMailLimits(options: MailLimitsOptions): MailLimits {
  const { limiter, addressOf, logger, isFamiliar } = options

  /** From a network of the owner, as far as the running request says where it comes from. */
  async function isByOwner(to: string): Promise<boolean> {
    const running = tryGetCurrentAuthEndpointContext()
    const source = running?.request ?? running?.headers
    const address = source && addressOf(source instanceof Request ? source : new Headers(source))
    return address ? isFamiliar(to, address) : false
  }

  async function hasRoom(mail: AskedMail, to: string): Promise<boolean> {
    const key = mailboxOf(to)
    if ((await limiter.consume(MAILS[mail], key)).isAllowed) return true
    return (await isByOwner(to)) && (await limiter.consume(FAMILIAR[mail], key)).isAllowed
  }

  return {
    async allows(mail, to, { isReminder = false } = {}) {
      const isWanted = !isReminder || (await limiter.consume(REMINDERS, mailboxOf(to))).isAllowed
      if (isWanted && (await hasRoom(mail, to))) return true
      logger.warn({ mail, to }, 'mail not sent, because its recipient has had too many of the kind')
      return false
    },
    async requireInvitation(to) {
      const result = await limiter.consume(REFUSED_MAILS.invite, mailboxOf(to))
      if (!result.isAllowed) throw new RateLimitError(REFUSED_MAILS.invite, result)
    },
    giveBackInvitation: (to) => limiter.giveBack(REFUSED_MAILS.invite, mailboxOf(to)),
  }
}

/** Mail to `ada+news@example.com` is in the mailbox of `ada@example.com` (RFC 5233). */
export function mailboxOf(email: string): string {
  const address = accountEmail(email) ?? email.trim().toLowerCase()
  return address.replace(/^([^+@]+)\+[^@]*(?=@[^@]*$)/, '$1')
}
