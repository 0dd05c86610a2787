/**
 * The options of auth and their defaults.
 *
 * @module
 */

import { type Logger, originOf } from '@repo/core'
import type { AddressOptions } from '@repo/core/rate-limit'
import type { Database } from '@repo/db'
import type { sendEmail } from '@repo/email'
import type { BetterAuthPlugin } from 'better-auth'
import type { Access } from './access.ts'
import { GRACE_DAYS, UNDO_DAYS } from './account/periods.ts'
import type { UserFields } from './account/user-fields.ts'
import { type Bounds, boundsOf } from './database/bounds.ts'
import { AuthError } from './errors.ts'
import type { AuthEvents } from './events.ts'
import type { ErrorTexts } from './http/texts.ts'
import type { OrganizationRole, Permission } from './permissions.ts'
import { checkPlugins } from './plugins/host-plugins.ts'
import { type OAuthServerOptions, requireScopes } from './programs/oauth-options.ts' // #oauth-server
import type { AccessTokenAlg } from './session/access-token.ts'
import type { GivenKeys } from './session/signing-keys.ts'
import type { IsBreached } from './sign-in/breached.ts'
import { type OidcProviders, requireOidc } from './sign-in/oidc-options.ts'
import { requireRounds } from './sign-in/password.ts'
import type { Providers } from './sign-in/provider-keys.ts'
import { requireLocalStandIns } from './sign-in/stand-in-options.ts'

/** The part of `@repo/email` that auth calls. */
export interface AuthSender {
  /** Sends one mail of a built-in template, as `sendEmail` of `@repo/email` does. */
  sendEmail: typeof sendEmail
}

/** The options of `createAuth`. */
export interface AuthOptions<
  P extends string = Permission,
  R extends string = OrganizationRole,
  Fields extends UserFields = UserFields,
