/**
 * Auth as one configured thing: Better Auth with our cookies, mails, guards and forms.
 *
 * @module
 */

import { createLogger, isTollgateError, lazy, toResponse } from '@repo/core'
import { db } from '@repo/db'
import { createBacklogWatch } from '@repo/jobs'
import type { AuthContext } from 'better-auth'
import { type Access, defaultAccess } from './access.ts'
import { asProblem, withPlainError } from './answers.ts'
import { createBackground } from './background.ts'
import { createBetterAuth } from './better-auth.ts'
import { checkRequest, conflictOf } from './border.ts'
import { authFromEnv } from './env.ts'
import { AuthError } from './errors.ts'
import { createEvents } from './events.ts'
import { type FormAction, runFormAction } from './forms.ts'
import { hopTo, sameOriginPath, sameSiteHop } from './hop.ts'
import { authCron, createJobs, JOBS } from './jobs.ts'
import { type ApiLimits, limitRequest } from './limits.ts'
import { createOAuthClient, type NewOAuthClient, type OAuthClientKeys } from './oauth-server.ts'
import { type AuthOptions, originOf } from './options.ts'
import { refusalOf } from './organization/refusals.ts'
import { defaultRoles, type OrganizationRole, type Permission, type Roles } from './permissions.ts'
import { createProtection } from './protection.ts'
import { createGuards, type Guards } from './session.ts'
import { createSessionTokens, type SessionTokens } from './session-tokens.ts'

export interface AuthUser {
  id: string
  name: string
  email: string
  emailVerified: boolean
  image: string | null
  role: string
}

/** The jobs that send mails. */
const MAIL_JOBS = [JOBS[0].name]

/** Where other programs send people, who are not known here before the hop. */
const AUTHORIZE = /\/api\/auth\/oauth2\/authorize\?/

/**
 * @throws `invalid_options` for a short secret or pepper, bcrypt rounds out of range, a base URL that is
 * none, lifetimes or signing keys that cannot be meant.
 */
export function createAuth<P extends string = Permission, R extends string = OrganizationRole>(
  options: AuthOptions<P, R>,
) {
  const baseURL = originOf(options.baseURL)
  if (options.secret.length < 32) {
    throw new AuthError('invalid_options', 'The secret must have 32 characters or more.')
  }
  const logger = createLogger(options.logger)
  const background = createBackground(logger)
  const database = options.db ?? db
  const protection = createProtection(options, baseURL, logger)
  const { addressOf, limiter } = protection
  const tokens: SessionTokens = createSessionTokens({
    options,
    db: database,
    origin: baseURL,
    logger,
    context: async () => (await betterAuthInstance.$context) as unknown as AuthContext,
    handler: (req) => handler(req),
    record: (entry, req) => background.run('audit', () => protection.record(entry, req)),
  })
  const { instance: betterAuthInstance, mails } = createBetterAuth({
    options,
    baseURL,
    logger,
    run: background.run,
    tokens,
    roles: (options.access?.roles ?? defaultRoles) as Roles<string, string>,
    protection,
  })
  const { api } = betterAuthInstance
  const { getSession, ...sessions } = tokens.sessions

  const access = options.access ?? (defaultAccess as unknown as Access<P, R>)
  const guards: Guards<P, R> = createGuards(getSession, { access })
  const events = createEvents(database, options.events ?? {}, logger)
  const backlog = createBacklogWatch({
    db: database,
    logger,
    jobs: MAIL_JOBS,
    advice: 'Start a worker with auth.jobs, or call runPending: until then no mail is sent.',
  })
  const answer = async (req: Request): Promise<Response> => {
    try {
      const hop = options.oauth && AUTHORIZE.test(req.url) ? sameSiteHop(req) : null
      if (hop) return hop
      return await betterAuthInstance.handler(await checkRequest(req, baseURL))
    } catch (thrown) {
      const refusal = refusalOf(thrown)
      if (refusal) return Response.json(refusal.body, { status: refusal.statusCode })
      const error = conflictOf(thrown)
      if (!isTollgateError(error)) logger.error({ error }, 'a request to auth failed')
      return toResponse(error)
    }
  }
  const handler = async (req: Request): Promise<Response> => {
    try {
      return await finish(req, await answer(req), baseURL)
    } finally {
      if (req.method === 'POST' || isCallback(req)) background.run('events', events.deliver)
      if (req.method === 'POST') background.run('backlog', backlog.look)
    }
  }

  return {
    ...guards,
    ...sessions,
    can: access.can,
    /** The host's origin. */
    baseURL,
    /** Better Auth's endpoints. Mount it at `/api/auth/*`. */
    handler,
    /** Better Auth's server functions, for what has no guard or form here. Their errors have codes in capitals. */
    api,
    /** Better Auth's codes, as answers of the handler have them, each with its sentence. */
    errorCodes: sentencesOf(betterAuthInstance.$ERROR_CODES),
    /** The signed-in user with name and address; null when nobody is. */
    async getUser(req: Request): Promise<AuthUser | null> {
      const session = await guards.getSession(req)
      if (!session) return null
      return database.user.findUnique({
        where: { id: session.userId },
        select: { id: true, name: true, email: true, emailVerified: true, image: true, role: true },
      })
    },
    /**
     * Counts a request to the host's own API: 1,000 an hour for a user, 100 for an address that is not
     * signed in. Returns the `RateLimit-…` headers for the answer.
     *
     * @throws RateLimitError (429, `too_many_requests`) with `Retry-After`
     */
    async rateLimit(req: Request, limits: ApiLimits = {}): Promise<Record<string, string>> {
      const userId = (await guards.getSession(req))?.userId ?? null
      return limitRequest(limiter, { userId, address: addressOf(req) }, limits)
    },
    /**
     * Registers a program for tokens, where the option `oauth` is on. For a user whose own role is
     * `ADMIN`.
     *
     * @throws `not_authenticated` (401), `mfa_required`, `insufficient_role` (403)
     */
    async createOAuthClient(req: Request, client: NewOAuthClient): Promise<OAuthClientKeys> {
      const { role } = await guards.requireAuth(req, { fresh: true })
      if (role === 'ADMIN') return createOAuthClient(api, req, client)
      throw new AuthError('insufficient_role', `ADMIN is required, the role is ${role}.`)
    },
    /** Answers a form of the host, without script; see `FormAction`. */
    formAction: (req: Request, action: FormAction) => runFormAction(handler, baseURL, req, action),
    /** For a worker of `@repo/jobs`, with the times at which cron runs them. */
    jobs: createJobs(options, mails, events),
    cron: authCron,
    /** Waits for events and upgrades that requests have set off. For tests and for shutting down. */
    settled: background.settled,
    /**
     * Ends what was opened beside the database: listening for revoked sessions, which the next
     * `getSession` begins anew, and the connection to Redis.
     */
    async close(): Promise<void> {
      await tokens.close()
      await limiter.close()
    },
  }
}

