/**
 * What an auth instance is: the guards, the functions over sessions, and everything else that a host calls. The
 * documentation stands here, because hosts read it at the instance they hold.
 *
 * @module
 */

import type { CronEntry, JobDefinition } from '@repo/core'
import type { CheckRun, InstanceChecks } from '@repo/core/checks'
import type { BetterAuthPlugin } from 'better-auth'
import type { Can } from './access.ts'
import type { UserExport } from './account/export.ts'
import type { MailedLink } from './account/mailed-links.ts'
import type { createBetterAuth } from './better-auth.ts'
import type { ApiLimits } from './http/api-limits.ts'
import type { FormAction } from './http/forms.ts'
import type { ImportedUser, ImportUsersOptions, ImportUsersResult } from './import/import-users.ts'
import type { OrganizationRole, Permission } from './permissions.ts'
import type { NewOAuthClient, OAuthClientKeys } from './programs/oauth-options.ts' // #oauth-server
import type { Guards } from './session/session.ts'
import type { Sessions } from './session/sessions.ts'
import type { ConfirmationState } from './sign-in/confirmation.ts'

/** The signed-in user, with personal data. */
export interface AuthUser {
  id: string
  name: string
  email: string
  emailVerified: boolean
  /** The URL of the picture; null without one. */
  image: string | null
  role: string
  /** The language of the user's mails, a tag of BCP 47 such as `de-AT`; null for the host's default. */
  locale: string | null
  /** When the account will be deleted, if its owner asked for that; else null. */
  deletionDueAt: Date | null
}

/**
 * A user who may lack required fields: one who came by a provider or a mailed link, or before the field was
 * required.
 */
export interface UserProfile<User extends AuthUser = AuthUser> {
  /** The user. A required field that the user lacks is null. */
  user: AuthUser & {
    [Name in keyof User]: User[Name] | (Name extends keyof AuthUser ? never : null)
  }
  /** The names of the required fields that the user lacks. */
  missing: string[]
}

/** Answers requests to Better Auth's endpoints. */
export interface AuthHandler {
  (req: Request): Promise<Response>
  /** The host's origin, which `toNodeHandler` builds request URLs on. */
  baseURL: string
}

/** Better Auth's server functions, without those of the host's plugins. */
type BuiltInApi = ReturnType<typeof createBetterAuth>['instance']['api']

/** The server functions of plugins. */
type EndpointsOf<Plugins extends readonly BetterAuthPlugin[]> = {
  [At in keyof Plugins]: Plugins[At] extends { endpoints: infer Endpoints } ? Endpoints : unknown
}

type All<Types extends readonly unknown[]> = Types extends readonly [infer First, ...infer Rest]
  ? First & All<Rest>
  : unknown

/** Better Auth's server functions with those of the host's plugins. */
export type AuthApi<Plugins extends readonly BetterAuthPlugin[] = []> = BuiltInApi &
  All<EndpointsOf<Plugins>>

/** An auth instance, as `createAuth` returns it. `User` is what `getUser` returns, with the host's own fields. */
export interface Auth<
  P extends string = Permission,
  R extends string = OrganizationRole,
  User extends AuthUser = AuthUser,
  Api extends AuthApi = AuthApi,
