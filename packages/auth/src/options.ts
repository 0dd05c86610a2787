/**
 * What auth can be told, and what it takes when it is not.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { Database } from '@repo/db'
import type { sendEmail } from '@repo/email'
import type { AddressOptions } from './addresses.ts'
import type { IsBreached } from './breached.ts'
import { AuthError } from './errors.ts'
import type { Providers } from './providers.ts'

export interface AuthOptions extends Providers, AddressOptions {
  /** Default: the process-wide client of `DATABASE_URL`. */
  db?: Database
  /** The host's origin: `https://app.example.com`. */
  baseURL: string
  /** 32 characters or more. */
  secret: string
  /** Default: `sendEmail` of `@repo/email`. */
  sender?: { sendEmail: typeof sendEmail }
  /** Put behind the mask. Default: JSON lines on standard error. */
  logger?: Logger
  /** From 12, the default, to 15. */
  bcryptRounds?: number
  /**
   * Keys for the hashes of passwords, 32 characters or more each: the first for new hashes, all for
   * verifying. A hash is replaced at the next sign-in; one whose pepper is gone fits no password, and the
   * person has to reset it. Default none, so that nothing can be lost.
   */
  passwordPeppers?: readonly string[]
  /**
   * Refuses passwords known from breaches, at sign-up, change and reset: `true` asks Have I Been Pwned,
   * which sees the first five characters of a SHA-1 hash; a function asks something else. Without an answer
   * in two seconds the password is taken. Default false.
   */
  breachedPasswords?: boolean | IsBreached
  /** Paths of the host's own pages. */
  pages?: Partial<Pages>
  /** Told after the fact, not awaited by the request; what they throw is logged. */
  events?: { userCreated?: (user: { id: string }) => Promise<unknown> }
  /**
   * Limits how often one may try to sign in, sign up, reset and so on, for all processes together. Default
   * true.
   */
  rateLimit?: boolean
  /** After how many days entries of the audit log are deleted; 90 or more. Default 365. */
  keepAuditDays?: number
  /** Counts the limits in Redis. Default: in PostgreSQL. */
  redisUrl?: string
}

export interface Pages {
  /** Gets a `token`. Default `/verify-email`. */
  verifyEmail: string
  /** Gets a `token`. Default `/reset-password`. */
  resetPassword: string
  /** Where one asks for a reset. Default `/forgot-password`. */
  forgotPassword: string
  /** Gets an `id`. Default `/accept-invitation`. */
  acceptInvitation: string
  /** Gets an `error`, when a provider's answer cannot be used. Default `/sign-in`. */
  signIn: string
  /** Where a sign-in with a provider leads that names no page. Default `/dashboard`. */
  afterSignIn: string
}

export const PAGES: Pages = {
  verifyEmail: '/verify-email',
  resetPassword: '/reset-password',
  forgotPassword: '/forgot-password',
  acceptInvitation: '/accept-invitation',
  signIn: '/sign-in',
  afterSignIn: '/dashboard',
}

/** A provider of two variables, which belong together; nothing without both. @throws `invalid_options` */
export function keys(
  provider: 'github' | 'google',
  clientId: string | undefined,
  clientSecret: string | undefined,
) {
  if (!clientId !== !clientSecret) {
    throw new AuthError(
      'invalid_options',
      `${provider.toUpperCase()}_CLIENT_ID and ${provider.toUpperCase()}_CLIENT_SECRET belong together; one is missing.`,
    )
  }
  return clientId && clientSecret ? { [provider]: { clientId, clientSecret } } : {}
}

/** @throws `invalid_options` for anything but an origin */
export function originOf(baseURL: string): string {
  const url = URL.canParse(baseURL) ? new URL(baseURL) : null
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/') {
    throw new AuthError(
      'invalid_options',
      'The base URL must be an origin, http or https, without a path.',
    )
  }
  return url.origin
}
