/**
 * Signed cookies in Better Auth's form, read and written without it: `value.signature`, percent-encoded, the
 * signature an HMAC-SHA-256 in base64.
 *
 * @module
 */

const HMAC = { name: 'HMAC', hash: 'SHA-256' } as const

export interface CookieSigner {
  /** The value whose signature holds; null for any other. Compares in constant time. */
  open(cookie: string): Promise<string | null>
  /** The value as it stands in a `Cookie` header. */
  seal(value: string): Promise<string>
}

export function createCookieSigner(signingKey: string): CookieSigner {
  const bytes = new TextEncoder()
  let imported: ReturnType<typeof crypto.subtle.importKey> | undefined
  const key = () => {
    imported ??= crypto.subtle.importKey('raw', bytes.encode(signingKey), HMAC, false, [
      'sign',
      'verify',
    ])
    return imported
  }
  return {
    async open(cookie) {
      const signed = decoded(cookie)
      const at = signed?.lastIndexOf('.') ?? -1
      if (signed === null || at < 1) return null
      const signature = Buffer.from(signed.slice(at + 1), 'base64')
      const value = signed.slice(0, at)
      const isOurs = await crypto.subtle.verify(HMAC, await key(), signature, bytes.encode(value))
      return isOurs ? value : null
    },
    async seal(value) {
      const signature = await crypto.subtle.sign(HMAC, await key(), bytes.encode(value))
      return encodeURIComponent(`${value}.${Buffer.from(signature).toString('base64')}`)
    },
  }
}

function decoded(cookie: string): string | null {
  try {
    return decodeURIComponent(cookie)
  } catch {
    return null
  }
}