> extends Guards<P, R>,
    Omit<Sessions, 'getSession'> {
  /** Whether a session may do `permission` to a resource, by roles and policies. Never throws; see {@link Can}. */
  can: Can<P>
  /** The host's origin, as browsers write it. */
  baseURL: string
  /** Better Auth's endpoints. Mount it at `/api/auth/*`, in Node with `toNodeHandler(auth)`. */
  handler: AuthHandler
  /**
   * Better Auth's server functions, for everything that has no guard or form here. The first call loads Better Auth.
   * A name without a function is a TypeError when it is called. Functions can be replaced and spied on at any time; to
   * list the functions, or to ask for one with `in`, call {@link Auth.load} first.
   */
  api: Api
  /** The codes in the handler's answers that come from Better Auth, each with its message. */
  errorCodes(): Promise<Readonly<Record<string, string>>>
  /**
   * The text of a code for the page that a form leads to with `?error=`: the host's own of the option `errorTexts` in
   * the browser's language, else Better Auth's English sentence. Null: there is neither.
   */
  errorText(req: Request, code: string): Promise<string | null>
  /**
   * Loads Better Auth, which otherwise the first request to an endpoint does. A server that runs for long calls it when
   * it starts; a host that reads sessions only never needs it.
   */
  load(): Promise<void>
  /**
   * The signed-in user with name, address and the host's own fields; null if nobody is signed in.
   *
   * @throws `profile_incomplete` (403) for a user who lacks a required field; see {@link Auth.getProfile}
   */
  getUser(req: Request): Promise<User | null>
  /**
   * The signed-in user, who may lack required fields, and the names of these; null if nobody is signed in. The page
   * that asks for the missing fields calls it, and posts them to `/update-user`.
   */
  getProfile(req: Request): Promise<UserProfile<User> | null>
  /**
   * Exports everything that auth stores about the signed-in user. Requires a sign-in within the last quarter of an
   * hour.
   *
   * @throws `not_authenticated` (401), `mfa_required`, `recent_sign_in_required` (403)
   */
  exportUser(req: Request): Promise<UserExport>
  /**
   * Deletes a user at once, when the host decides so, for example after a letter. A signed-in user posts to
   * `/delete-user` instead. Does nothing if the user does not exist.
   *
   * @throws `organizations_need_owner` (409), which names the organizations that have no other owner
   */
  deleteUser(userId: string): Promise<void>
  /**
   * Imports the users of another system, with their password hashes and their accounts at other providers. An old hash
   * is replaced by one of ours when its owner signs in. A user with a known address or id is not changed, so a stopped
   * import is run again. Second factors, passkeys, roles and sessions are not imported. The host's `userCreated` is not
   * called.
   *
   * @throws `invalid_options` where `users` cannot be iterated
   *
   * @example
   * ```ts
   * import { auth } from '@repo/auth'
   *
   * const users = [{ email: 'ada@example.com', emailVerified: true, passwordHash: '$2b$10$…' }]
   * const { imported, refused } = await auth.importUsers(users, { dryRun: true })
   * ```
   */
  importUsers(
    users: Iterable<ImportedUser> | AsyncIterable<ImportedUser>,
    options?: ImportUsersOptions,
  ): Promise<ImportUsersResult>
  /** What the page behind a confirmation mail has to show in this browser; see {@link ConfirmationState}. */
  confirmation(req: Request, token: string): Promise<ConfirmationState>
  /**
   * Whether the token of a mailed link is known, unused and not expired. The page behind the link asks, so that it can
   * lead to a new link instead of showing a button that can only fail. Uses nothing up.
   */
  isLinkOpen(link: MailedLink, token: string): Promise<boolean>
  /**
   * Counts a request to the host's own API: 1,000 an hour for a user, 100 an hour for an address without a session.
   * Returns the `RateLimit-…` headers for the answer.
   *
   * @throws RateLimitError (429, `too_many_requests`) with `Retry-After`
   */
  rateLimit(req: Request, limits?: ApiLimits): Promise<Record<string, string>>
  // #region oauth-server
  /**
   * Registers an OAuth client, if the option `oauth` is set. The user's own role must be `ADMIN`, and the user must
   * have signed in within the last quarter of an hour. The client gets tokens only while that user has the role.
   *
   * @throws `not_authenticated` (401), `mfa_required`, `recent_sign_in_required`, `insufficient_role` (403)
   */
  createOAuthClient(req: Request, client: NewOAuthClient): Promise<OAuthClientKeys>
  // #endregion
  /** Answers a form of the host that works without script; see {@link FormAction}. */
  formAction(req: Request, action: FormAction): Promise<Response>
  /** The jobs for a worker of `@repo/jobs`; `cron` says when it runs them. Without a worker no mail is sent. */
  jobs: readonly JobDefinition<object>[]
  /** When a worker runs each of `jobs`, in UTC. */
  cron: readonly CronEntry[]
  /**
   * The checks of `tollgate doctor`: they measure what this instance does, at a sign-in that is rolled back. Nothing is
   * written to a database of production. Call `close` of the answer at the end.
   */
  checks(run: CheckRun): Promise<InstanceChecks>
  /** Waits for the events and upgrades that requests have set off. For tests and for shutting down. */
  settled(): Promise<void>
  /**
   * Closes the connections besides the database: the listener for revoked sessions, which the next `getSession` opens
   * again, and the connection to Redis.
   */
  close(): Promise<void>
}
