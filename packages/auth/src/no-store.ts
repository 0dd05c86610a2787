/**
 * No answer of auth is kept by a browser or a cache, but for the keys and metadata that others look up.
 *
 * @module
 */

/** Public keys, and what the OAuth server says of itself. */
const PUBLISHED = /^\/(?:api\/auth\/)?(?:jwks$|\.well-known\/)/

/** The answer with `Cache-Control: no-store`. The headers of some answers cannot be changed, so it is a copy. */
export function notStored(req: Request, answer: Response): Response {
  if (answer.ok && PUBLISHED.test(new URL(req.url).pathname)) return answer
  const headers = new Headers(answer.headers)
  headers.set('cache-control', 'no-store')
  headers.delete('expires')
  const { status, statusText, body } = answer
  return new Response(body, { status, statusText, headers })
}
