/**
 * Reads URLs that may be malformed.
 *
 * @module
 */

/**
 * The URL that `text` is, or null if it is malformed. Use it instead of `URL.canParse`, which Node.js 20
 * answers wrongly in a warm process: once compiled, it takes an address with an umlaut for malformed.
 */
export function parseUrl(text: string): URL | null {
  try {
    return new URL(text)
  } catch {
    return null
  }
}

/**
 * Whether a URL's host name is this machine: `localhost` and names below it, 127.0.0.0/8 and `[::1]`. No DNS is asked.
 */
export const isLoopback = (hostname: string): boolean =>
  /^(?:(?:[\w-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname)
