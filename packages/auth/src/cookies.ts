/** `__Host-`: only this host may set it, only over a secure connection, for every path. */
export const COOKIE_PREFIX = '__Host-tollgate'

export const ACCESS_COOKIE = `${COOKIE_PREFIX}.access_token`

/** How every cookie is set, but for the OAuth state, which must come back from another site. */
export const COOKIE_ATTRIBUTES = {
  httpOnly: true,
  secure: true,
  sameSite: 'strict',
  path: '/',
} as const

/** The value of a cookie; null when the request has none. */
export function readCookie(req: Request, name: string): string | null {
  for (const pair of (req.headers.get('cookie') ?? '').split(/;\s*/)) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at) === name) return pair.slice(at + 1)
  }
  return null
}
