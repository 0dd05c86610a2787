/**
 * Gives each sign-in that is under way a cookie of its own. Better Auth keeps the state of an OAuth flow and
 * the challenge of a passkey in one cookie each, so a second browser tab would replace the first tab's cookie
 * and both would fail. Browsers get a cookie that is named after its flow; Better Auth sees the cookie of the
 * flow that the answer belongs to, under the usual name. An answer without its cookie is refused, as it is
 * without this module.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { parseUrl } from '@repo/core'
import type { HookContext } from '../session/cookie-session.ts'
import type { CookieSigner } from '../session/signed-cookie.ts'

/** A kind of flow, from the request that begins it to the request that ends it. */
interface Flow {
  /** Better Auth's name of the cookie, without its prefix. */
  cookie: string
  begins: RegExp
  ends: RegExp
  /** The flow's key: the first answer gives it to the browser, and the last request brings it back. */
  given(ctx: HookContext): unknown
  brought(ctx: HookContext): unknown
}

/** The flows that have cookies of their own. */
const FLOWS: Flow[] = [
  {
    cookie: 'state',
    begins: /^\/(sign-in\/|link-)social$/,
    ends: /^\/callback\/:id$/,
    given: ({ context }) => {
      const { url } = (context.returned ?? {}) as { url?: unknown }
      return typeof url === 'string' ? (parseUrl(url)?.searchParams.get('state') ?? null) : null
    },
    brought: ({ query, body }) => query?.state ?? (body as { state?: unknown } | undefined)?.state,
  },
  {
    cookie: 'passkey_challenge',
    begins: /^\/passkey\/generate-(register|authenticate)-options$/,
    ends: /^\/passkey\/verify-(registration|authentication)$/,
    given: ({ context }) => (context.returned as { challenge?: unknown } | null)?.challenge,
    brought: ({ body }) => challengeIn(body),
  },
]

/** How many tabs of one browser may sign in at the same time. One more ends the oldest flow. */
const MOST = 4

/** The challenge that a device has signed. */
function challengeIn(body: unknown): unknown {
  const { response } = (body ?? {}) as { response?: { response?: { clientDataJSON?: unknown } } }
  const encoded = response?.response?.clientDataJSON
  if (typeof encoded !== 'string') return null
  try {
    return JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'))?.challenge
  } catch {
    return null
  }
}

const nameOf = (cookie: string, key: string): string =>
  `${cookie}-${createHash('sha256').update(key).digest('base64url').slice(0, 16)}`

/** The names of the flow's cookies in the request, the oldest first (RFC 6265, section 5.4). */
const sentNames = (cookie: string, headers: Headers | undefined): string[] =>
  pairsOf(headers)
    .map((pair) => pair.split('=')[0] ?? '')
    .filter((name) => name.startsWith(`${cookie}-`))

const pairsOf = (headers: Headers | undefined): string[] =>
  (headers?.get('cookie') ?? '').split(';').map((pair) => pair.trim())

/** Makes the translation of flow cookies. @param inner signs cookies as Better Auth sees them */
export function createFlowCookies(inner: CookieSigner) {
  /** The request's headers with the cookie of the flow that it ends; null if nothing has to change. */
  async function inward(ctx: HookContext): Promise<Headers | null> {
    const flow = FLOWS.find(({ ends }) => ends.test(ctx.path ?? ''))
    const key = flow?.brought(ctx)
    if (!flow || typeof key !== 'string') return null
    const { name } = ctx.context.createAuthCookie(flow.cookie)
    const value = await ctx.getSignedCookie(nameOf(name, key), ctx.context.secret)
    if (!value) return null
    const others = pairsOf(ctx.headers).filter((pair) => !pair.startsWith(`${name}=`))
    const headers = new Headers(ctx.headers)
    headers.set('cookie', [...others, `${name}=${await inner.seal(value)}`].join('; '))
    return headers
  }

  /** Names the answer's cookies after their flow, and deletes the cookies of finished flows. */
  function outward(ctx: HookContext): void {
    for (const flow of FLOWS) {
      const isBegun = flow.begins.test(ctx.path ?? '')
      if (!isBegun && !flow.ends.test(ctx.path ?? '')) continue
      const key = isBegun ? flow.given(ctx) : flow.brought(ctx)
      if (typeof key !== 'string') continue
      const cookie = ctx.context.createAuthCookie(flow.cookie)
      const name = nameOf(cookie.name, key)
      const sent = sentNames(cookie.name, ctx.headers)
      if (isBegun) rename(ctx.context.responseHeaders, cookie.name, name)
      const served = isBegun ? sent.slice(0, Math.max(sent.length + 1 - MOST, 0)) : [name]
      for (const old of served.filter((each) => sent.includes(each))) {
        ctx.setCookie(old, '', { ...cookie.attributes, maxAge: 0 })
      }
    }
  }

  return { inward, outward }
}

/** Renames a cookie. That is safe, because Better Auth's signature does not cover the name. */
function rename(headers: Headers | undefined, from: string, to: string): void {
  const lines = headers?.getSetCookie() ?? []
  headers?.delete('set-cookie')
  for (const line of lines) {
    headers?.append(
      'set-cookie',
      line.startsWith(`${from}=`) ? `${to}${line.slice(from.length)}` : line,
    )
  }
}

/** The translation of flow cookies. */
export type FlowCookies = ReturnType<typeof createFlowCookies>
