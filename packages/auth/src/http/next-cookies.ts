/**
 * Moves cookies between auth's answers and a Next.js request. A cookie keeps every attribute that auth gave
 * it, and the rest of the request reads the new value.
 *
 * @module
 */

/** The argument of `cookies().set` in Next.js. */
export interface SetCookie {
  name: string
  value: string
  path?: string
  domain?: string
  maxAge?: number
  expires?: Date
  httpOnly?: boolean
  secure?: boolean
  partitioned?: boolean
  sameSite?: 'strict' | 'lax' | 'none'
}

/** Parses a `set-cookie` line. The value is decoded, because Next.js encodes it again. */
export function parseSetCookie(line: string): SetCookie {
  const [pair = '', ...attributes] = line.split(';')
  const [name, value] = split(pair)
  const cookie: SetCookie = { name, value: decode(value) ?? value }
  for (const attribute of attributes) {
    const [key, text] = split(attribute)
    switch (key.toLowerCase()) {
      case 'path':
        cookie.path = text
        break
      case 'domain':
        cookie.domain = text
        break
      case 'max-age':
        cookie.maxAge = Number(text)
        break
      case 'expires':
        cookie.expires = new Date(text)
        break
      case 'httponly':
        cookie.httpOnly = true
        break
      case 'secure':
        cookie.secure = true
        break
      case 'partitioned':
        cookie.partitioned = true
        break
      case 'samesite':
        cookie.sameSite = text.toLowerCase() as NonNullable<SetCookie['sameSite']>
        break
    }
  }
  return cookie
}

/**
 * The `cookie` header with the changes of this request. `sent` is the header that arrived, and `jar` holds
 * the present cookies from `cookies()`. A cookie that did not change stays exactly as it was sent, even if it
 * was sent twice.
 */
export function cookieHeader(
  sent: string | null,
  jar: readonly { name: string; value: string }[],
): string {
  const current = new Map(jar.map(({ name, value }) => [name, value]))
  const kept: string[] = []
  const unchanged = new Set<string>()
  const pairs = (sent ?? '').split(';').filter((pair) => pair.includes('='))
  for (const pair of pairs) {
    const [name, value] = split(pair)
    const decoded = decode(value)
    // A value that cannot be decoded is not in the jar, and auth did not set it.
    if (decoded === null || current.get(name) === decoded) unchanged.add(name)
  }
  for (const pair of pairs) if (unchanged.has(split(pair)[0])) kept.push(pair.trim())
  for (const [name, value] of current) {
    if (!unchanged.has(name) && value !== '') kept.push(`${name}=${encodeURIComponent(value)}`)
  }
  return kept.join('; ')
}

/** The two sides of the first `=`, without spaces around them. */
function split(text: string): [string, string] {
  const at = text.indexOf('=')
  return at < 0 ? [text.trim(), ''] : [text.slice(0, at).trim(), text.slice(at + 1).trim()]
}

function decode(value: string): string | null {
  try {
    return decodeURIComponent(value)
  } catch {
    return null
  }
}
