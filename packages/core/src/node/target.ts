/**
 * The address of a request, made of what is configured and never of what the request says of its host.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { TollgateError } from '../errors.ts'

/** A segment that leads to another path once it is resolved. */
const DOTS = /^(\.|%2e){1,2}$/i

/**
 * The request's path and query on `origin`. An absolute target, as proxies send it, gives its path alone.
 *
 * @throws `invalid_target` (400) for `*`, fragments, and paths that a URL parser would turn into other
 *   paths (`..`, backslashes): whatever stands in front has matched the path as it was sent.
 */
export function urlOf(req: IncomingMessage, origin: string): URL {
  // Express and its like take the mount point out of `url` and keep the whole here.
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
