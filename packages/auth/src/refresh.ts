/**
 * Refreshing: the session cookie is exchanged and a new access token signed. By POST for API calls,
 * which then try again, and by GET for pages, which come back to where they were.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { GenericEndpointContext } from 'better-auth'
import { APIError, createAuthEndpoint } from 'better-auth/api'
import { z } from 'zod'
import { type Statement, signAccessToken } from './access-token.ts'
import { cookiesAt } from './cookies.ts'
import { safePath } from './forms.ts'
import { presentedRow } from './presented.ts'
import type { SessionRows } from './session-rows.ts'
import type { CookieSigner } from './signed-cookie.ts'
import type { SigningKeys } from './signing-keys.ts'

const SECONDS_PER_DAY = 86_400
/** Long enough for one redirect, short enough for the next page. */
const RENEWED_SECONDS = 5

export interface RefreshOptions {
  origin: string
  db: Database
  rows: SessionRows
  keys: SigningKeys
  /** As Better Auth signs cookies. */
  cookies: CookieSigner
  idleSeconds: number
}

export type Refresh = ReturnType<typeof createRefresh>

export function createRefresh({ origin, db, rows, keys, cookies, idleSeconds }: RefreshOptions) {
  type Ctx = Pick<
    GenericEndpointContext,
    'context' | 'headers' | 'getSignedCookie' | 'setCookie' | 'setSignedCookie'
  >

  const { access, session: sessionCookie, renewed, attributes } = cookiesAt(origin)
  const presented = (ctx: Ctx) => ctx.getSignedCookie(sessionCookie, ctx.context.secret)

  /** Sets the access token of a session, if there is one still. Returns what it says and the token. */
  async function mint(ctx: Ctx, sessionId: string) {
    return mintOf(ctx, await rows.state(sessionId))
  }

  /** The same for what was read already; nothing for null. */
  async function mintOf(ctx: Ctx, statement: Statement | null) {
    if (!statement) return null
    const token = await signAccessToken(origin, await keys.signer(), statement)
    const { expiresAt } = statement.session
    const maxAge = Math.ceil((expiresAt.getTime() - Date.now()) / 1000)
    ctx.setCookie(access, token, { ...attributes, maxAge: Math.max(maxAge, 0) })
    return { token, expiresAt }
  }

  function clear(ctx: Ctx): void {
    ctx.setCookie(access, '', { ...attributes, maxAge: 0 })
  }

  /**
   * Exchanges the session's token. Null where it is not good, and then both cookies are cleared; but
   * not without one, because another site's link arrives without cookies and must sign nobody out.
   */
  async function exchange(ctx: Ctx) {
    const token = await presented(ctx)
    if (token === null || token === undefined) return null
    const { name } = ctx.context.authCookies.dontRememberToken
    const isBrief = Boolean(await ctx.getSignedCookie(name, ctx.context.secret))
    const idle = isBrief ? Math.min(SECONDS_PER_DAY, idleSeconds) : idleSeconds
    const session = token ? await rows.exchange(token, idle) : null
    const minted = session && (await mint(ctx, session.session.sessionId))
    if (!minted) {
      clear(ctx)
      ctx.setCookie(sessionCookie, '', { ...attributes, maxAge: 0 })
      return null
    }
    await ctx.setSignedCookie(sessionCookie, session.token, ctx.context.secret, {
      ...attributes,
      ...(isBrief ? {} : { maxAge: idle }),
    })
    return minted
  }

  /** The request's headers with the token that is good now, where its session cookie holds a predecessor. */
  async function withCurrentToken(ctx: Ctx & { path?: string }): Promise<Headers | null> {
    const pairs = (ctx.headers?.get('cookie') ?? '').split(';')
    const others = pairs.filter((pair) => !pair.trim().startsWith(`${sessionCookie}=`))
    if (pairs.length === others.length || ctx.path?.startsWith('/access/')) return null
    const token = await presented(ctx)
    const current = token ? await rows.present(token, presentedRow(db, token)) : null
    if (!current || current.token === token) return null
    const headers = new Headers(ctx.headers)
    const own = `${sessionCookie}=${await cookies.seal(current.token)}`
    headers.set('cookie', [...others, own].join(';'))
    return headers
  }

  const endpoints = {
    /**
     * Answers `{ expiresAt }`, the end of the new access token. `accessToken` is there for programs
     * only: browsers name themselves by a header that no script can take away, and their scripts
     * are not to hold the token.
     */
    refreshAccess: createAuthEndpoint(
      '/access/refresh',
      { method: 'POST', requireHeaders: true },
      async (ctx) => {
        ctx.setHeader('cache-control', 'no-store')
        const minted = await exchange(ctx)
        if (!minted) {
          throw new APIError('UNAUTHORIZED', {
            code: 'not_authenticated',
            message: 'There is no session, or it has ended.',
          })
        }
        const isBrowser = ctx.headers?.has('sec-fetch-site') || ctx.headers?.has('sec-fetch-mode')
        return ctx.json({
          expiresAt: minted.expiresAt.toISOString(),
          ...(isBrowser ? {} : { accessToken: minted.token }),
        })
      },
    ),
    /**
     * For pages at the edge. Goes back to `next` with new cookies, or without any; a mark that lasts
     * seconds keeps a page that cannot read them from asking again.
     */
    renewAccess: createAuthEndpoint(
      '/access/renew',
      { method: 'GET', requireHeaders: true, query: z.object({ next: z.string().max(8192) }) },
      async (ctx) => {
        ctx.setHeader('cache-control', 'no-store')
        await exchange(ctx)
        ctx.setCookie(renewed, '1', { ...attributes, maxAge: RENEWED_SECONDS })
        throw ctx.redirect(safePath(ctx.query.next, '/'))
      },
    ),
  }

  return { mint, mintOf, clear, withCurrentToken, endpoints }
}