> extends Providers,
    AddressOptions {
  /** Default: the process-wide client of `DATABASE_URL`. */
  db?: Database
  /** The host's origin: `https://app.example.com`. */
  baseURL: string
  /** The secret that all keys are derived from, 32 characters or more. */
  secret: string
  /** The product's name, as devices and authenticator apps show it. Default: the host's name. */
  appName?: string
  /** Sends the mails. Default: `sendEmail` of `@repo/email`. */
  sender?: AuthSender
  /**
   * Lets users turn on a second factor: codes of an authenticator app, and backup codes. Every kind of
   * sign-in then asks for it. Default false.
   */
  twoFactor?: boolean
  // #region oauth-server
  /**
   * Makes the host an OAuth 2.1 authorization server for other programs. Without it the server's tables stay
   * empty. Default off.
   */
  oauth?: OAuthServerOptions
  // #endregion
  /** OpenID Connect providers by id. Default none. */
  oidc?: OidcProviders
  /** The logger; what it gets is masked. Default: JSON lines on standard error. */
  logger?: Logger
  /** The cost of a new hash, from 12, the default, to 15. */
  bcryptRounds?: number
  /**
   * Keys for password hashes, each of 32 characters or more. The first one makes new hashes, and all of them
   * verify. A hash with an old pepper is replaced at the next sign-in. A hash whose pepper was removed fits
   * no password, and the user has to reset it. Default none, so that nothing can be lost.
   */
  passwordPeppers?: readonly string[]
  /**
   * Refuses passwords that are known from breaches, at sign-up, change and reset. `true` asks Have I Been
   * Pwned, which gets the first five characters of a SHA-1 hash; a function asks another source. Without an
   * answer within two seconds the password is accepted. Default false.
   */
  breachedPasswords?: boolean | IsBreached
  /** Roles, permissions and policies, from `createAccess`. Default: the five roles, no policies. */
  access?: Access<P, R>
  /** What a user has beside the fields of auth. Default: nothing. */
  user?: {
    /**
     * The host's own fields. Each is a column of the table `User` with this name; the first use of auth says which
     * line of the schema is missing. Default: none.
     */
    fields?: Fields
  }
  /**
   * The languages of the host's mails and pages, as tags of BCP 47 such as `de-AT`. A user's `locale` is one of
   * them. Default: any language.
   */
  locales?: readonly string[]
  /**
   * The texts of refusals by language tag and code, such as `{ de: { invalid_code: 'Der Code ist falsch.' } }`. They
   * replace `detail` and `message` in the answers to browsers that ask for the language. Default: English sentences.
   */
  errorTexts?: ErrorTexts
  /**
   * Better Auth plugins of the host's own, such as `username()`. Their endpoints have the limits and checks of ours.
   * A plugin that would break a promise of auth is refused. Default: none.
   */
  plugins?: readonly BetterAuthPlugin[]
  /**
   * Paths of the plugins' endpoints that a session may use however old its sign-in is, such as `/notes/add`. All
   * others that change something need a sign-in within the last quarter of an hour. Default: none.
   */
  ordinaryEndpoints?: readonly string[]
  /** The paths of the host's own pages. */
  pages?: Partial<Pages>
  /**
   * The host's handlers. Each is called at least once, soon after the request; an error is logged, and the
   * call repeated.
   */
  events?: AuthEvents
  /**
   * Limits how often a caller may sign in, sign up, reset a password and so on, counted over all processes.
   * Default true.
   */
  rateLimit?: boolean
  /** Limits how many rows one user can have. */
  bounds?: Partial<Bounds>
  /** How long sessions live. Default: 7 days without use, 30 days in all. */
  session?: {
    /** How many days a session lives without being used. Default 7. */
    idleDays?: number
    /** How many days a session lives at the most, up to 400. Default 30. */
    absoluteDays?: number
  }
  /** How access tokens are signed. Default: `ES256`, with keys in the database. */
  accessToken?: {
    /** The signing algorithm. Default `ES256`. */
    alg?: AccessTokenAlg
    /**
     * A JSON Web Key Set that signs, or a function that gets it, for example from a key service. The first
     * key is private and signs; the others verify. Default: keys in the database, which rotate by themselves.
     */
    keys?: GivenKeys
  }
  /**
   * The database's address, over which this process hears of revoked sessions: twice a second through a pooler
   * that shares connections (`?pgbouncer=true`), and at once with a direct address. Default: the address with
   * which `createDb` connected `db`. A client that was made elsewhere has none, and then each session is read
   * from its row.
   */
  listenUrl?: string
  /** After how many days entries of the audit log are deleted; 90 or more. Default 365. */
  keepAuditDays?: number
  /** After how many days a user who never confirmed the address is deleted; 1 or more. Default 30. */
  keepUnconfirmedDays?: number
  /**
   * For how many days the owner of the old e-mail address can undo a change of it, counted from the request.
   * From 0 (never) to 90. Default 7.
   */
  undoEmailChangeDays?: number
  /**
   * After how many days an account is deleted once its owner asked for that; until then the owner can cancel.
   * From 0 (at once) to 365. Default 30.
   */
  deletionGraceDays?: number
  /** Counts rate limits in this Redis. Default: in PostgreSQL. */
  redisUrl?: string
}

/**
 * The argument of `createAuth`. `baseURL` and `secret` are optional too, because they may come from the
 * environment.
 */
export interface GivenAuthOptions<
  P extends string = Permission,
  R extends string = OrganizationRole,
  Fields extends UserFields = UserFields,
  Plugins extends readonly BetterAuthPlugin[] = readonly BetterAuthPlugin[],
> extends Omit<AuthOptions<P, R>, 'baseURL' | 'secret' | 'user' | 'plugins'>,
    Partial<Pick<AuthOptions, 'baseURL' | 'secret'>> {
  /** What a user has beside the fields of auth. Default: nothing. */
  user?: {
    /** The host's own fields; see {@link AuthOptions.user}. Default: none. */
    fields?: Fields
  }
  /** Better Auth plugins of the host's own; see {@link AuthOptions.plugins}. Default: none. */
  plugins?: Plugins
}

/** The options without the roles, for functions that do not depend on them. */
export type AnyAuthOptions = Omit<AuthOptions, 'access'>

