/**
 * Base URLs as people write them, and the one form in which browsers send them back.
 *
 * @module
 */

/**
 * The origin of a base URL in the form of the `Origin` header: lower case, without a default port and
 * without a slash at its end, an international host in ASCII. Null for anything else than an http or https
 * origin, also where there is a path, query, fragment or user, which an origin would silently lose.
 */
export function originOf(baseURL: string): string | null {
  if (!URL.canParse(baseURL)) return null
  const { origin, protocol, pathname, search, hash, username, password } = new URL(baseURL)
  const rest = `${search}${hash}${username}${password}`
  return /^https?:$/.test(protocol) && pathname === '/' && rest === '' ? origin : null
}
