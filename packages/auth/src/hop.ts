/**
 * The same-site hop. A strict cookie is not sent on a request that another site started: a return
 * from OAuth, checkout, portal or booking, or a link in a mail. A page of ours that at once asks for
 * the same address makes the next request our own, and then the cookie is there.
 *
 * @module
 */

/** Paths and addresses on `origin`; null for anything that leads elsewhere. */
export function sameOriginPath(candidate: string, origin: string): string | null {
  // A backslash is a slash to browsers, and a control character is nothing at all.
  if (/[\\\p{Cc}]/u.test(candidate)) return null
  try {
    const url = new URL(candidate, origin)
    if (url.origin !== new URL(origin).origin) return null
    return `${onePath(url.pathname)}${url.search}${url.hash}`
  } catch {
    return null
  }
}

/**
 * The hop for a page that was reached from another site, else null. Call it before a page reads the
 * session; it never loops, because the second request comes from our own site.
 */
export function sameSiteHop(req: Request): Response | null {
  if (req.method !== 'GET') return null
  const { headers } = req
  const crossSite = headers.get('sec-fetch-site') === 'cross-site'
  const page =
    headers.get('sec-fetch-mode') === 'navigate' && headers.get('sec-fetch-dest') === 'document'
  if (!crossSite || !page) return null
  const url = new URL(req.url)
  return hopTo(`${onePath(url.pathname)}${url.search}`)
}

/** A path that begins with two slashes is another host's address to a browser. */
export const onePath = (pathname: string): string => pathname.replace(/^\/+/, '/')

/** A page that leads on to `path` without a script, with `headers` (such as cookies) added. */
export function hopTo(path: string, headers: Headers = new Headers()): Response {
  headers.set('content-type', 'text/html; charset=utf-8')
  headers.set('cache-control', 'no-store')
  headers.set('referrer-policy', 'no-referrer')
  headers.set('content-security-policy', "default-src 'none'")
  headers.set('x-content-type-options', 'nosniff')
  const target = path.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${target}"><title>One moment</title><a href="${target}">Continue</a></html>`
  return new Response(body, { status: 200, headers })
}
