/**
 * The codes and tokens of one provider. A code lives for ten minutes, works once, and only for the client, the
 * redirect URI and the PKCE verifier that it was made for. A code that is used again ends the tokens that it gave.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
 * @see https://www.rfc-editor.org/rfc/rfc7636#section-4.6
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'
import type { OAuthPerson } from './people.ts'

/** A program that may send people to a provider. */
export interface OAuthClient {
  /** The public id. */
  clientId: string
  /** The secret. Default: a public client, which has none and must send a PKCE challenge. */
  clientSecret?: string
  /** The addresses that people may be sent back to. An address has to match one exactly. */
  redirectUris: readonly string[]
}

/** A PKCE challenge. */
export interface Challenge {
  /** The text of `code_challenge`. */
  value: string
  /** The method that made it of the verifier. */
  method: 'S256' | 'plain'
}

/** What a person allowed. */
export interface Grant {
  client: OAuthClient
  redirectUri: string
  person: OAuthPerson
  scopes: readonly string[]
  nonce: string | null
  challenge: Challenge | null
  /** Whether the client asked for a refresh token, where a parameter decides that. */
  isOffline: boolean
  /** The directory of the request's path, at Microsoft; else an empty text. */
  tenant: string
}

/** Why a code or a token is refused. */
export type Refusal =
  | 'invalid_request'
  | 'invalid_client'
  | 'unsupported_grant_type'
  | 'unknown_code'
  | 'used_code'
  | 'expired_code'
  | 'redirect_uri_mismatch'
  | 'missing_verifier'
  | 'wrong_verifier'
  | 'unknown_refresh_token'

/** What a client sends for a code. */
export interface Exchange {
  code: string
  clientId: string
  redirectUri: string | null
  verifier: string | null
}

/** The codes and tokens of one provider. */
export interface Grants {
  /** Makes a code. */
  issueCode(grant: Grant): string
  /** Takes a code: the grant, or why it is refused. */
  redeem(exchange: Exchange): { grant: Grant; code: string } | { refusal: Refusal }
  /** Makes an access token, which ends with its code if the code is used again. */
  issueToken(grant: Grant, code: string | null): string
  /** Makes a refresh token. */
  issueRefreshToken(grant: Grant, code: string | null): string
  /** The grant of an access token that is alive; null if there is none. */
  granted(accessToken: string): Grant | null
  /** The grant of a refresh token of that client; null if there is none. */
  refreshed(refreshToken: string, clientId: string): Grant | null
}

/** How long a code lives, as at GitHub and Microsoft; RFC 6749 allows no more. */
export const CODE_SECONDS = 600
/** How long an access token lives. */
export const TOKEN_SECONDS = 3599
/** How many codes and tokens are kept; the oldest go first. */
const KEPT = 10_000

interface Code {
  grant: Grant
  expiresAt: number
  isUsed: boolean
}

interface Token {
  grant: Grant
  code: string | null
  expiresAt: number
}

/** Creates the codes and tokens of a provider, whose tokens begin with `prefix`. */
export function createGrants(prefix: string): Grants {
  const codes = new Map<string, Code>()
  const tokens = new Map<string, Token>()
  const refreshTokens = new Map<string, Token>()
  const keep = <T>(map: Map<string, T>, key: string, value: T): string => {
    map.set(key, value)
    for (const oldest of map.keys()) {
      if (map.size <= KEPT) break
      map.delete(oldest)
    }
    return key
  }
  const endTokensOf = (code: string): void => {
    for (const map of [tokens, refreshTokens]) {
      for (const [key, token] of map) if (token.code === code) map.delete(key)
    }
  }

  return {
    issueCode: (grant) =>
      keep(codes, randomText(24), {
        grant,
        expiresAt: Date.now() + CODE_SECONDS * 1000,
        isUsed: false,
      }),
    redeem({ code, clientId, redirectUri, verifier }) {
      const found = codes.get(code)
      // Another client must not learn whether the code exists, and cannot use it up.
      if (!found || found.grant.client.clientId !== clientId) return { refusal: 'unknown_code' }
      if (found.isUsed) {
        endTokensOf(code)
        return { refusal: 'used_code' }
      }
      if (found.expiresAt <= Date.now()) return { refusal: 'expired_code' }
      if (found.grant.redirectUri !== redirectUri) return { refusal: 'redirect_uri_mismatch' }
      // A verifier that is wrong uses the code up, so that a thief has one guess.
      found.isUsed = true
      const refusal = verify(found.grant.challenge, verifier)
      return refusal === null ? { grant: found.grant, code } : { refusal }
    },
    issueToken: (grant, code) =>
      keep(tokens, `${prefix}${randomText(32)}`, {
        grant,
        code,
        expiresAt: Date.now() + TOKEN_SECONDS * 1000,
      }),
    issueRefreshToken: (grant, code) =>
      keep(refreshTokens, `${prefix}r${randomText(32)}`, {
        grant,
        code,
        expiresAt: Number.POSITIVE_INFINITY,
      }),
    granted(accessToken) {
      const token = tokens.get(accessToken)
      return token && token.expiresAt > Date.now() ? token.grant : null
    },
    refreshed(refreshToken, clientId) {
      const grant = refreshTokens.get(refreshToken)?.grant
      return grant?.client.clientId === clientId ? grant : null
    },
  }
}

function verify(challenge: Challenge | null, verifier: string | null): Refusal | null {
  // A verifier without a challenge: somebody removed the challenge on the way (RFC 9700, 2.1.1).
  if (challenge === null) return verifier === null ? null : 'wrong_verifier'
  if (verifier === null) return 'missing_verifier'
  const isWellFormed = /^[\w.~-]{43,128}$/.test(verifier)
  const made =
    challenge.method === 'plain'
      ? verifier
      : createHash('sha256').update(verifier).digest('base64url')
  return isWellFormed && made === challenge.value ? null : 'wrong_verifier'
}

/** Letters and digits of `bytes` random bytes. */
const randomText = (bytes: number): string =>
  randomBytes(bytes * 2)
    .toString('base64')
    .replaceAll(/[+/=]/g, '')
    .slice(0, bytes)
