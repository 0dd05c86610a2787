/**
 * Converts base URLs as people write them to the form that browsers send.
 *
 * @module
 */

import { parseUrl } from './url.ts'

/**
 * The origin of a base URL in the form of the `Origin` header: lower case, without a default port or a
 * trailing slash, an international host in ASCII. Null if the text is not an http or https origin. A URL with
 * a path, query, fragment or user is also null, because the origin would silently lose that part.
 */
export function originOf(baseURL: string): string | null {
  const url = parseUrl(baseURL)
  if (!url) return null
  const { origin, protocol, pathname, search, hash, username, password } = url
  const rest = `${search}${hash}${username}${password}`
  return /^https?:$/.test(protocol) && pathname === '/' && rest === '' ? origin : null
}
