/**
 * The plugin for what Better Auth does not do itself: a new session ends the one before it, and a signed-in
 * browser gets an access token. It comes last, because other plugins' after-hooks may still take back a
 * session.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import {
  APIError,
  addOAuthServerContext,
  createAuthMiddleware,
  getOAuthState,
  isAPIError,
} from 'better-auth/api'
import { GETS_THAT_WRITE } from './account/access-end.ts'
import { hasFlaw } from './http/text.ts'
import type { BegunSessions } from './session/new-session.ts'
import type { Refresh } from './session/refresh.ts'
import { newSession, sessionIdOf } from './session/session-rows.ts'
import type { FlowCookies } from './sign-in/flow-cookies.ts'

/** The dependencies of `tollgate`. */
export interface TollgateOptions {
  refresh: Refresh
  flows: FlowCookies
  /** Waits until this process has heard of the sessions that a request ended. */
  settle(): Promise<void>
  /** The page after a sign-in with a provider, if the request names none. */
  afterSignIn: string
  begun: BegunSessions
  /** Records the organization that a session acts for now. */
  rememberOrganization(sessionId: string, how: { isChosen: boolean }): Promise<void>
}

/** The parts of Better Auth's session that are read here. */
interface RawSession {
  session: { id: string; token: string }
}

/** The endpoints that lead to a provider, and store parts of the body in the state. */
const TO_PROVIDER = ['/sign-in/social', '/link-social']

/**
 * The fields that these endpoints accept. Better Auth would also accept `additionalData` and spread it into
 * the state, where a caller could set anything.
 */
const TO_PROVIDER_FIELDS = [
  'provider',
  'callbackURL',
  'errorCallbackURL',
  'newUserCallbackURL',
  'disableRedirect',
  'requestSignUp',
  'loginHint',
  'scopes',
  'idToken',
]

function requireKnownFields(body: Record<string, unknown>): void {
  if (Object.keys(body).every((name) => TO_PROVIDER_FIELDS.includes(name))) return
  throw new APIError('BAD_REQUEST', {
    code: 'unknown_field',
    message: `The body may have these fields only: ${TO_PROVIDER_FIELDS.join(', ')}.`,
  })
}

/** Endpoints that end no session by themselves. If a hook ends one, the hook waits until it is known. */
const ENDS_NOTHING = [
  '/get-session',
  '/sign-in/email',
  '/sign-up/email',
  '/access/refresh',
  '/access/renew',
]

/** Endpoints after which nobody is signed in. */
const ENDING = ['/sign-out', '/revoke-sessions', '/delete-user']

