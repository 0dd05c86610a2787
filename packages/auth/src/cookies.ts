/** `__Host-`: only this host may set it, only over a secure connection, for every path. */
export const COOKIE_PREFIX = '__Host-tollgate'

export const ACCESS_COOKIE = `${COOKIE_PREFIX}.access_token`

/** The refresh credential, signed. */
export const SESSION_COOKIE = `${COOKIE_PREFIX}.session_token`

/** Signed; names the sign-up that this browser has begun. */
export const SIGN_UP_COOKIE = `${COOKIE_PREFIX}.sign_up`

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
  const start = `${name}=`
  let value: string | null = null
  // Searched and not split: this is most of what a request with a known token costs.
  for (let at = header.indexOf(start); at >= 0; at = header.indexOf(start, at + 1)) {
    if (at > 0 && header[at - 1] !== ' ' && header[at - 1] !== ';') continue
    if (value !== null) return null
    const end = header.indexOf(';', at)
    value = header.slice(at + start.length, end < 0 ? header.length : end)
  }
  return value
}

/** Changes each `Set-Cookie` line of an answer; null takes it out. */
export function changeSetCookies(
  headers: Headers | undefined,
  change: (line: string) => string | null,
): void {
  const lines = headers?.getSetCookie() ?? []
  headers?.delete('set-cookie')
  for (const line of lines) {
    const changed = change(line)
    if (changed !== null) headers?.append('set-cookie', changed)
  }
}
