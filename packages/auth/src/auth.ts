/**
 * Auth as one configured thing: Better Auth with our cookies, mails, guards and forms.
 *
 * @module
 */

import { createLogger, type Logger, lazy, readEnv } from '@repo/core'
import { type Database, db } from '@repo/db'
import { sendEmail } from '@repo/email'
import { type BetterAuthOptions, betterAuth } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import { type JwtOptions, jwt } from 'better-auth/plugins/jwt'
import { COOKIE_ATTRIBUTES, COOKIE_PREFIX } from './cookies.ts'
import { authEnv } from './env.ts'
import { AuthError } from './errors.ts'
import { type FormAction, runFormAction } from './forms.ts'
import { hopTo, sameOriginPath } from './hop.ts'
import { organizations } from './organization.ts'
import { createPasswordHash, MIN_PASSWORD_LENGTH } from './password.ts'
import { ACCESS_SECONDS, type RawSession, tollgate, toSession } from './plugin.ts'
import { createGuards, type Guards } from './session.ts'

export interface ProviderKeys {
  clientId: string
  clientSecret: string
}

export interface AuthOptions {
  /** Default: the process-wide client of `DATABASE_URL`. */
  db?: Database
  /** The host's origin: `https://app.example.com`. */
  baseURL: string
  /** 32 characters or more. */
  secret: string
  github?: ProviderKeys
  google?: ProviderKeys
  /** Default: `sendEmail` of `@repo/email`. */
  sender?: { sendEmail: typeof sendEmail }
  /** Put behind the mask. Default: JSON lines on standard error. */
  logger?: Logger
  /** From 12, the default, to 15. */
  bcryptRounds?: number
  /** The host's own pages. Each gets a `token` or `id` in its query. */
  pages?: { verifyEmail?: string; resetPassword?: string; acceptInvitation?: string }
  /** Told after the fact, not awaited by the request; what they throw is logged. */
  events?: { userCreated?: (user: { id: string }) => Promise<unknown> }
  /**
   * Headers that hold the caller's address, set by your own proxy. Without a proxy that sets them
   * anyone can; then pass none. Default `x-forwarded-for`.
   */
  ipAddressHeaders?: string[]
  /** Default true. Kept in memory, a process each. */
  rateLimit?: boolean
}

export interface AuthUser {
  id: string
  name: string
  email: string
  emailVerified: boolean
  image: string | null
  role: string
}

const SECONDS_PER_DAY = 86_400
const RESET_MINUTES = 60

/**
 * @throws `invalid_options` for a short secret, too few bcrypt rounds, or a base URL that is none.
 */
export function createAuth(options: AuthOptions) {
  const baseURL = originOf(options.baseURL)
  if (options.secret.length < 32) {
    throw new AuthError('invalid_options', 'The secret must have 32 characters or more.')
  }
  const logger = createLogger(options.logger)
  const background = createBackground(logger)
  const betterAuthInstance = build(options, baseURL, logger, background.run)
  const { api } = betterAuthInstance

  async function readRaw(req: Request): Promise<(RawSession & { user: AuthUser }) | null> {
    const found = await api.getSession({ headers: req.headers })
    return found as unknown as (RawSession & { user: AuthUser }) | null
  }
  const guards: Guards = createGuards(async (req) => {
    const raw = await readRaw(req)
    if (!raw) return null
    const { adapter } = await betterAuthInstance.$context
    return toSession(raw, (query) => adapter.findOne(query))
  })
  const handler = async (req: Request) =>
    finish(req, await betterAuthInstance.handler(req), baseURL)

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
    /** Waits for mails and events that requests have set off. For tests and for shutting down. */
    settled: background.settled,
  }
}

export type Auth = ReturnType<typeof createAuth>

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
export const getUser: Auth['getUser'] = (req) => auth.getUser(req)

