/**
 * Auth as one configured thing: Better Auth with our cookies, mails, guards and forms.
 *
 * @module
 */

import { createLogger, isTollgateError, type Logger, lazy, readEnv, toResponse } from '@repo/core'
import { db } from '@repo/db'
import { sendEmail } from '@repo/email'
import { type AuthContext, type BetterAuthOptions, betterAuth } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import { jwt } from 'better-auth/plugins/jwt'
import { type Access, createAccess } from './access.ts'
import { type Background, createBackground } from './background.ts'
import { checkedRequest, refusalOf } from './border.ts'
import { CONFIRMATION_SECONDS, invalidToken, issueConfirmation } from './confirmation.ts'
import { COOKIE_ATTRIBUTES, COOKIE_PREFIX } from './cookies.ts'
import { authEnv, microsoftFrom, oidcFrom } from './env.ts'
import { AuthError } from './errors.ts'
import { type FormAction, runFormAction } from './forms.ts'
import { hopTo, sameOriginPath, sameSiteHop } from './hop.ts'
import { type PendingSignUp, proveByReset, proveBySignUp, signUpBody } from './linking.ts'
import { MAGIC_LINK_MINUTES, type MagicLinkOptions } from './magic-link.ts'
import { createOAuthClient, type NewOAuthClient, type OAuthClientKeys } from './oauth-server.ts'
import { type AuthOptions, keys, originOf, PAGES, type Pages } from './options.ts'
import { organizations } from './organization.ts'
import { createPasswordHash, MIN_PASSWORD_LENGTH } from './password.ts'
import { tollgate } from './plugin.ts'
import { socialProviders } from './providers.ts'
import { createGuards, type Guards } from './session.ts'
import { waysIn } from './ways-in.ts'

export interface AuthUser {
  id: string
  name: string
  email: string
  emailVerified: boolean
  image: string | null
  role: string
}

const RESET_MINUTES = 60

/** Where other programs send people, who are not known here before the hop. */
const AUTHORIZE = /\/api\/auth\/oauth2\/authorize\?/

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
  const database = options.db ?? db
  const access: Access = createAccess({
    options,
    db: database,
    origin: baseURL,
    logger,
    context: async () => (await betterAuthInstance.$context) as unknown as AuthContext,
    handler: (req) => handler(req),
    onAudit: (event) => logger.warn(event, 'a session token was used twice; the session is ended'),
  })
  const betterAuthInstance = build({ options, baseURL, logger, run: background.run, access })
  const { api } = betterAuthInstance
  const { getSession, ...sessions } = access.sessions

  const guards: Guards = createGuards(getSession)
  const handler = async (req: Request): Promise<Response> => {
    try {
      const hop = options.oauth && AUTHORIZE.test(req.url) ? sameSiteHop(req) : null
      if (hop) return hop
      const checked = await checkedRequest(req)
      return finish(req, await betterAuthInstance.handler(checked), baseURL)
    } catch (thrown) {
      const error = refusalOf(thrown)
      if (!isTollgateError(error) || error.status >= 500) {
        logger.error({ error }, 'a request to auth failed')
      }
      return toResponse(error)
    }
  }

  return {
    ...guards,
    ...sessions,
    /** Better Auth's endpoints. Mount it at `/api/auth/*`. */
    handler,
    /** Better Auth's server functions, for what has no guard or form here. */
    api,
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
    /** Waits for mails and events that requests have set off. For tests and for shutting down. */
    settled: background.settled,
    /** Stops listening for revoked sessions, for shutting down; the next `getSession` begins anew. */
    close: access.close,
  }
}

export type Auth = ReturnType<typeof createAuth>

/** The default instance, from the environment on first use. */
export const auth: Auth = lazy(() => {
  const env = readEnv(authEnv)
  return createAuth({
    baseURL: env.APP_URL,
    secret: env.BETTER_AUTH_SECRET,
    ...(env.AUTH_SIGNING_KEYS ? { accessToken: { keys: env.AUTH_SIGNING_KEYS } } : {}),
    ...keys('github', env.GITHUB_CLIENT_ID, env.GITHUB_CLIENT_SECRET),
    ...keys('google', env.GOOGLE_CLIENT_ID, env.GOOGLE_CLIENT_SECRET),
    ...microsoftFrom(env),
    ...oidcFrom(env),
  })
})

