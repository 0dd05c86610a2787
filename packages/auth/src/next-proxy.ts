/**
 * `proxy.ts` of a Next.js app: the same-site hop, the renewal of an access token that has ended, and a
 * guard of the paths that ask for a session. It reads the access token and asks no database.
 *
 * @module
 */

import { cookiesAt, readCookie } from './cookies.ts'
import { createEdge, type Edge, type EdgeOptions, sameSiteHop } from './edge.ts'
import { AuthError } from './errors.ts'
import { onePath } from './hop.ts'

export interface ProxyOptions extends Pick<EdgeOptions, 'jwks'> {
  /** The host's origin. Default: `APP_URL`, read with the first request. */
  baseURL?: string
  /** Paths that ask for a session, each with everything below it: `['/dashboard']`. Default none. */
  protect?: readonly string[]
  /** The page that a browser without a session is sent to, with `?next=`. Default `/sign-in`. */
  signIn?: string
}

/**
 * Answers a request with a redirect or the hop, and gives undefined where the page is to answer. Keep
 * `/api` and `/_next` out of the proxy's matcher.
 *
 * The guard spares a page that nobody is signed in for. It lets a request pass whose session it cannot
 * read, such as one without a second factor, so a protected page still calls `requireAuth`.
 */
export function createProxy(
  options: ProxyOptions = {},
): (req: Request) => Promise<Response | undefined> {
  const { protect = [], signIn = '/sign-in' } = options
  let made: { edge: Edge; origin: string } | undefined
  const ready = () => {
    made ??= prepare(options)
    return made
  }
  return async (req) => {
    const { edge, origin } = ready()
    const answer = sameSiteHop(req) ?? (await edge.renew(req))
    if (answer) return answer
    if (!/^(GET|HEAD)$/.test(req.method)) return undefined
    const url = new URL(req.url)
    const path = onePath(url.pathname)
    if (path === signIn || !protect.some((one) => isBelow(path, one))) return undefined
    // A session cookie may be good although the token has ended: the page asks the database.
    if (readCookie(req, cookiesAt(origin).session) !== null) return undefined
    if (await edge.getSession(req)) return undefined
    url.searchParams.delete('_rsc')
    const next = encodeURIComponent(`${path}${url.search}`)
    const headers = { location: `${origin}${signIn}?next=${next}`, 'cache-control': 'no-store' }
    return new Response(null, { status: 303, headers })
  }
}

/** Whether `path`, in whichever way its letters are written, is `folder` or below it. */
function isBelow(path: string, folder: string): boolean {
  const start = folder.endsWith('/') ? folder.slice(0, -1) : folder
  const written = path.replace(/%[0-9a-f]{2}/gi, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  )
  return written === start || written.startsWith(`${start}/`)
}

function prepare({ baseURL = process.env.APP_URL, jwks }: ProxyOptions) {
  if (!baseURL || !URL.canParse(baseURL)) {
    throw new AuthError(
      'invalid_options',
      'APP_URL is not an address. Set it to the origin of this app, or pass baseURL to createProxy.',
    )
  }
  const { origin } = new URL(baseURL)
  return { origin, edge: createEdge({ baseURL: origin, ...(jwks ? { jwks } : {}) }) }
}
