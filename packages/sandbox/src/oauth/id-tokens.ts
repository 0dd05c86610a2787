/**
 * Signs id tokens as Google, Microsoft and most OpenID Connect providers do: RS256, with a key that each stand-in
 * publishes. The key is made at its first use and dies with the process.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { TOKEN_SECONDS } from './grants.ts'

/** Signs id tokens with a key of its own. */
export interface IdTokens {
  /** The public key set. */
  keys(): Promise<{ keys: JWK[] }>
  /** Signs the claims, and adds `iat` and `exp` by the machine's clock. */
  sign(claims: Record<string, unknown>): Promise<string>
}

/** Creates the signer of the provider `name`. */
export function createIdTokens(name: string): IdTokens {
  const make = async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256')
    const jwk = await exportJWK(publicKey)
    const kid = `${name}-${createHash('sha256').update(String(jwk.n)).digest('hex').slice(0, 16)}`
    return { privateKey, jwk: { ...jwk, kid, use: 'sig', alg: 'RS256' } }
  }
  let made: ReturnType<typeof make> | undefined
  const key = () => {
    made ??= make()
    return made
  }
  return {
    keys: async () => ({ keys: [(await key()).jwk] }),
    async sign(claims) {
      const { privateKey, jwk } = await key()
      const now = Math.floor(Date.now() / 1000)
      return new SignJWT({ ...claims, iat: now, exp: now + TOKEN_SECONDS })
        .setProtectedHeader({ alg: 'RS256', kid: jwk.kid, typ: 'JWT' })
        .sign(privateKey)
    },
  }
}

/** The claim `at_hash`: the left half of the access token's digest (OpenID Connect Core, 3.1.3.6). */
export const atHash = (accessToken: string): string =>
  createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url')
