/** `__Host-`: only this host may set it, only over a secure connection, for every path. */
export const COOKIE_PREFIX = '__Host-tollgate'

export const ACCESS_COOKIE = `${COOKIE_PREFIX}.access_token`

/** The refresh credential, signed. */
export const SESSION_COOKIE = `${COOKIE_PREFIX}.session_token`

/** Set for seconds after a page was sent to have its session renewed. */
export const RENEWED_COOKIE = `${COOKIE_PREFIX}.renewed`

/** How every cookie is set, but for the OAuth state, which must come back from another site. */
export const COOKIE_ATTRIBUTES = {
  httpOnly: true,
  secure: true,
  sameSite: 'strict',
  path: '/',
} as const

/**
 * The value of a cookie; null when the request has none. Of two with one name neither is taken: a
 * browser keeps one, so the other was slipped in.
 */
export function readCookie(req: Request, name: string): string | null {
  const header = req.headers.get('cookie')
  if (header === null) return null
  let value: string | null = null
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=')
    if (at < 0 || pair.slice(0, at).trim() !== name) continue
    if (value !== null) return null
    value = pair.slice(at + 1).trim()
  }
  return value
}
