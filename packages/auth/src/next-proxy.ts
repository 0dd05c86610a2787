/**
 * The `proxy.ts` of a Next.js app: the same-site redirect, the renewal of an expired access token, and a guard for
 * paths that need a session. It reads only the access token and needs no database.
 *
 * @module
 */

import { parseUrl } from '@repo/core/edge'
import { createEdge, type Edge, type EdgeOptions, sameSiteRedirect } from './edge.ts'
import { AuthError } from './errors.ts'
import { onePath } from './http/same-site.ts'
import { isKeySource, isListOfStrings, isString, requireKinds } from './proxy-options.ts'
import { cookiesAt, readCookie } from './session/cookies.ts'

/** The options of `createProxy`. */
export interface ProxyOptions extends Pick<EdgeOptions, 'jwks'> {
  /** The host's origin. Default: `APP_URL`, read with the first request. */
  baseURL?: string
  /**
   * Paths that need a session, together with everything below them, such as `['/dashboard']`. Default none.
   */
  protect?: readonly string[]
  /** The page for a browser without a session; it gets `?next=`. Default `/sign-in`. */
  signIn?: string
}

/**
 * Makes the proxy. It answers with a redirect, or returns undefined to let the page answer. Keep
 * `/api` and `/_next` out of the proxy's matcher.
 *
 * The guard only saves rendering a page for nobody. It lets a request pass if it cannot judge its session, so
 * a protected page still has to call `requireAuth`.
 *
 * @throws `invalid_options` (500) for an option of a wrong kind
 */
export function createProxy(
  options: ProxyOptions = {},
): (req: Request) => Promise<Response | undefined> {
  const texts = { baseURL: isString, signIn: isString }
  requireKinds('createProxy', options, { ...texts, protect: isListOfStrings, jwks: isKeySource })
  const { protect = [], signIn = '/sign-in' } = options
  let made: { edge: Edge; origin: string } | undefined
  const ready = () => {
    made ??= prepare(options)
    return made
  }
  return async (req) => {
    const { edge, origin } = ready()
    const answer = sameSiteRedirect(req) ?? (await edge.renew(req))
    if (answer) return answer
    if (!/^(GET|HEAD)$/.test(req.method)) return undefined
    const url = new URL(req.url)
    const path = onePath(url.pathname)
    if (path === signIn || !protect.some((one) => isBelow(path, one))) return undefined
    // The session may be valid although its access token has expired, so the page asks the database.
    if (readCookie(req, cookiesAt(origin).session) !== null) return undefined
    if (await edge.getSession(req)) return undefined
    url.searchParams.delete('_rsc')
    const next = encodeURIComponent(`${path}${url.search}`)
    const headers = { location: `${origin}${signIn}?next=${next}`, 'cache-control': 'no-store' }
    return new Response(null, { status: 303, headers })
  }
}

/** Whether `path` is `folder` or below it, with percent-encoded letters decoded. */
function isBelow(path: string, folder: string): boolean {
  const start = folder.endsWith('/') ? folder.slice(0, -1) : folder
  const written = path.replace(/%[0-9a-f]{2}/gi, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  )
  return written === start || written.startsWith(`${start}/`)
}

function prepare({ baseURL = process.env.APP_URL, jwks }: ProxyOptions) {
  if (!baseURL || !parseUrl(baseURL)) {
    throw new AuthError(
      'invalid_options',
      'APP_URL is not a URL. Set it to the origin of this app, or pass baseURL to createProxy.',
    )
  }
  const { origin } = new URL(baseURL)
  return { origin, edge: createEdge({ baseURL: origin, ...(jwks ? { jwks } : {}) }) }
}
