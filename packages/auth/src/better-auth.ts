/**
 * Configures Better Auth with our cookies, limits, mails and plugins, in the order that they need.
 *
 * @module
 */

import type { Logger } from '@repo/core'
import { type Db, db } from '@repo/db'
import { sendEmail } from '@repo/email'
import type { AuthContext, BetterAuthOptions, BetterAuthPlugin } from 'better-auth'
// The minimal build leaves out Kysely, because all queries go through Prisma.
import { betterAuth } from 'better-auth/minimal'
import { jwt } from 'better-auth/plugins/jwt'
import { notedBeginnings } from './account/access-end.ts'
import { endAccess } from './account/end-access.ts'
import { rememberOrganization } from './account/last-organization.ts'
import { accounts } from './account/plugin.ts'
import { RECENT_SECONDS } from './account/recent.ts'
import { endStarted, withdrawSent } from './account/rows.ts'
import type { OwnFields } from './account/user-fields.ts'
import { additionalFields, userFields } from './account/user-fields-plugin.ts'
import { audit } from './audit/audit.ts'
import type { Background } from './background.ts'
import { adapterOf } from './database/adapter.ts'
import { boundsOf } from './database/bounds.ts'
import type { Keys } from './database/keys.ts'
import { createIdentifierHash } from './database/verification.ts'
import type { Protection } from './http/protection.ts'
import { mailEndpoints } from './mail/mail-endpoints.ts'
import type { Mails } from './mail/mail-requests.ts'
import { createMails } from './mail/mails.ts'
import { type AnyAuthOptions, accountDays, type Pages, pagesOf } from './options.ts'
import { type OrganizationRecord, organizations } from './organization/plugin.ts'
import type { Roles } from './permissions.ts'
import { tollgate } from './plugin.ts'
import { requireOrdinary, signInPathsOf } from './plugins/host-plugins.ts'
import { withSameRefusals } from './plugins/plugin-sign-ins.ts'
import { continuation } from './session/continuation.ts'
import { cookiesAt } from './session/cookies.ts'
import { limitOldSessions } from './session/old-sessions.ts'
import { refusePending } from './session/pending.ts'
import { sessionEnds } from './session/session-ends.ts'
import type { TokenHooks } from './session/token-hooks.ts'
import { CONFIRMATION_SECONDS, confirmation } from './sign-in/confirmation.ts'
import { proveByReset } from './sign-in/linking.ts'
import type { MagicLinkOptions } from './sign-in/magic-link.ts'
import {
  methodPlugins,
  type OAuthServer, // #oauth-server
} from './sign-in/method-plugins.ts'
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from './sign-in/password.ts'
import type { Endpoints } from './sign-in/password-fields.ts'
import { observed, passwordHooks } from './sign-in/password-hooks.ts'
import { socialProviders } from './sign-in/providers.ts'
import { RESET_MINUTES } from './sign-in/resets.ts'
import { passwordEndpoints } from './sign-in/same-answers.ts'
import { providerSignUp, signUps } from './sign-in/sign-ups.ts'
import { unproven } from './sign-in/unproven.ts'

/** The parts that a Better Auth instance is made of. */
export interface Parts {
  options: AnyAuthOptions
  own: OwnFields
  keys: Keys
  baseURL: string
  logger: Logger
  run: Background['run']
  tokens: TokenHooks
  roles: Roles<string, string>
  protection: Protection
  // #region oauth-server
  /** Makes the plugins of the option `oauth`. Null without the option. */
  oauthServer: OAuthServer | null
  // #endregion
}