/** Makes the plugin. */
export function tollgate(options: TollgateOptions): BetterAuthPlugin {
  const { refresh, flows } = options

  const before = createAuthMiddleware(async (ctx) => {
    const ofFlow = await flows.inward(ctx)
    const asked = ofFlow ? { ...ctx, headers: ofFlow } : ctx
    const headers = (await refresh.withCurrentToken(asked)) ?? ofFlow
    const context = await prepare(ctx)
    return headers || context
      ? { context: { ...context, ...(headers ? { headers } : {}) } }
      : undefined
  })

  /** Checks a request and completes its body before the endpoint sees it. */
  async function prepare(ctx: Ctx): Promise<{ body: Record<string, unknown> } | undefined> {
    const body = (ctx.body ?? {}) as Record<string, unknown>
    // Server code calls endpoints directly, and only the handler has checked the fields.
    if (hasFlaw(body) || hasFlaw(ctx.query)) {
      throw new APIError('BAD_REQUEST', {
        code: 'invalid_text',
        message: 'Text must not contain null bytes or halves of surrogate pairs.',
      })
    }
    if (TO_PROVIDER.includes(ctx.path ?? '')) requireKnownFields(body)
    if (ctx.path === '/sign-in/social') {
      // The strict cookie is absent when the provider sends the browser back. So the state, on the server,
      // remembers the session that the new one replaces.
      const previousSessionId = await presentedId(ctx)
      if (previousSessionId) await addOAuthServerContext({ previousSessionId })
      return { body: { callbackURL: options.afterSignIn, ...body } }
    }
    // Only this field is returned, so that changes of other hooks to the body stay.
    if (ctx.path === '/change-password') return { body: { revokeOtherSessions: true } }
    return undefined
  }

  const after = createAuthMiddleware(async (ctx) => {
    flows.outward(ctx)
    const fresh = ctx.context.newSession as RawSession | null
    let mayHaveEnded = !ENDS_NOTHING.includes(ctx.path ?? '') && !onlyReads(ctx) && !isRefused(ctx)
    if (fresh) {
      if (await endPrevious(ctx, fresh.session.token)) mayHaveEnded = true
      await refresh.mintOf(ctx, (await options.begun(fresh.session.id))?.claims ?? null)
    } else if (ctx.path === '/get-session') {
      const present = ctx.context.returned as RawSession | null
      if (present?.session?.id) await refresh.mint(ctx, present.session.id)
    } else if (isOrganizationChange(ctx)) {
      // Several of these endpoints change the active organization or a role without reporting it.
      const sessionId = await presentedId(ctx)
      const isChosen = ctx.path === '/organization/set-active'
      if (sessionId) await options.rememberOrganization(sessionId, { isChosen })
      if (sessionId) await refresh.mint(ctx, sessionId)
    } else if (ENDING.includes(ctx.path ?? '') && !isAPIError(ctx.context.returned)) {
      refresh.clear(ctx)
    }
    if (mayHaveEnded) await options.settle()
    return undefined
  })

  const isOrganizationChange = ({ path, method, context }: Ctx) =>
    path?.startsWith('/organization/') && method === 'POST' && !isAPIError(context.returned)

  /** Whether the endpoint refused. Better Auth represents a redirect as an error, too. */
  const isRefused = ({ context: { returned } }: Ctx) =>
    isAPIError(returned) && returned.statusCode >= 400

  const onlyReads = ({ path = '', request }: Ctx) =>
    request?.method === 'GET' && !GETS_THAT_WRITE.test(path)

  type Ctx = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

  const presentedToken = (ctx: Ctx): Promise<string | null | undefined | false> =>
    ctx.getSignedCookie(ctx.context.authCookies.sessionToken.name, ctx.context.secret)

  const presentedId = async (ctx: Ctx): Promise<string | null> => {
    const token = await presentedToken(ctx)
    return token ? sessionIdOf(token) : null
  }

  /** Ends the session before the new one, and returns whether there was one. */
  async function endPrevious(ctx: Ctx, token: string): Promise<boolean> {
    const presented = await presentedToken(ctx)
    const isAnother = Boolean(presented) && presented !== token
    if (presented && isAnother) await ctx.context.internalAdapter.deleteSession(presented)
    if (!ctx.path?.startsWith('/callback/')) return isAnother
    const { previousSessionId } = (await getOAuthState())?.serverContext ?? {}
    if (typeof previousSessionId !== 'string') return isAnother
    await ctx.context.adapter.deleteMany({
      model: 'session',
      where: [{ field: 'id', value: previousSessionId }],
    })
    return true
  }

  const begin = async () => ({ data: newSession() })

  return {
    id: 'tollgate',
    schema: {
      session: {
        fields: {
          aal: { type: 'number', required: false, input: false, returned: false },
          predecessorHash: { type: 'string', required: false, input: false, returned: false },
          successorSeenAt: { type: 'date', required: false, input: false, returned: false },
        },
      },
    },
    init: () => ({
      options: {
        databaseHooks: { session: { create: { before: begin } } },
      },
    }),
    endpoints: refresh.endpoints,
    hooks: {
      before: [{ matcher: () => true, handler: before }],
      after: [{ matcher: () => true, handler: after }],
    },
  }
}
