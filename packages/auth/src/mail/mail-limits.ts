/**
 * Limits the mails that strangers can cause: ten of a kind per mailbox and hour, over all accounts,
 * organizations and addresses that ask. Once they are used up, ten more are allowed in all from the networks in
 * which the owner of the address has signed in before. So a stranger who uses up the ten does not keep the owner
 * from a reset.
 *
 * The limiter counts over all processes, under a keyed hash of the address. Mails that follow from what the
 * owner did, or that tell the owner of a security event, are not counted.
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
import { accountEmail } from '../database/stand-in-address.ts'

const inHour = (name: string, limit = 10): RateLimitPolicy => ({
  name,
  limit,
  windowSeconds: 3_600,
})

/**
 * The mails that strangers can cause. A caller is not told when the limit is reached. `address` covers the
 * mails after a sign-up and repeated confirmations: they ask to prove an address, or say that it has an
 * account.
 */
const MAILS = {
  address: inHour('mail-address'),
  reset: inHour('mail-reset'),
  link: inHour('mail-link'),
} as const

/** The kinds of mail that an anonymous caller can cause. */
type AskedMail = keyof typeof MAILS

/**
 * The mails that signed-in callers can cause. A caller is refused when the limit is reached. Only these
 * requests count here: a count of other mails would depend on passwords and on whether the address has an
 * account.
 */
export const REFUSED_MAILS = {
  change: inHour('mail-change'),
  invite: inHour('mail-invite'),
} as const

/** The additional ten mails, for networks that the owner has signed in from. */
const FAMILIAR: Record<AskedMail, RateLimitPolicy> = {
  address: inHour('mail-address-familiar'),
  reset: inHour('mail-reset-familiar'),
  link: inHour('mail-link-familiar'),
}

/** The limit of confirmations that only a sign-in caused. */
const REMINDERS = inHour('mail-reminder', 3)

/** The dependencies of `createMailLimits`. */
export interface MailLimitsOptions {
  limiter: RateLimiter
  addressOf: AddressOf
  logger: Logger
  /** Whether the account has signed in from the network of this address before. */
  isFamiliar(account: string, address: string): Promise<boolean>
}

/** Decides whether a mail may be sent. */
export interface MailLimits {
  /** Whether one more mail of the kind may go to `to`. A refusal is logged without the address. */
  allows(mail: AskedMail, to: string, how?: { isReminder?: boolean | undefined }): Promise<boolean>
  /** Counts an invitation by a signed-in caller. @throws RateLimitError (429) */
  requireInvitation(to: string): Promise<void>
  /** Takes back the count of `requireInvitation` for an invitation that was refused. */
  giveBackInvitation(to: string): Promise<void>
}

/** Makes the limits over `options.limiter`. */
export function createMailLimits(options: MailLimitsOptions): MailLimits {
  const { limiter, addressOf, logger, isFamiliar } = options

  /** Whether the present request comes from a network that the owner of the address has signed in from. */
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
      logger.warn({ mail, to }, 'mail not sent: its recipient had too many mails of this kind')
      return false
    },
    async requireInvitation(to) {
      const result = await limiter.consume(REFUSED_MAILS.invite, mailboxOf(to))
      if (!result.isAllowed) throw new RateLimitError(REFUSED_MAILS.invite, result)
    },
    giveBackInvitation: (to) => limiter.giveBack(REFUSED_MAILS.invite, mailboxOf(to)),
  }
}

/** The mailbox of an address: `ada+news@example.com` belongs to `ada@example.com` (RFC 5233). */
export function mailboxOf(email: string): string {
  const address = accountEmail(email) ?? email.trim().toLowerCase()
  return address.replace(/^([^+@]+)\+[^@]*(?=@[^@]*$)/, '$1')
}