export const getSession: Auth['getSession'] = (req, options) => auth.getSession(req, options)
export const requireAuth: Auth['requireAuth'] = (req, options) => auth.requireAuth(req, options)
export const requireRole: Auth['requireRole'] = (req, role) => auth.requireRole(req, role)
export const getUser: Auth['getUser'] = (req) => auth.getUser(req)
export const renewCookies: Auth['renewCookies'] = (req) => auth.renewCookies(req)
export const listSessions: Auth['listSessions'] = (req) => auth.listSessions(req)
export const revokeSession: Auth['revokeSession'] = (req, id) => auth.revokeSession(req, id)
export const revokeOtherSessions: Auth['revokeOtherSessions'] = (req) =>
  auth.revokeOtherSessions(req)

interface Parts {
  options: AuthOptions
  baseURL: string
  logger: Logger
  run: Background['run']
  access: Access
}

function build({ options, baseURL, logger, run, access }: Parts) {
  const { sendEmail: send } = options.sender ?? { sendEmail }
  const page = (path: string, query: Record<string, string>) => {
    const url = new URL(path, baseURL)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url.href
  }
  const pages: Pages = { ...PAGES, ...options.pages }
  // Mails and the plugin call the instance that they are a part of.
  const verifyEmail = async (value: string): Promise<unknown> => {
    if (!value.startsWith('{')) return instance.api.verifyEmail({ query: { token: value } })
    if (await proveBySignUp(await context(), JSON.parse(value))) return
    throw invalidToken()
  }
  const context = async (): Promise<AuthContext> =>
    (await instance.$context) as unknown as AuthContext
  const redeem: MagicLinkOptions['redeem'] = (token, headers) =>
    instance.api.magicLinkVerify({ query: { token }, headers, returnHeaders: true })
  const sendLink: MagicLinkOptions['send'] = (email, query) =>
    run('MagicLinkEmail', () => {
      const signInUrl = page(pages.magicLink, query)
      return send('MagicLinkEmail', email, { signInUrl, expiresInMinutes: MAGIC_LINK_MINUTES })
    })
  const welcome = async (user: { name: string; email: string }, value: string) => {
    const token = await issueConfirmation(await context(), value)
    const verifyUrl = page(pages.verifyEmail, { token })
    return send('WelcomeEmail', user.email, { name: user.name, verifyUrl })
  }
  const instance = betterAuth({
    ...settings(options, baseURL, logger, access.idleSeconds),
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
      onPasswordReset: async ({ user }) => proveByReset(await context(), user.id),
      async onExistingUserSignUp({ user }, request) {
        if (user.emailVerified || !request) return
        const sent = await signUpBody(request)
        run('WelcomeEmail', async () => {
          const password = await (await context()).password.hash(sent.password)
          const pending: PendingSignUp = { userId: user.id, name: sent.name, password }
          return welcome({ name: sent.name, email: user.email }, JSON.stringify(pending))
        })
      },
    },
    // Thrown, because Better Auth prints what it does not expect as it is, with all that is in it.
    onAPIError: { throw: true, errorURL: page(pages.signIn, {}) },
    emailVerification: {
      sendOnSignUp: true,
      expiresIn: CONFIRMATION_SECONDS,
      autoSignInAfterVerification: false,
      async sendVerificationEmail({ user, token }) {
        run('WelcomeEmail', () => welcome(user, token))
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
      jwt(access.jwt),
      ...waysIn({
        options,
        origin: baseURL,
        db: options.db ?? db,
        pages,
        magicLink: { send: sendLink, redeem },
      }),
      tollgate({ ...access, verifyEmail, afterSignIn: pages.afterSignIn }),
    ],
  })
  return instance
}

/** What needs neither mails nor plugins. */
function settings(options: AuthOptions, baseURL: string, logger: Logger, idleSeconds: number) {
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
    // A GET must not confirm an address or sign in: mail scanners follow links. `/token` is not needed.
    disabledPaths: [
      '/verify-email',
      '/magic-link/verify',
      '/token',
      // Codes by mail are no second factor to who has the mailbox.
      '/two-factor/send-otp',
      '/two-factor/verify-otp',
    ],
    session: {
      expiresIn: idleSeconds,
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
      storage: 'memory',
      customRules: { '/get-session': false, '/access/refresh': false, '/access/renew': false },
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

/** The hop after OAuth, and the standard name of the header that says when to come back. */
function finish(req: Request, answer: Response, baseURL: string): Response {
  const location = answer.headers.get('location')
  if (location && /^\/api\/auth\/callback\//.test(new URL(req.url).pathname)) {
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
