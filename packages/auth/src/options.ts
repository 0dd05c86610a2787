/**
 * What auth can be told, and what it takes when it is not.
 *
 * @module
 */

import { type Logger, originOf } from '@repo/core'
import type { AddressOptions } from '@repo/core/rate-limit'
import type { Database } from '@repo/db'
import type { sendEmail } from '@repo/email'
import type { Access } from './access.ts'
import type { AccessTokenAlg } from './access-token.ts'
import { GRACE_DAYS } from './account/deletion.ts'
import { UNDO_DAYS } from './account/email-change.ts'
import type { Bounds } from './bounds.ts'
import type { IsBreached } from './breached.ts'
import { AuthError } from './errors.ts'
import type { AuthEvents } from './events.ts'
import type { OAuthServerOptions } from './oauth-server.ts'
import type { OidcProviders } from './oidc.ts'
import type { OrganizationRole, Permission } from './permissions.ts'
import type { Providers } from './providers.ts'
import type { GivenKeys } from './signing-keys.ts'

export interface AuthOptions<P extends string = Permission, R extends string = OrganizationRole>
  extends Providers,
    AddressOptions {
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
  /** Roles, permissions and policies, from `createAccess`. Default: the five roles, no policies. */
  access?: Access<P, R>
  /** Paths of the host's own pages. */
  pages?: Partial<Pages>
  /** Told at least once, soon after the request; what throws is logged and tried again. */
  events?: AuthEvents
  /**
   * Limits how often one may try to sign in, sign up, reset and so on, for all processes together. Default
   * true.
   */
  rateLimit?: boolean
  /** How much one user can have. */
  bounds?: Partial<Bounds>
  session?: {
    /** How long a session lives without being used. Default 7. */
    idleDays?: number
    /** How long it lives at all, 400 at the most. Default 30. */
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
  /** After how many days entries of the audit log are deleted; 90 or more. Default 365. */
  keepAuditDays?: number
  /** After how many days users who never confirmed their address are deleted; 1 or more. Default 30. */
  keepUnconfirmedDays?: number
  /**
   * For how many days after it was asked for the owner of the old e-mail address can take a change of it back.
   * From 0, never, to 90. Default 7.
   */
  undoEmailChangeDays?: number
  /**
   * After how many days an account is deleted whose owner asked for it, and until when it can be cancelled.
   * From 0, at once, to 365. Default 30.
   */
  deletionGraceDays?: number
  /** Counts the limits in Redis. Default: in PostgreSQL. */
  redisUrl?: string
}

/** What `createAuth` takes: `baseURL` and `secret` may come from the environment, as the rest. */
export type GivenAuthOptions<
  P extends string = Permission,
  R extends string = OrganizationRole,
> = Omit<AuthOptions<P, R>, 'baseURL' | 'secret'> &
  Partial<Pick<AuthOptions<P, R>, 'baseURL' | 'secret'>>

/** The options whatever a host's roles are. */
export type AnyAuthOptions = Omit<AuthOptions, 'access'>

export interface Pages {
  /** Gets a `token`. Default `/verify-email`. */
  verifyEmail: string
  /** Gets a `token`. Default `/reset-password`. */
  resetPassword: string
  /** Where one asks for a reset. Default `/forgot-password`. */
  forgotPassword: string
  /** Gets a `token`, and `next` where the request named a page. Default `/magic-link`. */
  magicLink: string
  /** Where people look after their account: sessions, password, address. Default `/account`. */
  account: string
  /** Gets a `token`, and confirms a new address with it. Default `/change-email`. */
  changeEmail: string
  /** Gets a `token`, and takes a change of address back with it. Default `/undo-email-change`. */
  undoEmailChange: string
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
  forgotPassword: '/forgot-password',
  magicLink: '/magic-link',
  account: '/account',
  changeEmail: '/change-email',
  undoEmailChange: '/undo-email-change',
  acceptInvitation: '/accept-invitation',
  signIn: '/sign-in',
  afterSignIn: '/dashboard',
}

/** The days of an account's two periods, as they are or by default. @throws `invalid_options` */
export function accountDays({
  undoEmailChangeDays = UNDO_DAYS,
  deletionGraceDays = GRACE_DAYS,
}: Pick<AnyAuthOptions, 'undoEmailChangeDays' | 'deletionGraceDays'>) {
  const limits = { undoEmailChangeDays: 90, deletionGraceDays: 365 }
  const days = { undoEmailChangeDays, deletionGraceDays }
  for (const [name, most] of Object.entries(limits)) {
    const given = days[name as keyof typeof days]
    if (Number.isInteger(given) && given >= 0 && given <= most) continue
    throw new AuthError('invalid_options', `${name} is a whole number from 0 to ${most}.`)
  }
  return days
}

/** A provider of two variables, which belong together; nothing without both. @throws `invalid_options` */
export function keysOf(
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

/**
 * The base URL as browsers write it: `HTTPS://App.Example.com:443/` is `https://app.example.com`.
 *
 * @throws `invalid_options` for anything but an origin
 */
export function requireOrigin(baseURL: string): string {
  const origin = originOf(baseURL)
  if (origin !== null) return origin
  throw new AuthError(
    'invalid_options',
    'The base URL must be an origin, http or https, without path, query and user.',
  )
}