export type Auth<P extends string = Permission, R extends string = OrganizationRole> = ReturnType<
  typeof createAuth<P, R>
>

/** The default instance, from the environment on first use. */
export const auth: Auth = lazy(() => createAuth(authFromEnv()))

export const getSession: Auth['getSession'] = (req, options) => auth.getSession(req, options)
export const requireAuth: Auth['requireAuth'] = (req, options) => auth.requireAuth(req, options)
export const requireRole: Auth['requireRole'] = (req, role) => auth.requireRole(req, role)
export const requirePermission: Auth['requirePermission'] = (req, ...permissions) =>
  auth.requirePermission(req, ...permissions)
export const requireOrganization: Auth['requireOrganization'] = (req) =>
  auth.requireOrganization(req)
export const can: Auth['can'] = defaultAccess.can
export const getUser: Auth['getUser'] = (req) => auth.getUser(req)
export const renewCookies: Auth['renewCookies'] = (req) => auth.renewCookies(req)
export const listSessions: Auth['listSessions'] = (req) => auth.listSessions(req)
export const revokeSession: Auth['revokeSession'] = (req, id) => auth.revokeSession(req, id)
export const revokeOtherSessions: Auth['revokeOtherSessions'] = (req) =>
  auth.revokeOtherSessions(req)
export const rateLimit: Auth['rateLimit'] = (req, limits) => auth.rateLimit(req, limits)

/** A provider's answer to a sign-in, which may have made a user. */
const isCallback = (req: Request) => /^\/api\/auth\/callback\//.test(new URL(req.url).pathname)

/** The hop after OAuth; and every refusal in one shape. */
async function finish(req: Request, answer: Response, baseURL: string): Promise<Response> {
  const location = answer.headers.get('location')
  if (!location || !isCallback(req)) return asProblem(answer)
  const path = withPlainError(sameOriginPath(location, baseURL) ?? '/')
  const headers = new Headers()
  for (const cookie of answer.headers.getSetCookie()) headers.append('set-cookie', cookie)
  return hopTo(path, headers)
}

function sentencesOf(codes: object): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(codes as Record<string, { message: string }>).map(([code, { message }]) => [
      code.toLowerCase(),
      message,
    ]),
  )
}
