/**
 * What Better Auth does not do by itself: a new session ends the one before it, a signed-in browser
 * gets an access token, an address is confirmed by a POST. Placed last among the plugins, because
 * others may still take back a session in their own after-hooks.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import {
  addOAuthServerContext,
  createAuthEndpoint,
  createAuthMiddleware,
  formCsrfMiddleware,
  getAuthoritativeSessionFromCtx,
  getOAuthState,
  isAPIError,
} from 'better-auth/api'
import { type JwtOptions, signJWT } from 'better-auth/plugins/jwt'
import { z } from 'zod'
import { redeemConfirmation } from './confirmation.ts'
import { ACCESS_COOKIE, COOKIE_ATTRIBUTES } from './cookies.ts'
import { requireBcryptLength } from './password.ts'
import type { Session } from './session.ts'

/** A token lives this long; at the edge a revoked session does, too. */
export const ACCESS_SECONDS = 300

export interface TollgateOptions {
  /** What the jwt plugin was given: tokens are signed with its newest key. */
  jwt: JwtOptions
  /** Checks Better Auth's own token and marks the address as confirmed. */
  verifyEmail(jwt: string): Promise<unknown>
  /** Where a sign-in with a provider leads when the request names no page. */
  afterSignIn: string
}

/** The parts of Better Auth's session that are read here. */
export interface RawSession {
  session: {
    id: string
    token: string
    userId: string
    expiresAt: Date
    activeOrganizationId?: string | null | undefined
  }
  user: { id: string; role?: string | null | undefined }
}

type Find = (query: {
  model: string
  where: { field: string; value: string }[]
}) => Promise<{ role?: unknown } | null>

/** Better Auth's session as ours; the role in the organization is looked up. */
export async function toSession(raw: RawSession, findOne: Find): Promise<Session> {
  const organizationId = raw.session.activeOrganizationId ?? null
  const member = organizationId
    ? await findOne({
        model: 'member',
        where: [
          { field: 'organizationId', value: organizationId },
          { field: 'userId', value: raw.user.id },
        ],
      })
    : null
  return {
    sessionId: raw.session.id,
    userId: raw.user.id,
    role: raw.user.role ?? 'USER',
    // Who is no member any more acts for nobody but themselves.
    organizationId: member ? organizationId : null,
    organizationRole: typeof member?.role === 'string' ? member.role : null,
    expiresAt: new Date(raw.session.expiresAt),
  }
}

/** What changes the organization or the role that the session speaks of. */
const ORGANIZATION_CHANGES =
  /^\/organization\/(create|set-active|accept-invitation|leave|delete|remove-member|update-member-role|transfer-ownership)$/

const PASSWORD_FIELDS = ['password', 'newPassword', 'currentPassword'] as const

export function tollgate(options: TollgateOptions): BetterAuthPlugin {
  const before = createAuthMiddleware(async (ctx) => {
    const body = (ctx.body ?? {}) as Record<string, unknown>
    for (const field of PASSWORD_FIELDS) {
      const value = body[field]
      if (typeof value === 'string') requireBcryptLength(value)
    }
    if (ctx.path === '/sign-in/social') {
      // On the way back from the provider the strict cookie is absent, so the session that the new
      // one replaces is remembered in the state, on the server.
      const token = await presentedToken(ctx)
      const present = token ? await ctx.context.internalAdapter.findSession(token) : null
      if (present) await addOAuthServerContext({ previousSessionId: present.session.id })
      return { context: { body: { callbackURL: options.afterSignIn, ...body } } }
    }
    if (ctx.path === '/change-password') {
      return { context: { body: { ...body, revokeOtherSessions: true } } }
    }
    return undefined
  })

  const after = createAuthMiddleware(async (ctx) => {
    const fresh = ctx.context.newSession as RawSession | null
    if (fresh) {
      await endPrevious(ctx, fresh.session.token)
      await mint(ctx, fresh)
    } else if (ctx.path === '/get-session') {
      const present = ctx.context.returned as RawSession | null
      if (present?.session?.id && present.user) await mint(ctx, present)
    } else if (ORGANIZATION_CHANGES.test(ctx.path ?? '') && !isAPIError(ctx.context.returned)) {
      // These change what the session says, and set no cookie by themselves.
      const present = (await getAuthoritativeSessionFromCtx(ctx)) as RawSession | null
      if (present) await mint(ctx, present)
    } else if (ctx.path === '/sign-out' || ctx.path === '/revoke-sessions') {
      ctx.setCookie(ACCESS_COOKIE, '', { ...COOKIE_ATTRIBUTES, maxAge: 0 })
    }
    return undefined
  })

  type Ctx = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

  const presentedToken = (ctx: Ctx): Promise<string | null | undefined | false> =>
    ctx.getSignedCookie(ctx.context.authCookies.sessionToken.name, ctx.context.secret)

  async function endPrevious(ctx: Ctx, token: string): Promise<void> {
    const presented = await presentedToken(ctx)
    if (presented && presented !== token) {
      await ctx.context.internalAdapter.deleteSession(presented)
    }
    if (!ctx.path?.startsWith('/callback/')) return
    const { previousSessionId } = (await getOAuthState())?.serverContext ?? {}
    if (typeof previousSessionId !== 'string') return
    await ctx.context.adapter.deleteMany({
      model: 'session',
      where: [{ field: 'id', value: previousSessionId }],
    })
  }

  async function mint(ctx: Ctx, raw: RawSession): Promise<void> {
    const session = await toSession(raw, (query) => ctx.context.adapter.findOne(query))
    const token = await signJWT(ctx, {
      options: options.jwt,
      header: { typ: 'at+jwt' },
      payload: {
        sub: session.userId,
        sid: session.sessionId,
        iat: Math.floor(Date.now() / 1000),
        role: session.role,
        ...(session.organizationId
          ? { org: session.organizationId, orgRole: session.organizationRole }
          : {}),
      },
    })
    ctx.setCookie(ACCESS_COOKIE, token, { ...COOKIE_ATTRIBUTES, maxAge: ACCESS_SECONDS })
  }

  return {
    id: 'tollgate',
    endpoints: {
      confirmEmail: createAuthEndpoint(
        '/confirm-email',
        {
          method: 'POST',
          // Better Auth checks the origin of requests with cookies; this one has none.
          use: [formCsrfMiddleware],
          body: z.object({ token: z.string().min(1).max(256) }),
          metadata: {
            allowedMediaTypes: ['application/x-www-form-urlencoded', 'application/json'],
          },
        },
        async (ctx) => {
          await options.verifyEmail(await redeemConfirmation(ctx.context, ctx.body.token))
          return ctx.json({ status: true })
        },
      ),
    },
    hooks: {
      before: [{ matcher: () => true, handler: before }],
      after: [{ matcher: () => true, handler: after }],
    },
  }
}
