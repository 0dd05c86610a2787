/**
 * Better Auth with everything around its endpoints. Only `auth.ts` imports this module, at the first use of an
 * endpoint, a server function or a mail: importing it takes longer than everything else in the package, and
 * reading a session does not need it.
 *
 * @module
 */

import { isTollgateError, type Logger, toResponse } from '@repo/core'
import type { AddressOf, RateLimiter } from '@repo/core/rate-limit'
import type { Database } from '@repo/db'
import type { AuthContext, BetterAuthOptions } from 'better-auth'
import { getEndpoints } from 'better-auth/api'
import { isLinkOpen, type MailedLink } from './account/mailed-links.ts'
import { requireColumns } from './account/user-field-check.ts'
import type { OwnFields } from './account/user-fields.ts'
import type { Recorder } from './audit/recorder.ts'
import type { Background } from './background.ts'
import { createBetterAuth } from './better-auth.ts'
import type { Keys } from './database/keys.ts'
import { answerOf, plainErrors, sentencesOf } from './http/answers.ts'
import { createFieldCheck } from './http/fields.ts'
import { notStored } from './http/no-store.ts'
import { createProtection } from './http/protection.ts'
import { checkRequest, conflictOf, withHeaders } from './http/request-guard.ts'
import { createHandler, type Routed } from './http/router.ts'
import { sameSiteRedirect } from './http/same-site.ts' // #oauth-server
import type { TextOf } from './http/texts.ts'
import type { AnyAuthOptions } from './options.ts'
import { refusalOf } from './organization/refusals.ts'
import type { Roles } from './permissions.ts'
import { requireOwnEndpoints } from './plugins/host-plugins.ts'
import { requireTables } from './plugins/schema.ts'
import { type CookieKeys, translatedResponse, withCookieKeys } from './session/cookie-keys.ts'
import { cookiesAt, readCookie } from './session/cookies.ts'
import type { SessionTokens } from './session/session-tokens.ts'
import { createTokenHooks } from './session/token-hooks.ts'
import { type ConfirmationState, confirmationState } from './sign-in/confirmation.ts'

/** The dependencies of `createServer`. */
export interface ServerOptions {
  options: AnyAuthOptions
  own: OwnFields
  keys: Keys
  baseURL: string
  db: Database
  logger: Logger
  run: Background['run']
  cookies: CookieKeys
  tokens: SessionTokens
  roles: Roles<string, string>
  addressOf: AddressOf
  limiter: RateLimiter
  record: Recorder
  /** Finds the host's own text of a refusal. */
  textOf: TextOf
  /** Called after each request that may have changed something. */
  tell(req: Request): void
}

/** Makes the endpoints, their handler and the mails that they queue. */
export async function createServer(parts: ServerOptions) {
  const { options, own, keys, baseURL, db, logger, cookies, addressOf, limiter, record } = parts
  const plugins = options.plugins ?? []
  await requireColumns(db, own)
  await requireTables(db, plugins)
  // #region oauth-server
  const oauthServer = options.oauth
    ? (await import('./programs/oauth-server.ts')).oauthServer
    : null
  // #endregion
  const protection = createProtection({
    options,
    keys,
    logger,
    addressOf,
    limiter,
    record,
    endpoints: () => instance.api,
  })
  const { instance, mails } = createBetterAuth({
    options,
    own,
    keys,
    baseURL,
    logger,
    run: parts.run,
    tokens: createTokenHooks({ options, cookies, db, origin: baseURL, tokens: parts.tokens }),
    roles: parts.roles,
    protection,
    oauthServer, // #oauth-server
  })
  if (plugins.length > 0) {
    const ids = new Set(plugins.map(({ id }) => id))
    const { plugins: all = [] } = instance.options as BetterAuthOptions
    const ours = { ...instance.options, plugins: all.filter(({ id }) => !ids.has(id)) }
    requireOwnEndpoints(getEndpoints(instance.$context as never, ours as never).api, plugins)
  }
  const context = async () => (await instance.$context) as unknown as AuthContext
  const routed = createHandler(instance as unknown as Routed)
  const fields = createFieldCheck(instance.api, '/api/auth', own)

  const reply = async (req: Request): Promise<Response> => {
    // A request that `checkRequest` refuses has changed nothing, so it sets off no events.
    let isChecked = false
    try {
      // #region oauth-server
      const redirect = options.oauth && isAuthorization(req) ? sameSiteRedirect(req) : null
      if (redirect) return redirect
      // #endregion
      const checked = protection.addresses.tell(await checkRequest(req, baseURL, fields))
      isChecked = true
      const headers = await cookies.inward(checked.headers)
      const answer = await routed(withHeaders(checked, headers))
      return await translatedResponse(answer, cookies.outward)
    } catch (thrown) {
      const refusal = refusalOf(thrown)
      if (refusal) return Response.json(refusal.body, { status: refusal.statusCode })
      const error = conflictOf(thrown)
      if (!isTollgateError(error) || error.status === 500) {
        logger.error({ error }, 'a request to auth failed')
      }
      return toResponse(error)
    } finally {
      if (isChecked && (req.method === 'POST' || isCallback(req))) parts.tell(req)
    }
  }

  return {
    mails,
    context,
    api: plainErrors(withCookieKeys(instance.api, cookies)),
    errorCodes: sentencesOf(instance.$ERROR_CODES),
    async handler(req: Request): Promise<Response> {
      const textOf = (code: string) => parts.textOf(code, req.headers)
      return notStored(req, await answerOf(await reply(req), isCallback(req), baseURL, textOf))
    },
    async confirmation(req: Request, token: string): Promise<ConfirmationState> {
      const name = `${cookiesAt(baseURL).prefix}.sign_up`
      const cookie = readCookie(req, name)
      const signUpId = cookie && (await cookies.signerOf(name).open(cookie))
      return confirmationState(await context(), token, signUpId)
    },
    isLinkOpen: async (link: MailedLink, token: string): Promise<boolean> =>
      isLinkOpen(await context(), link, token),
  }
}

/** Better Auth's side of an auth instance. */
export type Server = Awaited<ReturnType<typeof createServer>>

/** Whether a provider answers to a sign-in, which may create a user. */
const isCallback = (req: Request) => /^\/api\/auth\/callback\//.test(new URL(req.url).pathname)

// #region oauth-server
/**
 * Whether another program sent the user here. The browser sends the session's strict cookies only after a
 * same-site redirect.
 */
const isAuthorization = (req: Request) => new URL(req.url).pathname === '/api/auth/oauth2/authorize'
// #endregion
