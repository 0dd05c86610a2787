/**
 * Better Auth with our cookies, mails, guards and forms, as one configured object.
 *
 * @module
 */

import { createLogger, lazy, requireId, toResponse } from '@repo/core'
import { createRateLimiter } from '@repo/core/rate-limit'
import { db } from '@repo/db'
import { createBacklogWatch } from '@repo/jobs/queue'
import type { BetterAuthPlugin } from 'better-auth'
import { type Access, defaultAccess } from './access.ts'
import { tellOf } from './account/alerts.ts'
import { exportOf, type UserExport } from './account/export.ts'
import type { MailedLink } from './account/mailed-links.ts'
import { ProfileIncompleteError, profileOf } from './account/profile.ts'
import { isRecent } from './account/recent.ts'
import { createUserFields, type UserFields, type UserFieldValues } from './account/user-fields.ts'
import { createRecorder } from './audit/recorder.ts'
import { createBackground } from './background.ts'
import { createKeys } from './database/keys.ts'
import { withEnv } from './env.ts'
import { AuthError } from './errors.ts'
import { createEvents } from './events.ts'
import { checkProxies, createAddressOf } from './http/addresses.ts'
import { type ApiLimits, limitRequest } from './http/api-limits.ts'
import { type FormAction, runFormAction } from './http/forms.ts'
import { createLazyApi } from './http/lazy-api.ts'
import { createTexts } from './http/texts.ts'
import type { ImportedUser, ImportUsersOptions, ImportUsersResult } from './import/import-users.ts'
import type { Auth, AuthApi, AuthUser, UserProfile } from './instance.ts'
import { JOBS } from './job-names.ts'
import { authCron, createJobs } from './jobs.ts'
import { mail } from './mail/mail-payload.ts'
import type { Mails } from './mail/mail-requests.ts'
import { requireGiven, requireKinds } from './option-kinds.ts'
import { checkOptions, type GivenAuthOptions, requireOrigin } from './options.ts'
import { defaultRoles, type OrganizationRole, type Permission, type Roles } from './permissions.ts'
import { requireOwnColumns, userFieldsOf } from './plugins/host-plugins.ts'
// #region oauth-server
import {
  createOAuthClient,
  type NewOAuthClient,
  type OAuthClientKeys,
} from './programs/oauth-options.ts'
// #endregion
import type { Server } from './server.ts'
import { createCookieKeys } from './session/cookie-keys.ts'
import { createGuards, type Guards } from './session/session.ts'
import { createSessionTokens } from './session/session-tokens.ts'
import type { ConfirmationState } from './sign-in/confirmation.ts'
import { MIN_ROUNDS, requireRounds } from './sign-in/password.ts'
import { providersOf } from './sign-in/provider-keys.ts'

/** The jobs that send mails. */
const MAIL_JOBS = [JOBS[0].name]

/**
 * Makes an auth instance. Options that are left out come from the environment variables that are their
 * documented defaults; the variable of an option that is given is not read.
 *
 * @throws `invalid_environment`, which lists every missing or malformed variable
 * @throws `invalid_options` for an option of a wrong kind, a short secret or pepper, bcrypt rounds out of range, a malformed base URL,
 * or lifetimes or signing keys that make no sense
 *
 * @example
 * ```ts
 * import { createAuth } from '@repo/auth'
 *
 * // Everything else comes from BETTER_AUTH_SECRET, APP_URL and DATABASE_URL.
 * export const auth = createAuth({
 *   twoFactor: true,
 *   session: { idleDays: 14 },
 *   pages: { afterSignIn: '/home' },
 * })
 * ```
 */
export function createAuth<
  P extends string = Permission,
  R extends string = OrganizationRole,
  Fields extends UserFields = UserFields,
  const Plugins extends readonly BetterAuthPlugin[] = [],
