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
