/**
 * The URL of a request: the configured origin with the path and query of the request target. The host that
 * the request names is ignored.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { TollgateError } from '../errors.ts'

/** A path segment that a URL parser would remove. */
const DOTS = /^(\.|%2e){1,2}$/i

/**
 * The request's path and query on `origin`. Only the path and query of an absolute target (`GET
 * http://host/path`) are used.
 *
 * @throws `invalid_target` (400) for `*`, fragments, characters outside ASCII, and paths that a URL parser
 *   would change (`..`, backslashes). A router or proxy in front has matched the path as it was sent, so a
 *   path that changes afterwards would bypass its rules.
 */
export function urlOf(req: IncomingMessage, origin: string): URL {
  // Express and Connect cut the mount path off `url` and keep the whole target in `originalUrl`.
  const { originalUrl } = req as { originalUrl?: unknown }
  const target = typeof originalUrl === 'string' ? originalUrl : (req.url ?? '')
  const rest = target.replace(/^https?:\/\/[^/?#]*/i, '')
  const path = rest === '' && rest !== target ? '/' : rest.startsWith('?') ? `/${rest}` : rest
  const [pathname = ''] = path.split('?', 1)
  if (!pathname.startsWith('/') || path.includes('#')) {
    throw invalidTarget('The request target must be a path with a query and no fragment.')
  }
  if (!/^[\x21-\x7e]*$/.test(path)) {
    throw invalidTarget('The request target must be ASCII; other characters are percent-encoded.')
  }
  if (pathname.includes('\\') || pathname.split('/').some(isDots)) {
    throw invalidTarget('The path must not hold dot segments or backslashes.')
  }
  return new URL(`${origin}${path}`)
}

const isDots = (segment: string): boolean => DOTS.test(segment)

const invalidTarget = (message: string) => new TollgateError('invalid_target', 400, message)
