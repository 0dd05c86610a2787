/**
 * What auth can be told, and what it takes when it is not.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { Database } from '@repo/db'
import type { sendEmail } from '@repo/email'
import type { Access } from './access.ts'
import { AuthError } from './errors.ts'
import type { AuthEvents } from './events.ts'
import type { OrganizationRole, Permission } from './permissions.ts'
import type { Providers } from './providers.ts'

export interface AuthOptions<P extends string = Permission, R extends string = OrganizationRole>
  extends Providers {
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
  /** Roles, permissions and policies, from `createAccess`. Default: the five roles, no policies. */
  access?: Access<P, R>
  /** Paths of the host's own pages. */
  pages?: Partial<Pages>
  /** Told at least once, soon after the request; what throws is logged and tried again. */
  events?: AuthEvents
  /**
   * Headers that hold the caller's address for the rate limits, the first that is there. They must
   * be set by your own proxy or server: anyone can send one, and callers without any share one
   * limit. Default `x-forwarded-for`.
   */
  ipAddressHeaders?: string[]
  /**
   * Addresses or CIDR ranges of your proxies, needed when the header lists several: the last that
   * is not among them is the caller. Default none: a list says nothing, and its callers share one
   * limit.
   */
  trustedProxies?: string[]
  /** Default true. Kept in memory, a process each. */
  rateLimit?: boolean
}

export interface Pages {
  /** Gets a `token`. Default `/verify-email`. */
  verifyEmail: string
  /** Gets a `token`. Default `/reset-password`. */
  resetPassword: string
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
