/**
 * Auth as one configured thing: Better Auth with our cookies, mails, guards and forms.
 *
 * @module
 */

import { createLogger, type Logger, lazy, readEnv, toResponse } from '@repo/core'
import { db } from '@repo/db'
import { sendEmail } from '@repo/email'
import { type BetterAuthOptions, betterAuth } from 'better-auth'
import { type JwtOptions, jwt } from 'better-auth/plugins/jwt'
import { defaultAccess } from './access.ts'
import { type Background, createBackground } from './background.ts'
import { CONFIRMATION_SECONDS, issueConfirmation, type Tokens } from './confirmation.ts'
import { COOKIE_ATTRIBUTES, COOKIE_PREFIX } from './cookies.ts'
import { authEnv } from './env.ts'
import { AuthError } from './errors.ts'
import { createEvents } from './events.ts'
import { type FormAction, runFormAction } from './forms.ts'
import { hopTo, sameOriginPath } from './hop.ts'
import { type AuthOptions, keys, originOf, PAGES, type Pages } from './options.ts'
import { organizations } from './organization/plugin.ts'
import { refusalOf } from './organization/refusals.ts'
import { createPasswordHash, MIN_PASSWORD_LENGTH } from './password.ts'
import { defaultRoles, type OrganizationRole, type Permission, type Roles } from './permissions.ts'
import { ACCESS_SECONDS, type RawSession, tollgate, toSession } from './plugin.ts'
import { socialProviders, standIns } from './providers.ts'
import { createGuards, type Guards } from './session.ts'
import { adapterOf } from './transaction.ts'

export interface AuthUser {
  id: string
  name: string
  email: string
  emailVerified: boolean
  image: string | null
  role: string
}

type AnyAuthOptions = Omit<AuthOptions, 'access'>

const SECONDS_PER_DAY = 86_400
const RESET_MINUTES = 60

/**
 * @throws `invalid_options` for a short secret, too few bcrypt rounds, or a base URL that is none.
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
  const betterAuthInstance = build(
    options,
    (options.access?.roles ?? defaultRoles) as Roles<string, string>,
    baseURL,
    logger,
    background.run,
  )
  const { api } = betterAuthInstance

  async function readRaw(req: Request): Promise<(RawSession & { user: AuthUser }) | null> {
    const found = await api.getSession({ headers: req.headers })
    return found as unknown as (RawSession & { user: AuthUser }) | null
  }
  const guards: Guards<P, R> = createGuards(async (req) => {
    const raw = await readRaw(req)
    if (!raw) return null
    const { adapter } = await betterAuthInstance.$context
    return toSession(raw, (query) => adapter.findOne(query))
  }, options.access)
  const events = createEvents(options.db ?? db, options.events ?? {}, logger)
  const handler = async (req: Request): Promise<Response> => {
    try {
      return finish(req, await betterAuthInstance.handler(req), baseURL)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal) return Response.json(refusal.body, { status: refusal.statusCode })
      logger.error({ error }, 'a request to auth failed')
      return toResponse(error)
    } finally {
      if (req.method === 'POST' || isCallback(req)) background.run('events', events.deliver)
    }
  }

  return {
    ...guards,
    /** Better Auth's endpoints. Mount it at `/api/auth/*`. */
    handler,
    /** Better Auth's server functions, for what has no guard or form here. */
    api,
    /** The signed-in user with name and address; null when nobody is. */
    async getUser(req: Request): Promise<AuthUser | null> {
      const raw = await readRaw(req)
      if (!raw) return null
      const { id, name, email, emailVerified, image, role } = raw.user
      return { id, name, email, emailVerified, image: image ?? null, role: role ?? 'USER' }
    },
    /** Answers a form of the host, without script; see `FormAction`. */
    formAction: (req: Request, action: FormAction) => runFormAction(handler, baseURL, req, action),
    /** For a worker of `@repo/jobs`, with the times at which cron runs them. */
    jobs: events.jobs,
    cron: events.cron,
    /** Waits for mails and events that requests have set off. For tests and for shutting down. */
    settled: background.settled,
  }
}

export type Auth<P extends string = Permission, R extends string = OrganizationRole> = ReturnType<
  typeof createAuth<P, R>
>

/** The default instance, from the environment on first use. */
export const auth: Auth = lazy(() => {
  const env = readEnv(authEnv)
  return createAuth({
    baseURL: env.APP_URL,
    secret: env.BETTER_AUTH_SECRET,
    ...keys('github', env.GITHUB_CLIENT_ID, env.GITHUB_CLIENT_SECRET),
    ...keys('google', env.GOOGLE_CLIENT_ID, env.GOOGLE_CLIENT_SECRET),
  })
})

export const getSession: Auth['getSession'] = (req) => auth.getSession(req)
export const requireAuth: Auth['requireAuth'] = (req) => auth.requireAuth(req)
export const requireRole: Auth['requireRole'] = (req, role) => auth.requireRole(req, role)
export const requirePermission: Auth['requirePermission'] = (req, ...permissions) =>
  auth.requirePermission(req, ...permissions)
