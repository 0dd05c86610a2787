/**
 * The token and user endpoints that Google, Microsoft and the general OpenID Connect provider share.
 *
 * @see https://openid.net/specs/openid-connect-core-1_0.html#TokenEndpoint
 * @module
 */

import type { Context as HonoContext } from 'hono'
import { readTokenRequest } from './client-credentials.ts'
import { type Grant, type Refusal, TOKEN_SECONDS } from './grants.ts'
import { atHash } from './id-tokens.ts'
import type { ProviderParts } from './provider-parts.ts'

/** How a provider differs from the others at its token endpoint. */
export interface TokenRules {
  /** The claims of the id token, without `aud`, `iat`, `exp`, `nonce` and `at_hash`. */
  claims(grant: Grant): Record<string, unknown>
  /** Whether the id token has `at_hash`. Microsoft leaves it out. */
  hasAccessTokenHash: boolean
  /** Whether the client gets a refresh token. */
  hasRefreshToken(grant: Grant): boolean
  /** The text `scope` of the answer. */
  scope(grant: Grant): string
  /** The directory of the request's path, at Microsoft. A code of another directory is unknown. */
  tenant?: string
  /** The answer to a refused request. */
  refused(c: HonoContext, refusal: Refusal): Response
}

/** Answers a request to the token endpoint. */
export async function answerToken(
  c: HonoContext,
  { clients, grants, idTokens }: ProviderParts,
  rules: TokenRules,
): Promise<Response> {
  c.header('cache-control', 'no-store')
  const read = await readTokenRequest(c, clients)
  if ('refusal' in read) return rules.refused(c, read.refusal)
  const { fields, client } = read
  if (fields.grant_type === 'refresh_token') {
    const grant = grants.refreshed(fields.refresh_token ?? '', client.clientId)
    return grant ? give(grant, null) : rules.refused(c, 'unknown_refresh_token')
  }
  if (fields.grant_type !== 'authorization_code') {
    return rules.refused(c, fields.grant_type ? 'unsupported_grant_type' : 'invalid_request')
  }
  const redeemed = grants.redeem({
    code: fields.code ?? '',
    clientId: client.clientId,
    redirectUri: fields.redirect_uri ?? null,
    verifier: fields.code_verifier ?? null,
  })
  if ('refusal' in redeemed) return rules.refused(c, redeemed.refusal)
  if (redeemed.grant.tenant !== (rules.tenant ?? '')) return rules.refused(c, 'unknown_code')
  return give(redeemed.grant, redeemed.code)

  async function give(grant: Grant, code: string | null): Promise<Response> {
    const accessToken = grants.issueToken(grant, code)
    // A refresh answers without the nonce, which belongs to one sign-in.
    const nonce = code === null ? null : grant.nonce
    const idToken = await idTokens.sign({
      ...rules.claims(grant),
      aud: grant.client.clientId,
      ...(nonce === null ? {} : { nonce }),
      ...(rules.hasAccessTokenHash ? { at_hash: atHash(accessToken) } : {}),
    })
    return c.json({
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: TOKEN_SECONDS,
      scope: rules.scope(grant),
      ...(code !== null && rules.hasRefreshToken(grant)
        ? { refresh_token: grants.issueRefreshToken(grant, code) }
        : {}),
      ...(grant.scopes.includes('openid') ? { id_token: idToken } : {}),
    })
  }
}

/** Answers with the claims of the user whose access token the request has. */
export function answerUser(
  c: HonoContext,
  { grants }: ProviderParts,
  claims: (grant: Grant) => Record<string, unknown>,
): Response {
  const token = /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  const grant = token === undefined ? null : grants.granted(token)
  if (grant) return c.json(claims(grant))
  c.header('www-authenticate', 'Bearer error="invalid_token"')
  return c.json(
    { error: 'invalid_token', error_description: 'The access token is not valid.' },
    401,
  )
}

/** The first and the last word of a name, as the claims of a profile have them. */
export function namesOf(name: string): { given_name: string; family_name?: string } {
  const words = name.split(/\s+/)
  const last = words.length > 1 ? words.at(-1) : undefined
  return { given_name: words[0] ?? name, ...(last ? { family_name: last } : {}) }
}

/** The error of OAuth that each refusal is; `invalid_grant` unless said otherwise (RFC 6749, 5.2). */
export const errorOf = (refusal: Refusal): string =>
  refusal === 'invalid_client' ||
  refusal === 'invalid_request' ||
  refusal === 'unsupported_grant_type'
    ? refusal
    : 'invalid_grant'