>(
  given: GivenAuthOptions<P, R, Fields, Plugins> = {},
): Auth<P, R, AuthUser & UserFieldValues<Fields>, AuthApi<Plugins>> {
  type User = AuthUser & UserFieldValues<Fields>
  requireKinds(given)
  const options = withEnv(given)
  requireGiven(options)
  const baseURL = requireOrigin(options.baseURL)
  checkOptions(options)
  const textOf = createTexts(options.errorTexts)
  const own = createUserFields(
    options.user?.fields,
    options.locales,
    userFieldsOf(options.plugins ?? []),
  )
  requireOwnColumns(options.plugins ?? [], own)
  const logger = createLogger(options.logger)
  const background = createBackground(logger)
  const database = options.db ?? db
  const keys = createKeys(options.secret)
  const cookies = createCookieKeys(keys, baseURL)
  const addressOf = createAddressOf(options)
  checkProxies(options, baseURL, logger)
  const limiter = createRateLimiter({
    db: database,
    redisUrl: options.redisUrl,
    secret: keys.rateLimit,
    logger: options.logger,
  })
  const record = createRecorder({
    db: database,
    addressOf,
    logger,
    onEntry: (entry) =>
      background.run('alert', () => tellOf({ db: database, limiter, mails }, entry)),
  })
  let loading: Promise<Server> | undefined
  /** Better Auth with its endpoints, loaded at the first call. */
  const server = (): Promise<Server> => {
    loading ??= loadServer().catch((error: unknown) => {
      loading = undefined
      throw error
    })
    return loading
  }
  const loadServer = async () => {
    const { createServer } = await import('./server.ts')
    const roles = (options.access?.roles ?? defaultRoles) as Roles<string, string>
    const { run } = background
    const shared = {
      options,
      own,
      keys,
      baseURL,
      db: database,
      logger,
      run,
      cookies,
      tokens,
      roles,
    }
    const made = await createServer({ ...shared, addressOf, limiter, record, textOf, tell })
    fill(made.api as never)
    return made
  }
  const { api, fill } = createLazyApi<AuthApi<Plugins>>(async () => (await server()).api as never)
  const mails: Mails = {
    request: async (...given) => (await server()).mails.request(...given),
    work: {
      parse: (payload) => mail.parse(payload),
      run: async (...given) => (await server()).mails.work.run(...given),
    },
  }
  const handler = async (req: Request): Promise<Response> => {
    let loaded: Server
    try {
      loaded = await server()
    } catch (error) {
      logger.error({ error }, 'Better Auth could not be loaded')
      return toResponse(error)
    }
    return loaded.handler(req)
  }
  const tokens = createSessionTokens({
    options,
    cookies,
    db: database,
    origin: baseURL,
    logger,
    context: async () => (await server()).context(),
    handler,
    record: (entry, req) => background.run('audit', () => record(entry, req)),
  })
  const { getSession, ...sessions } = tokens.sessions

  const access = options.access ?? (defaultAccess as unknown as Access<P, R>)
  const guards: Guards<P, R> = createGuards(getSession, { access })
  /** Checks the session's row, because a refresh does not make the sign-in more recent. */
  const requireRecent = async (req: Request) => {
    const session = await guards.requireAuth(req, { fresh: true })
    const row = await database.session.findUnique({ where: { id: session.sessionId } })
    if (row && isRecent(row)) return session
    throw new AuthError('recent_sign_in_required', 'Sign in again first.')
  }
  const events = createEvents(database, options.events ?? {}, logger)
  const deletion = { db: database, mails, logger }
  const backlog = createBacklogWatch({
    db: database,
    logger,
    jobs: MAIL_JOBS,
    advice: 'Start a worker with auth.jobs, or call runPending: until then no mail is sent.',
  })
  const tell = () => {
    background.run('events', events.deliver)
    background.run('backlog', backlog.look)
  }

  const getProfile = async (req: Request): Promise<UserProfile<User> | null> => {
    const session = await guards.getSession(req)
    return session && (await profileOf<User>(database, own, session.userId))
  }

  return {
    ...guards,
    ...sessions,
    can: access.can,
    baseURL,
    handler: Object.assign(handler, {
      baseURL,
    }),
    api,
    errorCodes: async () => (await server()).errorCodes,
    async errorText(req: Request, code: string): Promise<string | null> {
      const own = textOf(code, req.headers)
      if (own !== null) return own
      const { errorCodes } = await server()
      return Object.hasOwn(errorCodes, code) ? (errorCodes[code] as string) : null
    },
    async load(): Promise<void> {
      await server()
    },
    getProfile,
    async getUser(req: Request): Promise<User | null> {
      const profile = await getProfile(req)
      if (!profile) return null
      const { user, missing } = profile
      if (missing.length === 0) return user as User
      throw new ProfileIncompleteError(missing)
    },
    async exportUser(req: Request): Promise<UserExport> {
      const { userId, sessionId } = await requireRecent(req)
      const document = await exportOf(database, own, userId, sessionId)
      if (!document) throw new AuthError('not_authenticated', 'Nobody is signed in.')
      const entry = { action: 'user_exported', userId, actorId: userId, sessionId } as const
      await record(entry, req)
      return document
    },
    async deleteUser(userId: string): Promise<void> {
      requireId('The user id', userId)
      const { deleteUserNow } = await import('./account/deletion.ts')
      const { organizationIds } = await deleteUserNow(deletion, userId)
      if (organizationIds.length > 0) {
        const named = organizationIds.join(', ')
        throw new AuthError(
          'organizations_need_owner',
          `Hand over or delete the organizations that nobody else owns: ${named}.`,
        )
      }
      background.run('events', events.deliver)
      await tokens.settle()
    },
    async importUsers(
      users: Iterable<ImportedUser> | AsyncIterable<ImportedUser>,
      how: ImportUsersOptions = {},
    ): Promise<ImportUsersResult> {
      const { importUsers } = await import('./import/import-users.ts')
      const rounds = Math.max(requireRounds(options), MIN_ROUNDS)
      const providers = providersOf(options)
      return importUsers({ db: database, rounds, providers, fields: own }, users, how)
    },
    async confirmation(req: Request, token: string): Promise<ConfirmationState> {
      return (await server()).confirmation(req, token)
    },
    async isLinkOpen(link: MailedLink, token: string): Promise<boolean> {
      return (await server()).isLinkOpen(link, token)
    },
    async rateLimit(req: Request, limits: ApiLimits = {}): Promise<Record<string, string>> {
      const userId = (await guards.getSession(req))?.userId ?? null
      return limitRequest(limiter, { userId, address: addressOf(req) }, limits)
    },
    // #region oauth-server
    async createOAuthClient(req: Request, client: NewOAuthClient): Promise<OAuthClientKeys> {
      const { role } = await requireRecent(req)
      if (role === 'ADMIN') return createOAuthClient((await server()).api, req, client)
      throw new AuthError('insufficient_role', `ADMIN is required, but the role is ${role}.`)
    },
    // #endregion
    formAction: (req: Request, action: FormAction) => runFormAction(handler, baseURL, req, action),
    jobs: createJobs(options, mails, events, deletion),
    cron: authCron,
    async checks(run) {
      const { authChecks } = await import('./checks/auth-checks.ts')
      return authChecks(run, {
        options,
        db: database,
        baseURL,
        hash: async (password) => (await (await server()).context()).password.hash(password),
        again: (others) => createAuth({ ...options, ...others }),
      })
    },
    settled: background.settled,
    async close(): Promise<void> {
      await tokens.close()
      await limiter.close()
    },
  }
}

