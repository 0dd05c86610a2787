/**
 * The same-site redirect. Browsers do not send a strict cookie with a request that another site started, such as
 * the return from OAuth, checkout, portal or booking, or a link in a mail. So we answer with a page that
 * immediately requests the same address. Our own site starts that second request, so the cookie is sent.
 *
 * @module
 */

/** The path of `candidate` on `origin`; null if it leads to another origin. */
export function sameOriginPath(candidate: string, origin: string): string | null {
  // Browsers read a backslash as a slash and ignore control characters.
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
 * The redirecting page, if another site led to this page; else null. Call it before the page reads the session.
 * It never loops, because our own site starts the second request.
 */
export function sameSiteRedirect(req: Request): Response | null {
  if (req.method !== 'GET') return null
  const { headers } = req
  const crossSite = headers.get('sec-fetch-site') === 'cross-site'
  const page =
    headers.get('sec-fetch-mode') === 'navigate' && headers.get('sec-fetch-dest') === 'document'
  if (!crossSite || !page) return null
  const url = new URL(req.url)
  return redirectPage(`${onePath(url.pathname)}${url.search}`)
}

/** Removes extra slashes at the start. Browsers take `//name/path` for the address of another host. */
export const onePath = (pathname: string): string => pathname.replace(/^\/+/, '/')

/** A page that leads to `path` without script. `headers`, such as cookies, are added to it. */
export function redirectPage(path: string, headers: Headers = new Headers()): Response {
  headers.set('content-type', 'text/html; charset=utf-8')
  headers.set('cache-control', 'no-store')
  headers.set('referrer-policy', 'no-referrer')
  headers.set('content-security-policy', "default-src 'none'")
  headers.set('x-content-type-options', 'nosniff')
  const target = path.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${target}"><title>Continue</title><a href="${target}">Continue</a></html>`
  return new Response(body, { headers })
}
