/**
 * What auth can be told, and what it takes when it is not.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import type { Database } from '@repo/db'
import type { sendEmail } from '@repo/email'
import type { AccessTokenAlg } from './access-token.ts'
import { AuthError } from './errors.ts'
import type { OAuthServerOptions } from './oauth-server.ts'
import type { OidcProviders } from './oidc.ts'
import type { Providers } from './providers.ts'
import type { GivenKeys } from './signing-keys.ts'

export interface AuthOptions extends Providers {
  /** Default: the process-wide client of `DATABASE_URL`. */
  db?: Database
  /** The host's origin: `https://app.example.com`. */
  baseURL: string
  /** 32 characters or more. */
  secret: string
  /** The product's name, as devices and authenticator apps show it. Default: the host's name. */
  appName?: string
  /** Default: `sendEmail` of `@repo/email`. */
  sender?: { sendEmail: typeof sendEmail }
  /**
   * Lets people turn on a second factor, which is then asked for whichever way they come in: codes
   * of an authenticator app, and backup codes. Default false.
   */
  twoFactor?: boolean
  /**
   * Makes the host an OAuth 2.1 authorization server for other programs. Its tables are empty
   * otherwise. Default off.
   */
  oauth?: OAuthServerOptions
  /** OpenID Connect providers by id. Default none. */
  oidc?: OidcProviders
  /** Put behind the mask. Default: JSON lines on standard error. */
  logger?: Logger
  /** From 12, the default, to 15. */
  bcryptRounds?: number
  /** Paths of the host's own pages. */
  pages?: Partial<Pages>
  /** Told after the fact, not awaited by the request; what they throw is logged. */
  events?: { userCreated?: (user: { id: string }) => Promise<unknown> }
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
  session?: {
    /** How long a session lives without being used. Default 7. */
    idleDays?: number
    /** How long it lives at all. Default 30. */
    absoluteDays?: number
  }
  accessToken?: {
    /** Default `ES256`. */
    alg?: AccessTokenAlg
    /**
     * A JSON Web Key Set to sign with, or how to get it, such as from a key service. The first key
     * is private and signs, the others verify. Default: keys in the database, changed by themselves.
     */
    keys?: GivenKeys
  }
  /**
   * Where to hear of revoked sessions: a direct connection to the database, where `db` goes through
   * a pooler that shares connections. Default: where `createDb` connected `db`; for a client made
   * elsewhere there is none, and each session is read from its row.
   */
  listenUrl?: string
}

export interface Pages {
  /** Gets a `token`. Default `/verify-email`. */
  verifyEmail: string
  /** Gets a `token`. Default `/reset-password`. */
  resetPassword: string
  /** Gets a `token`, and `next` where the request named a page. Default `/magic-link`. */
  magicLink: string
  /** Gets an `id`. Default `/accept-invitation`. */
  acceptInvitation: string
  /** Gets an `error`, when a provider's answer cannot be used. Default `/sign-in`. */
  signIn: string
  /** Where a sign-in with a provider leads that names no page. Default `/dashboard`. */
  afterSignIn: string
  /**
   * Where somebody's first sign-in with a provider leads, such as a page that asks for their
   * organization. Default: the page of any sign-in.
   */
  onboarding?: string
}

export const PAGES: Pages = {
  verifyEmail: '/verify-email',
  resetPassword: '/reset-password',
  magicLink: '/magic-link',
  acceptInvitation: '/accept-invitation',
  signIn: '/sign-in',
  afterSignIn: '/dashboard',
}

/** A provider of two variables, which belong together; nothing without both. @throws `invalid_options` */
export function keys(
  provider: 'github' | 'google' | 'microsoft',
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
