/**
 * One cookie for each sign-in that is under way. Better Auth keeps the state of an OAuth flow and the challenge of
 * a passkey in one cookie each, so the second of two tabs takes the first one's place, and neither comes through.
 * Browsers get a cookie that is named after its flow; Better Auth sees the one that the answer belongs to, under
 * the name it knows. An answer without its own cookie is refused as before.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { COOKIE_ATTRIBUTES, COOKIE_PREFIX, changeSetCookies } from './cookies.ts'
import type { HookContext } from './presented.ts'
import type { CookieSigner } from './signed-cookie.ts'

interface Flow {
  /** Better Auth's name of the cookie. */
  name: string
  begins: RegExp
  ends: RegExp
  /** What the answer to the first request gives out, and the last one brings back. */
  given(ctx: HookContext): unknown
  brought(ctx: HookContext): unknown
}

const FLOWS: Flow[] = [
  {
    name: `${COOKIE_PREFIX}.state`,
    begins: /^\/(sign-in\/|link-)social$/,
    ends: /^\/callback\/:id$/,
    given: ({ context }) => {
      const { url } = (context.returned ?? {}) as { url?: unknown }
      return typeof url === 'string' && URL.canParse(url)
        ? new URL(url).searchParams.get('state')
        : null
    },
    brought: ({ query, body }) => query?.state ?? (body as { state?: unknown } | undefined)?.state,
  },
  {
    name: `${COOKIE_PREFIX}.passkey_challenge`,
    begins: /^\/passkey\/generate-(register|authenticate)-options$/,
    ends: /^\/passkey\/verify-(registration|authentication)$/,
    given: ({ context }) => (context.returned as { challenge?: unknown } | null)?.challenge,
    brought: ({ body }) => challengeIn(body),
  },
]

/** As many tabs of one browser may sign in at the same time; the oldest gives way. */
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

const nameOf = (flow: Flow, key: string): string =>
  `${flow.name}-${createHash('sha256').update(key).digest('base64url').slice(0, 16)}`

/** The names of the flow's cookies that a browser sent, the oldest first (RFC 6265, section 5.4). */
const sentNames = (flow: Flow, headers: Headers | undefined): string[] =>
  pairsOf(headers)
    .map((pair) => pair.split('=')[0] ?? '')
    .filter((name) => name.startsWith(`${flow.name}-`))

const pairsOf = (headers: Headers | undefined): string[] =>
  (headers?.get('cookie') ?? '').split(';').map((pair) => pair.trim())

/** @param inner signs cookies as Better Auth sees them */
export function createFlowCookies(inner: CookieSigner) {
  /** The request's headers with the cookie of the flow that it ends; null where there is nothing to change. */
  async function inward(ctx: HookContext): Promise<Headers | null> {
    const flow = FLOWS.find(({ ends }) => ends.test(ctx.path ?? ''))
    const key = flow?.brought(ctx)
    if (!flow || typeof key !== 'string') return null
    const value = await ctx.getSignedCookie(nameOf(flow, key), ctx.context.secret)
    if (!value) return null
    const others = pairsOf(ctx.headers).filter((pair) => !pair.startsWith(`${flow.name}=`))
    const headers = new Headers(ctx.headers)
    headers.set('cookie', [...others, `${flow.name}=${await inner.seal(value)}`].join('; '))
    return headers
  }

  /** Names the cookies of the answer after their flow, and takes away what has served. */
  function outward(ctx: HookContext): void {
    for (const flow of FLOWS) {
      const isBegun = flow.begins.test(ctx.path ?? '')
      if (!isBegun && !flow.ends.test(ctx.path ?? '')) continue
      const key = isBegun ? flow.given(ctx) : flow.brought(ctx)
      if (typeof key !== 'string') continue
      const name = nameOf(flow, key)
      const sent = sentNames(flow, ctx.headers)
      // The signature of what Better Auth wrote says nothing of the name.
      changeSetCookies(ctx.context.responseHeaders, (line) =>
        isBegun && line.startsWith(`${flow.name}=`)
          ? `${name}${line.slice(flow.name.length)}`
          : line,
      )
      const served = isBegun ? sent.slice(0, Math.max(sent.length + 1 - MOST, 0)) : [name]
      for (const old of served.filter((each) => sent.includes(each))) {
        ctx.setCookie(old, '', { ...COOKIE_ATTRIBUTES, maxAge: 0 })
      }
    }
  }

  return { inward, outward }
}

export type FlowCookies = ReturnType<typeof createFlowCookies>