/** Makes the Better Auth instance, and the mails that it queues. */
export function createBetterAuth({
  options,
  own,
  keys,
  baseURL,
  logger,
  run,
  tokens,
  roles,
  protection,
  oauthServer, // #oauth-server
}: Parts) {
  const { passwords } = protection
  const days = accountDays(options)
  const pages: Pages = pagesOf(options.pages)
  const hostPlugins = options.plugins ?? []
  const signInPaths = signInPathsOf(hostPlugins)
  const ordinary = requireOrdinary(hostPlugins, options.ordinaryEndpoints)
  // Mails and the plugin call the instance that they are part of.
  const context = async (): Promise<AuthContext> =>
    (await instance.$context) as unknown as AuthContext
  const endpoints: Endpoints = () => instance.api
  const redeem: MagicLinkOptions['redeem'] = (token, headers) =>
    instance.api.magicLinkVerify({ query: { token }, headers, returnHeaders: true })
  const mails: Mails = createMails({
    db: options.db ?? db,
    own,
    keys,
    sender: options.sender ?? { sendEmail },
    pages,
    baseURL,
    limits: protection.mailLimits,
    undoDays: days.undoEmailChangeDays,
    context,
  })
  const instance = betterAuth({
    ...settings({ options, own, keys, baseURL, logger, tokens, protection }),
    emailAndPassword: {
      enabled: true,
      requireEmailVerification: true,
      minPasswordLength: MIN_PASSWORD_LENGTH,
      // Better Auth counts UTF-16 units, and some characters have two. `passwordHooks` counts
      // characters.
      maxPasswordLength: 2 * MAX_PASSWORD_LENGTH,
      revokeSessionsOnPasswordReset: true,
      resetPasswordTokenExpiresIn: RESET_MINUTES * 60,
      password: observed(passwords),
      sendResetPassword: ({ user }) => mails.request({ mail: 'reset', to: user.email }),
      async onPasswordReset({ user }, req) {
        await proveByReset(options.db ?? db, own, user.id)
        await endAccess(options.db ?? db, user.id)
        await endStarted(options.db ?? db, user.id)
        await withdrawSent(options.db ?? db, user.id)
        await protection.record({ action: 'password_reset', userId: user.id }, req)
      },
    },
    // Unexpected errors are thrown to us, because Better Auth would print them with everything in them.
    onAPIError: { throw: true, errorURL: new URL(pages.signIn, baseURL).href },
    emailVerification: {
      sendOnSignUp: true,
      expiresIn: CONFIRMATION_SECONDS,
      autoSignInAfterVerification: false,
      sendVerificationEmail: ({ user }) => providerSignUp({ db: options.db ?? db, mails }, user),
    },
    plugins: [
      notedBeginnings(options.db ?? db),
      ...protection.first,
      refusePending(options.db ?? db, signInPaths),
      limitOldSessions({
        db: options.db ?? db,
        endpoints,
        signIn: new URL(pages.signIn, baseURL),
        open: new Set([...signInPaths, ...ordinary]),
      }),
      continuation(options.db ?? db),
      sessionEnds(options.db ?? db),
      passwordHooks({
        passwords,
        breachedPasswords: options.breachedPasswords,
        logger,
        run,
        begun: tokens.begun,
      }),
      userFields(own),
      passwordEndpoints(own),
      mailEndpoints(mails),
      unproven({ db: options.db ?? db, mails, run }),
      signUps(mails, own),
      confirmation({
        db: options.db ?? db,
        own,
        keys,
        passwords: observed(passwords),
        record: protection.record,
      }),
      organizations({
        db: options.db ?? db,
        roles,
        bounds: boundsOf(options.bounds),
        mailLimits: protection.mailLimits,
        invite: ({ id }) =>
          run('invitation', () => mails.request({ mail: 'invite', invitationId: id })),
        record: async (entry, tx) => {
          logger.info(entry, 'organization changed')
          await recordAdded(entry, tx)
        },
      }),
      jwt(tokens.jwt),
      ...methodPlugins({
        options,
        own,
        logger,
        oauthServer, // #oauth-server
        keys,
        origin: baseURL,
        db: options.db ?? db,
        pages,
        mails,
        redeem,
        record: protection.record,
      }),
      accounts({
        db: options.db ?? db,
        own,
        keys,
        mails,
        logger,
        limiter: (options.rateLimit ?? true) ? protection.limiter : null,
        record: protection.record,
        begun: tokens.begun,
        deletionGraceDays: days.deletionGraceDays,
      }),
      // Their types would hide those of our own endpoints; `AuthApi` adds them for the host.
      ...(withSameRefusals(hostPlugins, signInPaths) as readonly BetterAuthPlugin[] as readonly []),
      tollgate({
        ...tokens,
        afterSignIn: pages.afterSignIn,
        rememberOrganization: (...what) => rememberOrganization(options.db ?? db, ...what),
      }),
      ...protection.last,
    ],
  })
  return { instance, mails }
}