/** The default instance, made from the environment on first use. */
export const auth: Auth = lazy(() => createAuth())

/**
 * The default instance's session of a request; null if nobody is signed in with all factors.
 *
 * @example
 * ```ts
 * import { getSession } from '@repo/auth'
 *
 * export async function greet(req: Request): Promise<Response> {
 *   const session = await getSession(req)
 *   return new Response(session ? `Signed in as ${session.userId}.` : 'Please sign in.')
 * }
 * ```
 */
export const getSession: Auth['getSession'] = (req, options) => auth.getSession(req, options)
/**
 * Returns the session.
 *
 * @throws `not_authenticated` (401), `mfa_required` (403)
 *
 * @example
 * ```ts
 * import { requireAuth } from '@repo/auth'
 * import { toResponse } from '@repo/core'
 *
 * export async function account(req: Request): Promise<Response> {
 *   try {
 *     const { userId, organizationId } = await requireAuth(req)
 *     return Response.json({ userId, organizationId })
 *   } catch (error) {
 *     return toResponse(error) // 401 or 403 as problem+json
 *   }
 * }
 * ```
 */
export const requireAuth: Auth['requireAuth'] = (req, options) => auth.requireAuth(req, options)
/** Requires one of the roles. @throws as `requireAuth`, and `insufficient_role` (403) */
export const requireRole: Auth['requireRole'] = (req, role) => auth.requireRole(req, role)
/**
 * Requires every one of the permissions.
 *
 * @throws as `requireAuth`, and `insufficient_permission` (403)
 *
 * @example
 * ```ts
 * import { requirePermission } from '@repo/auth'
 *
 * export async function invite(req: Request): Promise<string> {
 *   const { userId } = await requirePermission(req, 'users:create')
 *   return userId
 * }
 * ```
 */