function keys(
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

function originOf(baseURL: string): string {
  const url = URL.canParse(baseURL) ? new URL(baseURL) : null
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/') {
    throw new AuthError(
      'invalid_options',
      'The base URL must be an origin, http or https, without a path.',
    )
  }
  return url.origin
}

/** Work that a request sets off and does not wait for, so that its time tells nothing. */
function createBackground(logger: Logger) {
  const running = new Set<Promise<unknown>>()
  return {
    run(name: string, work: () => Promise<unknown>): void {
      const task = Promise.resolve()
        .then(work)
        .catch((error: unknown) => logger.error({ name, error }, 'failed in the background'))
        .finally(() => running.delete(task))
      running.add(task)
    },
    async settled(): Promise<void> {
      while (running.size > 0) await Promise.all(running)
    },
  }
}

type Run = ReturnType<typeof createBackground>['run']

function build(options: AuthOptions, baseURL: string, logger: Logger, run: Run) {
  const { sendEmail: send } = options.sender ?? { sendEmail }
  const page = (path: string, query: Record<string, string>) => {
    const url = new URL(path, baseURL)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url.href
  }
  const pages = {
    verifyEmail: '/verify-email',
    resetPassword: '/reset-password',
    acceptInvitation: '/accept-invitation',
    ...options.pages,
  }
  const jwtOptions: JwtOptions = {
    disableSettingJwtHeader: true,
    jwks: { keyPairConfig: { alg: 'ES256' } },
    jwt: { issuer: baseURL, audience: baseURL, expirationTime: `${ACCESS_SECONDS}s` },
  }
  // The plugin calls an endpoint of the instance that it is a part of.
  const late: { verifyEmail(token: string): Promise<unknown> } = {
    verifyEmail: async (token) => instance.api.verifyEmail({ query: { token } }),
  }
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
    emailVerification: {
      sendOnSignUp: true,
      autoSignInAfterVerification: false,
      async sendVerificationEmail({ user, token }) {
        run('WelcomeEmail', () =>
          send('WelcomeEmail', user.email, {
            name: user.name,
            verifyUrl: page(pages.verifyEmail, { token }),
          }),
        )
      },
    },
    databaseHooks: {
      user: {
        create: {
          async after({ id }) {
            run('userCreated', async () => options.events?.userCreated?.({ id }))
          },
        },
      },
    },
    plugins: [
      organizations((invitation) =>
        run('TeamInviteEmail', () =>
          send('TeamInviteEmail', invitation.email, {
            inviterName: invitation.inviterName,
            organizationName: invitation.organizationName,
            role: invitation.role,
            acceptUrl: page(pages.acceptInvitation, { id: invitation.id }),
            expiresAt: invitation.expiresAt,
          }),
        ),
      ),
      jwt(jwtOptions),
      tollgate({ jwt: jwtOptions, verifyEmail: (token) => late.verifyEmail(token) }),
    ],
  })
  return instance
}

/** What needs neither mails nor plugins. */
function settings(options: AuthOptions, baseURL: string, logger: Logger) {
  const { github, google } = options
  return {
    baseURL,
    basePath: '/api/auth',
    secret: options.secret,
    trustedOrigins: [baseURL],
    // With transactions parallel sign-ups time out waiting for connections.
    database: prismaAdapter(options.db ?? db, { provider: 'postgresql', transaction: false }),
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
    socialProviders: { ...(github ? { github } : {}), ...(google ? { google } : {}) },
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
      ipAddress: { ipAddressHeaders: options.ipAddressHeaders ?? ['x-forwarded-for'] },
    },
  } satisfies BetterAuthOptions
}

/** The hop after OAuth, and the standard name of the header that says when to come back. */
function finish(req: Request, answer: Response, baseURL: string): Response {
  const location = answer.headers.get('location')
  if (location && /\/api\/auth\/(oauth2\/)?callback\//.test(req.url)) {
    const path = sameOriginPath(location, baseURL)
    if (path === null) return answer
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
