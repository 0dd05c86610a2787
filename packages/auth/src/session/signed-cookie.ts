/**
 * Signed cookies in Better Auth's form, read and written without Better Auth: `value.signature`,
 * percent-encoded. The signature is an HMAC-SHA-256 in base64.
 *
 * @module
 */

const HMAC = { name: 'HMAC', hash: 'SHA-256' } as const

/** Signs and checks cookies with one key. */
export interface CookieSigner {
  /** The value of a cookie with a valid signature; null for any other. Compares in constant time. */
  open(cookie: string): Promise<string | null>
  /** Signs a value, in the form that a `Cookie` header holds. */
  seal(value: string): Promise<string>
}

/** Makes a signer with this key. */
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
