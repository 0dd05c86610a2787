/**
 * Keeps answers of auth out of browser and proxy caches, except for published keys and metadata.
 *
 * @module
 */

/** Public keys, and the metadata of the OAuth server. */
const PUBLISHED = /^\/(?:api\/auth\/)?(?:jwks$|\.well-known\/)/

/**
 * A copy of the answer with `Cache-Control: no-store`. A copy, because some answers have immutable headers.
 */
export function notStored(req: Request, answer: Response): Response {
  if (answer.ok && PUBLISHED.test(new URL(req.url).pathname)) return answer
  const headers = new Headers(answer.headers)
  headers.set('cache-control', 'no-store')
  headers.delete('expires')
  const { status, statusText, body } = answer
  return new Response(body, { status, statusText, headers })
}