/** Records a member that the host's own code added, because no endpoint does so. */
async function recordAdded(entry: OrganizationRecord, tx: Db): Promise<void> {
  const { action, role, ...about } = entry
  if (action !== 'organization.add-member') return
  await audit(tx, { action: 'member_added', ...about, ...(role ? { detail: { to: role } } : {}) })
}

/** The settings that need neither mails nor plugins. */
function settings({
  options,
  own,
  keys,
  baseURL,
  logger,
  tokens,
  protection: { addresses },
}: Pick<Parts, 'options' | 'own' | 'keys' | 'baseURL' | 'logger' | 'tokens' | 'protection'>) {
  const cookies = cookiesAt(baseURL)
  return {
    baseURL,
    basePath: '/api/auth',
    // The first key encrypts and signs. The second reads values from before each purpose had its own key.
    secrets: [{ version: 1, value: keys.betterAuth }],
    secret: options.secret,
    trustedOrigins: [baseURL],
    // The adapter opens no transactions, because parallel sign-ups would time out waiting for connections.
    database: adapterOf(options.db ?? db, boundsOf(options.bounds)),
    telemetry: { enabled: false },
    logger: {
      log: (level, message, ...details) => logger[level]({ details }, message),
    },
    // A GET must not confirm an address or sign anybody in, because mail scanners follow links. `/token` is
    // not needed.
    disabledPaths: [
      '/verify-email',
      '/magic-link/verify',
      '/delete-user/callback',
      '/token',
      // A code by mail is not a second factor, because a thief may have the mailbox.
      '/two-factor/send-otp',
      '/two-factor/verify-otp',
      // Only the host's own code gets a provider's tokens, through `auth.api`.
      '/get-access-token',
      '/refresh-token',
    ],
    session: {
      expiresIn: tokens.idleSeconds,
      // Our own refresh extends the session and exchanges its token at the same time.
      disableSessionRefresh: true,
      cookieCache: { enabled: false },
      // Better Auth asks for a fresh session when a passkey is changed or a provider's account is removed.
      freshAge: RECENT_SECONDS,
    },
    user: {
      additionalFields: {
        role: { type: 'string', input: false, defaultValue: 'USER' },
        ...additionalFields(own),
      },
    },
    verification: {
      modelName: 'verificationToken',
      storeIdentifier: { hash: createIdentifierHash(keys) },
    },
    account: {
      encryptOAuthTokens: true,
      accountLinking: { enabled: true, trustedProviders: [], allowDifferentEmails: false },
    },
    socialProviders: socialProviders(options),
    // `protection.first` does all the counting. Better Auth would count by the path as the caller wrote it.
    rateLimit: { enabled: false },
    advanced: {
      // Set explicitly, because Better Auth turns both checks off during a test run.
      disableOriginCheck: false,
      disableCSRFCheck: false,
      // The prefix already begins with `__Host-`; Better Auth would put `__Secure-` in front of it.
      useSecureCookies: false,
      cookiePrefix: cookies.prefix,
      defaultCookieAttributes: cookies.attributes,
      // The state cookie returns with a request that the provider's site started.
      cookies: { state: { attributes: { sameSite: 'lax' } } },
      ipAddress: addresses.options,
    },
  } satisfies BetterAuthOptions
}