/** The host's pages. Auth links and redirects to them. */
export interface Pages {
  /** Confirms an address. Gets a `token`. Default `/verify-email`. */
  verifyEmail: string
  /** Sets a new password. Gets a `token`. Default `/reset-password`. */
  resetPassword: string
  /** The page with the form for a reset. Default `/forgot-password`. */
  forgotPassword: string
  /**
   * Signs in by a mailed link. Gets a `token`, and `next` if the request named a page. Default `/magic-link`.
   */
  magicLink: string
  /** The user's account settings: sessions, password, address. Default `/account`. */
  account: string
  /** Confirms a new address. Gets a `token`. Default `/change-email`. */
  changeEmail: string
  /** Undoes a change of address. Gets a `token`. Default `/undo-email-change`. */
  undoEmailChange: string
  /** Accepts an invitation. Gets its `id`. Default `/accept-invitation`. */
  acceptInvitation: string
  /** The sign-in page. Gets an `error` if a provider's answer cannot be used. Default `/sign-in`. */
  signIn: string
  /** The page after a sign-in with a provider that named no page. Default `/dashboard`. */
  afterSignIn: string
  /**
   * The page after a user's first sign-in with a provider, for example one that asks for the organization.
   * Default: the page after any sign-in.
   */
  onboarding?: string
}

/** The default pages. */
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

/** The paths of the host's pages, with the defaults for paths that are left out or undefined. */
export function pagesOf(pages: Partial<Pages> = {}): Pages {
  const given = Object.entries(pages).filter(([, path]) => path !== undefined)
  return { ...PAGES, ...Object.fromEntries(given) }
}

/**
 * Checks the options, before anything is made of them. @throws `invalid_options` for a short secret, rounds or
 * peppers that `requireRounds` refuses, bounds or periods out of range, and a malformed provider or scope
 */
export function checkOptions(options: AnyAuthOptions): void {
  if (options.secret.length < 32) {
    throw new AuthError('invalid_options', 'The secret must have 32 characters or more.')
  }
  requireRounds(options)
  checkPlugins(options.plugins ?? [])
  boundsOf(options.bounds)
  accountDays(options)
  requireOidc(options.oidc, options.baseURL)
  requireLocalStandIns(options, options.baseURL)
  if (options.oauth) requireScopes(options.oauth) // #oauth-server
}

/** The two periods in days, with their defaults. @throws `invalid_options` */
export function accountDays({
  undoEmailChangeDays = UNDO_DAYS,
  deletionGraceDays = GRACE_DAYS,
}: Pick<AnyAuthOptions, 'undoEmailChangeDays' | 'deletionGraceDays'>) {
  const limits = { undoEmailChangeDays: 90, deletionGraceDays: 365 }
  const days = { undoEmailChangeDays, deletionGraceDays }
  for (const [name, most] of Object.entries(limits)) {
    const given = days[name as keyof typeof days]
    if (Number.isInteger(given) && given >= 0 && given <= most) continue
    throw new AuthError('invalid_options', `${name} must be a whole number from 0 to ${most}.`)
  }
  return days
}

/**
 * A provider's keys from its variables; empty if none is set. @throws `invalid_options` if only one of the keys is
 * set, or an endpoint without keys
 */
export function keysOf(
  provider: 'github' | 'google' | 'microsoft',
  clientId: string | undefined,
  clientSecret: string | undefined,
  endpoint?: string,
) {
  if (endpoint && !clientId) {
    throw new AuthError(
      'invalid_options',
      `${provider.toUpperCase()}_ENDPOINT is set without ${provider.toUpperCase()}_CLIENT_ID. Set all three variables, or none.`,
    )
  }
  if (!clientId !== !clientSecret) {
    throw new AuthError(
      'invalid_options',
      `Set both ${provider.toUpperCase()}_CLIENT_ID and ${provider.toUpperCase()}_CLIENT_SECRET, or neither.`,
    )
  }
  const standIn = endpoint ? { endpoint } : {}
  return clientId && clientSecret ? { [provider]: { clientId, clientSecret, ...standIn } } : {}
}

/**
 * The base URL as browsers write it: `HTTPS://App.Example.com:443/` becomes `https://app.example.com`.
 *
 * @throws `invalid_options` unless it is an origin
 */
export function requireOrigin(baseURL: string): string {
  const origin = originOf(baseURL)
  if (origin !== null) return origin
  throw new AuthError(
    'invalid_options',
    'The base URL must be an origin, http or https, without path, query and user.',
  )
}
