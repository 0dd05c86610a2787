/**
 * Auth as one configured thing: Better Auth with our cookies, mails, guards and forms.
 *
 * @module
 */

import {
  createLogger,
  isTollgateError,
  type Logger,
  lazy,
  readEnv,
  TollgateError,
  toResponse,
} from '@repo/core'
import { type RateLimiter, rateLimitEnv } from '@repo/core/rate-limit'
import { db } from '@repo/db'
import { sendEmail } from '@repo/email'
import { type AuthContext, type BetterAuthOptions, betterAuth } from 'better-auth'
import { jwt } from 'better-auth/plugins/jwt'
import { type Access, defaultAccess } from './access.ts'
import { ipAddressOptions } from './addresses.ts'
import { type Background, createBackground } from './background.ts'
import { checkRequest } from './border.ts'
import { CONFIRMATION_SECONDS } from './confirmation.ts'
import { COOKIE_ATTRIBUTES, COOKIE_PREFIX } from './cookies.ts'
import { authEnv } from './env.ts'
import { AuthError } from './errors.ts'
import { createEvents } from './events.ts'
import { type FormAction, runFormAction } from './forms.ts'
import { hopTo, sameOriginPath } from './hop.ts'
import { authCron, createJobs } from './jobs.ts'
import { type ApiLimits, BETTER_AUTH_RULES, limitRequest } from './limits.ts'
import { mailEndpoints } from './mail-endpoints.ts'
import { createMails, type Mails, RESET_MINUTES } from './mails.ts'
import {
  type AnyAuthOptions,
  type AuthOptions,
  keys,
  originOf,
  PAGES,
  type Pages,
} from './options.ts'
import { organizations } from './organization/plugin.ts'
import { refusalOf } from './organization/refusals.ts'
import { createPasswords, MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from './password.ts'
import { passwordHooks } from './password-hooks.ts'
import { defaultRoles, type OrganizationRole, type Permission, type Roles } from './permissions.ts'
import { tollgate } from './plugin.ts'
import { createProtection, type Protection } from './protection.ts'
import { socialProviders, standIns } from './providers.ts'
import { createGuards, type Guards } from './session.ts'
import { createSessionTokens, type SessionTokens } from './session-tokens.ts'
import { adapterOf } from './transaction.ts'

export interface AuthUser {
  id: string
  name: string
  email: string
  emailVerified: boolean
  image: string | null
  role: string
}

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
    onAudit: ({ userId, sessionId }) =>
      background.run('audit', () =>
        protection.record({ action: 'session_reused', userId, sessionId }, undefined),
      ),
  })
  const { instance: betterAuthInstance, mails } = build({
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
  const handler = async (req: Request): Promise<Response> => {
    try {
      const checked = await checkRequest(req, baseURL)
      return finish(req, await betterAuthInstance.handler(checked), baseURL)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal) return Response.json(refusal.body, { status: refusal.statusCode })
      if (!isTollgateError(error)) logger.error({ error }, 'a request to auth failed')
      return toResponse(error)
    } finally {
      if (req.method === 'POST' || isCallback(req)) background.run('events', events.deliver)
    }
  }

  return {
    ...guards,
    ...sessions,
    can: access.can,
    /** Better Auth's endpoints. Mount it at `/api/auth/*`. */
    handler,
    /** Better Auth's server functions, for what has no guard or form here. */
    api,
    /** The signed-in user with name and address; null when nobody is. */
    async getUser(req: Request): Promise<AuthUser | null> {
      const session = await getSession(req)
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
export const auth: Auth = lazy(() => {
  const env = readEnv(authEnv.extend(rateLimitEnv.shape))
  return createAuth({
    baseURL: env.APP_URL,
    secret: env.BETTER_AUTH_SECRET,
    ...(env.AUTH_SIGNING_KEYS ? { accessToken: { keys: env.AUTH_SIGNING_KEYS } } : {}),
    passwordPeppers: env.PASSWORD_PEPPER ?? [],
    ...(env.REDIS_URL ? { redisUrl: env.REDIS_URL } : {}),
    ...(env.CLIENT_IP_HEADER ? { ipAddressHeaders: [env.CLIENT_IP_HEADER] } : {}),
    ...(env.TRUSTED_PROXIES ? { trustedProxies: env.TRUSTED_PROXIES } : {}),
    ...keys('github', env.GITHUB_CLIENT_ID, env.GITHUB_CLIENT_SECRET),
    ...keys('google', env.GOOGLE_CLIENT_ID, env.GOOGLE_CLIENT_SECRET),
  })
})

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

interface Parts {
  options: AnyAuthOptions
  baseURL: string
  logger: Logger
  run: Background['run']
  tokens: SessionTokens
  roles: Roles<string, string>
  protection: Protection
}

function build({ options, baseURL, logger, run, tokens, roles, protection }: Parts) {
  const passwords = createPasswords(options)
  const pages: Pages = { ...PAGES, ...options.pages }
  // Mails and the plugin call the instance that they are a part of.
  const verifyEmail = async (token: string): Promise<unknown> =>
    instance.api.verifyEmail({ query: { token } })
  const mails: Mails = createMails({
    db: options.db ?? db,
    secret: options.secret,
    sender: options.sender ?? { sendEmail },
    pages,
    baseURL,
    context: async () => instance.$context,
  })
  const instance = betterAuth({
    ...settings({ options, baseURL, logger, tokens, limiter: protection.limiter }),
    emailAndPassword: {
      enabled: true,
      requireEmailVerification: true,
      minPasswordLength: MIN_PASSWORD_LENGTH,
      maxPasswordLength: MAX_PASSWORD_LENGTH,
      revokeSessionsOnPasswordReset: true,
      resetPasswordTokenExpiresIn: RESET_MINUTES * 60,
      password: passwords,
      sendResetPassword: ({ user }) => mails.request({ mail: 'reset', to: user.email }),
      onPasswordReset: ({ user }, req) =>
        protection.record({ action: 'password_reset', userId: user.id }, req),
      onExistingUserSignUp: ({ user }) => mails.request({ mail: 'known', to: user.email }),
    },
    // Thrown, because Better Auth prints what it does not expect as it is, with all that is in it.
    onAPIError: { throw: true, errorURL: new URL(pages.signIn, baseURL).href },
    emailVerification: {
      sendOnSignUp: true,
      expiresIn: CONFIRMATION_SECONDS,
      autoSignInAfterVerification: false,
      sendVerificationEmail: ({ user }) => mails.request({ mail: 'confirm', to: user.email }),
    },
    plugins: [
      ...protection.first,
      passwordHooks({ passwords, breachedPasswords: options.breachedPasswords, logger, run }),
      mailEndpoints(mails),
      organizations({
        db: options.db ?? db,
        roles,
        invite: ({ id }) =>
          run('invitation', () => mails.request({ mail: 'invite', invitationId: id })),
        record: async (entry) => logger.info(entry, 'organization changed'),
      }),
      jwt(tokens.jwt),
      standIns(options),
      tollgate({ ...tokens, verifyEmail, afterSignIn: pages.afterSignIn }),
      ...protection.last,
    ],
  })
  return { instance, mails }
}

/** What needs neither mails nor plugins. */
function settings({
  options,
  baseURL,
  logger,
  tokens,
  limiter,
}: Pick<Parts, 'options' | 'baseURL' | 'logger' | 'tokens'> & { limiter: RateLimiter }) {
  return {
    baseURL,
    basePath: '/api/auth',
    secret: options.secret,
    trustedOrigins: [baseURL],
    // With transactions parallel sign-ups time out waiting for connections.
    database: adapterOf(options.db ?? db),
    telemetry: { enabled: false },
    logger: {
      log: (level, message, ...details) => logger[level]({ details }, message),
    },
    // A GET must not confirm an address: mail scanners follow links. `/token` is not needed.
    disabledPaths: ['/verify-email', '/token'],
    session: {
      expiresIn: tokens.idleSeconds,
      // A refresh does it, together with the exchange of the token.
      disableSessionRefresh: true,
      cookieCache: { enabled: false },
    },
    user: { additionalFields: { role: { type: 'string', input: false, defaultValue: 'USER' } } },
    verification: { modelName: 'verificationToken', storeIdentifier: 'hashed' },
    account: {
      encryptOAuthTokens: true,
      accountLinking: { enabled: true, trustedProviders: [], allowDifferentEmails: false },
    },
    socialProviders: socialProviders(options),
    rateLimit: {
      enabled: options.rateLimit ?? true,
      customRules: {
        ...BETTER_AUTH_RULES,
        '/get-session': false,
        '/access/refresh': false,
        '/access/renew': false,
      },
      customStorage: {
        async consume(key, { window, max }) {
          const policy = { name: 'auth', limit: max, windowSeconds: window }
          const { isAllowed, resetSeconds } = await limiter.consume(policy, key)
          return { allowed: isAllowed, retryAfter: isAllowed ? null : resetSeconds }
        },
      },
    },
    advanced: {
      // Stated, because Better Auth turns both checks off where it sees a test run.
      disableOriginCheck: false,
      disableCSRFCheck: false,
      // The prefix already says `Host`; Better Auth would put `Secure` in front of it.
      useSecureCookies: false,
      cookiePrefix: COOKIE_PREFIX,
      defaultCookieAttributes: COOKIE_ATTRIBUTES,
      // The state comes back with a request that the provider's site started.
      cookies: { state: { attributes: { sameSite: 'lax' } } },
      ipAddress: ipAddressOptions(options),
    },
  } satisfies BetterAuthOptions
}

/** A provider's answer to a sign-in, which may have made a user. */
const isCallback = (req: Request) => /^\/api\/auth\/callback\//.test(new URL(req.url).pathname)

/** The hop after OAuth; and Better Auth's own 429 as ours are, with the standard header. */
function finish(req: Request, answer: Response, baseURL: string): Response {
  const location = answer.headers.get('location')
  if (location && isCallback(req)) {
    const path = sameOriginPath(location, baseURL) ?? '/'
    const headers = new Headers()
    for (const cookie of answer.headers.getSetCookie()) headers.append('set-cookie', cookie)
    return hopTo(path, headers)
  }
  if (answer.status !== 429) return answer
  const retryAfter = answer.headers.get('x-retry-after') ?? '60'
  const detail = `Too many requests. Come back in ${retryAfter} s.`
  const headers = { 'retry-after': retryAfter }
  return toResponse(new TollgateError('too_many_requests', 429, detail, { headers }))
}