export const requirePermission: Auth['requirePermission'] = (req, ...permissions) =>
  auth.requirePermission(req, ...permissions)
/**
 * Requires an active organization.
 *
 * @throws as `requireAuth`, and `organization_required` (400)
 *
 * @example
 * ```ts
 * import { forOrganization, requireOrganization } from '@repo/auth'
 * import { db } from '@repo/db'
 *
 * export async function members(req: Request) {
 *   const { organizationId } = await requireOrganization(req)
 *   return forOrganization(db, organizationId).member.findMany()
 * }
 * ```
 */
export const requireOrganization: Auth['requireOrganization'] = (req) =>
  auth.requireOrganization(req)
/** Requires a session that has shown a second factor. @throws as `requireAuth`, and `aal2_required` (403) */
export const requireAal2: Auth['requireAal2'] = (req) => auth.requireAal2(req)
/** Requires a sign-in within `withinSeconds`. @throws as `requireAuth`, and `recent_sign_in_required` (403) */
export const requireRecentSignIn: Auth['requireRecentSignIn'] = (req, options) =>
  auth.requireRecentSignIn(req, options)
/**
 * Whether a session may do `permission` to a resource, by the default roles. Never throws.
 *
 * @example
 * ```ts
 * import { can, getSession } from '@repo/auth'
 *
 * export async function mayEdit(req: Request, call: { organizationId: string; ownerId: string }) {
 *   const session = await getSession(req)
 *   return can(session, 'calls:update:own', call)
 * }
 * ```
 */
export const can: Auth['can'] = defaultAccess.can
/** The signed-in user with name and address; null if nobody is signed in. */
export const getUser: Auth['getUser'] = (req) => auth.getUser(req)
/** The signed-in user, who may lack required fields, and the names of these; null if nobody is signed in. */
export const getProfile: Auth['getProfile'] = (req) => auth.getProfile(req)
/** The `Set-Cookie` lines for the answer, if `getSession` found an expired access token; else an empty list. */
export const renewCookies: Auth['renewCookies'] = (req) => auth.renewCookies(req)
/** The sessions of the signed-in user, the newest first. @throws as `requireAuth` */
export const listSessions: Auth['listSessions'] = (req) => auth.listSessions(req)
/** Ends one session of the signed-in user. @throws as `requireAuth`, and `unknown_session` (404) */
export const revokeSession: Auth['revokeSession'] = (req, id) => auth.revokeSession(req, id)
/** Ends all sessions of the user except the request's. Returns their number. @throws as `requireAuth` */
export const revokeOtherSessions: Auth['revokeOtherSessions'] = (req) =>
  auth.revokeOtherSessions(req)
/** Exports everything that auth stores about the user. @throws as `requireAuth`, and `recent_sign_in_required` (403) */
export const exportUser: Auth['exportUser'] = (req) => auth.exportUser(req)
/** Deletes a user at once, if there is one. @throws `organizations_need_owner` (409) */
export const deleteUser: Auth['deleteUser'] = (userId) => auth.deleteUser(userId)
/** Counts a request to the host's own API. Returns the `RateLimit-…` headers. @throws RateLimitError (429) */
export const rateLimit: Auth['rateLimit'] = (req, limits) => auth.rateLimit(req, limits)
