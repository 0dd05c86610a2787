/**
 * The names and attributes of the host's cookies.
 *
 * @module
 */

/** `__Host-`: only this host may set the cookie, only over a secure connection, and for every path. */
export const COOKIE_PREFIX = '__Host-tollgate'

/** The name of the access token's cookie. */
export const ACCESS_COOKIE = `${COOKIE_PREFIX}.access_token`

/** The name of the session's cookie: the refresh credential, signed. */
export const SESSION_COOKIE = `${COOKIE_PREFIX}.session_token`

/** The name of the signed cookie that stands for the sign-up that this browser began. */
export const SIGN_UP_COOKIE = `${COOKIE_PREFIX}.sign_up`

/** The name of the cookie that is set for seconds after a page was sent to renew its session. */
export const RENEWED_COOKIE = `${COOKIE_PREFIX}.renewed`

/** The attributes of every cookie except the OAuth state's, which must be sent from another site. */
export const COOKIE_ATTRIBUTES = {
  httpOnly: true,
  secure: true,
  sameSite: 'strict',
  path: '/',
} as const

/** A host on the developer's own machine, without TLS. */
const LOCAL = /^http:\/\/(([\w-]+\.)*localhost|127\.[\d.]+|\[::1])(:|$)/

/**
 * The cookie names and attributes of the host at `origin`. Safari keeps no `Secure` cookie from
 * http://localhost, so there the cookies have neither `Secure` nor the `__Host-` prefix. Every other origin
 * has both.
 */
export function cookiesAt(origin: string) {
  const secure = !LOCAL.test(origin)
  const prefix = secure ? COOKIE_PREFIX : 'tollgate'
  return {
    prefix,
    access: `${prefix}.access_token`,
    session: `${prefix}.session_token`,
    renewed: `${prefix}.renewed`,
    attributes: { ...COOKIE_ATTRIBUTES, secure },
  }
}

/**
 * The value of a cookie; null if the request does not have it, or has it twice. A browser keeps one cookie
 * per name, so a second one was planted.
 */
export function readCookie(req: Request, name: string): string | null {
  const header = req.headers.get('cookie')
  if (header === null) return null
  const start = `${name}=`
  let value: string | null = null
  // The header is searched and not split, because this is most of the cost of a request with a known token.
  for (let at = header.indexOf(start); at >= 0; at = header.indexOf(start, at + 1)) {
    if (at > 0 && header[at - 1] !== ' ' && header[at - 1] !== ';') continue
    if (value !== null) return null
    const end = header.indexOf(';', at)
    value = header.slice(at + start.length, end < 0 ? header.length : end)
  }
  return value
}
