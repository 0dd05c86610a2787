/**
 * Refreshes a session: exchanges the session cookie and signs a new access token. API calls use POST and then
 * repeat the call. Pages use GET, which redirects back to the page.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { GenericEndpointContext } from 'better-auth'
import { APIError, createAuthEndpoint } from 'better-auth/api'
import * as z from 'zod'
import { safePath } from '../http/forms.ts'
import { type Claims, signAccessToken } from './access-token.ts'
import { cookieSessionRow } from './cookie-session.ts'
import { cookiesAt } from './cookies.ts'
import type { SessionRows } from './session-rows.ts'
import type { CookieSigner } from './signed-cookie.ts'
import type { SigningKeys } from './signing-keys.ts'

const SECONDS_PER_DAY = 86_400
/** How long the mark lasts: long enough for one redirect, and over before the next page. */
const RENEWED_SECONDS = 5

/** The dependencies of `createRefresh`. */
export interface RefreshOptions {
  origin: string
  db: Database
  rows: SessionRows
  keys: SigningKeys
  /** Signs cookies in the form that Better Auth reads. */
  cookies: CookieSigner
  idleSeconds: number
}

/** The refresh of an auth instance. */
export type Refresh = ReturnType<typeof createRefresh>

/** Makes the refresh and its endpoints. */
export function createRefresh({ origin, db, rows, keys, cookies, idleSeconds }: RefreshOptions) {
  type Ctx = Pick<
    GenericEndpointContext,
    'context' | 'headers' | 'getSignedCookie' | 'setCookie' | 'setSignedCookie'
  >

  const { access, session: sessionCookie, renewed, attributes } = cookiesAt(origin)
  const presented = (ctx: Ctx) => ctx.getSignedCookie(sessionCookie, ctx.context.secret)

  /** Sets the session's access token, if the session still exists. Returns the token and its expiry. */
  async function mint(ctx: Ctx, sessionId: string) {
    return mintOf(ctx, await rows.state(sessionId))
  }

  /** The same for claims that were already read. Does nothing for null. */
  async function mintOf(ctx: Ctx, claims: Claims | null) {
    if (!claims) return null
    const token = await signAccessToken(origin, await keys.signer(), claims)
    const { expiresAt } = claims.session
    const maxAge = Math.ceil((expiresAt.getTime() - Date.now()) / 1000)
    ctx.setCookie(access, token, { ...attributes, maxAge: Math.max(maxAge, 0) })
    return { token, expiresAt }
  }

  function clear(ctx: Ctx): void {
    ctx.setCookie(access, '', { ...attributes, maxAge: 0 })
  }

  /**
   * Exchanges the session's token. For an invalid token it returns null and clears both cookies. Without a
   * token it returns null and clears nothing, because a link from another site arrives without cookies and
   * must sign nobody out.
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

  /**
   * The request's headers with the session's present token; null unless the cookie holds the token before it.
   */
  async function withCurrentToken(ctx: Ctx & { path?: string }): Promise<Headers | null> {
    const pairs = (ctx.headers?.get('cookie') ?? '').split(';')
    const others = pairs.filter((pair) => !pair.trim().startsWith(`${sessionCookie}=`))
    if (pairs.length === others.length || ctx.path?.startsWith('/access/')) return null
    const token = await presented(ctx)
    const current = token ? await rows.present(token, cookieSessionRow(db, token)) : null
    if (!current || current.token === token) return null
    const headers = new Headers(ctx.headers)
    const own = `${sessionCookie}=${await cookies.seal(current.token)}`
    headers.set('cookie', [...others, own].join(';'))
    return headers
  }

  const endpoints = {
    /**
     * Answers `{ expiresAt }`, the end of the new access token. Only programs also get `accessToken`.
     * Browsers send a header that no script can remove, and a browser's scripts must not hold the token.
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
            message: 'There is no session, or it has ended. Sign in again.',
          })
        }
        // Browsers send `Sec-Fetch-Site` with the rest of its family. Node's own `fetch` sends `Sec-Fetch-Mode` alone.
        const isBrowser = ctx.headers?.has('sec-fetch-site') === true
        return ctx.json({
          expiresAt: minted.expiresAt.toISOString(),
          ...(isBrowser ? {} : { accessToken: minted.token }),
        })
      },
    ),
    /**
     * Renews a page's session at the edge and redirects to `next`, with or without new cookies. A mark that
     * lasts seconds keeps a page that cannot read the cookies from asking again.
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