export const requireOrganization: Auth['requireOrganization'] = (req) =>
  auth.requireOrganization(req)
export const can: Auth['can'] = defaultAccess.can
export const getUser: Auth['getUser'] = (req) => auth.getUser(req)

function build(
  options: AnyAuthOptions,
  roles: Roles<string, string>,
  baseURL: string,
  logger: Logger,
  run: Background['run'],
) {
  const { sendEmail: send } = options.sender ?? { sendEmail }
  const page = (path: string, query: Record<string, string>) => {
    const url = new URL(path, baseURL)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url.href
  }
  const pages: Pages = { ...PAGES, ...options.pages }
  const jwtOptions: JwtOptions = {
    disableSettingJwtHeader: true,
    jwks: { keyPairConfig: { alg: 'ES256' } },
    jwt: { issuer: baseURL, audience: baseURL, expirationTime: `${ACCESS_SECONDS}s` },
  }
  // Mails and the plugin call the instance that they are a part of.
  const verifyEmail = async (token: string): Promise<unknown> =>
    instance.api.verifyEmail({ query: { token } })
  const context = async (): Promise<Tokens> => instance.$context
  const instance = betterAuth({
    ...settings(options, baseURL, logger),
    emailAndPassword: {
      enabled: true,
      requireEmailVerification: true,
      minPasswordLength: MIN_PASSWORD_LENGTH,
      maxPasswordLength: 128,
      revokeSessionsOnPasswordReset: true,
      resetPasswordTokenExpiresIn: RESET_MINUTES * 60,
      password: createPasswordHash(options.bcryptRounds),
      async sendResetPassword({ user, token }) {
        run('PasswordResetEmail', () =>
          send('PasswordResetEmail', user.email, {
            name: user.name,
            resetUrl: page(pages.resetPassword, { token }),
            expiresInMinutes: RESET_MINUTES,
          }),
        )
      },
    },
    // Thrown, because Better Auth prints what it does not expect as it is, with all that is in it.
    onAPIError: { throw: true, errorURL: page(pages.signIn, {}) },
    emailVerification: {
      sendOnSignUp: true,
      expiresIn: CONFIRMATION_SECONDS,
      autoSignInAfterVerification: false,
      async sendVerificationEmail({ user, token }) {
        run('WelcomeEmail', async () => {
          const confirmation = await issueConfirmation(await context(), token)
          return send('WelcomeEmail', user.email, {
            name: user.name,
            verifyUrl: page(pages.verifyEmail, { token: confirmation }),
          })
        })
      },
    },
    plugins: [
      organizations({
        db: options.db ?? db,
        roles,
        invite: ({ id, email, ...invitation }) =>
          run('TeamInviteEmail', () =>
            send('TeamInviteEmail', email, {
              ...invitation,
              acceptUrl: page(pages.acceptInvitation, { id }),
            }),
          ),
        // Node reads the role with the session; a token at the edge ends by itself in five minutes.
        revokeAccess: async () => {},
        record: async (entry) => logger.info(entry, 'organization changed'),
      }),
      jwt(jwtOptions),
      standIns(options),
      tollgate({ jwt: jwtOptions, verifyEmail, afterSignIn: pages.afterSignIn }),
    ],
  })
  return instance
}

/** What needs neither mails nor plugins. */
function settings(options: AnyAuthOptions, baseURL: string, logger: Logger) {
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
    session: { expiresIn: 7 * SECONDS_PER_DAY, cookieCache: { enabled: false } },
    user: { additionalFields: { role: { type: 'string', input: false, defaultValue: 'USER' } } },
    verification: { modelName: 'verificationToken', storeIdentifier: 'hashed' },
    account: {
      encryptOAuthTokens: true,
      accountLinking: { enabled: true, trustedProviders: [], allowDifferentEmails: false },
    },
    socialProviders: socialProviders(options),
    rateLimit: {
      enabled: options.rateLimit ?? true,
      storage: 'memory',
      customRules: { '/get-session': false },
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
      ipAddress: {
        ipAddressHeaders: options.ipAddressHeaders ?? ['x-forwarded-for'],
        ...(options.trustedProxies ? { trustedProxies: options.trustedProxies } : {}),
      },
    },
  } satisfies BetterAuthOptions
}

/** A provider's answer to a sign-in, which may have made a user. */
const isCallback = (req: Request) => /^\/api\/auth\/callback\//.test(new URL(req.url).pathname)

/** The hop after OAuth, and the standard name of the header that says when to come back. */
function finish(req: Request, answer: Response, baseURL: string): Response {
  const location = answer.headers.get('location')
  if (location && isCallback(req)) {
    const path = sameOriginPath(location, baseURL) ?? '/'
    const headers = new Headers()
    for (const cookie of answer.headers.getSetCookie()) headers.append('set-cookie', cookie)
    return hopTo(path, headers)
  }
  const retryAfter = answer.headers.get('x-retry-after')
  if (answer.status !== 429 || !retryAfter) return answer
  const headers = new Headers(answer.headers)
  headers.set('retry-after', retryAfter)
  return new Response(answer.body, { status: 429, headers })
}
