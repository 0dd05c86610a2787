/**
 * Handles tokens that this server's keys did not sign. The OAuth endpoints would answer them with 500,
 * because they do not know the error of a wrong signature. Here such a token counts as unknown: introspection
 * calls it inactive, revocation does nothing, and userinfo refuses it as `invalid_token`. A wrong
 * `token_type_hint` does not hide a token.
 *
 * @see RFC 7662, 2.2, RFC 7009, 2.2, and RFC 6750, 3.1
 * @module
 */

import { APIError, isAPIError } from 'better-auth/api'
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose'
import type { Endpoint } from '../http/endpoint.ts'
import type { HookContext } from '../session/cookie-session.ts'

/**
 * The codes of jose that are about the token. Its other codes mean that the server's own keys are broken or
 * missing.
 */
const OF_A_TOKEN =
  /^ERR_(JOSE_(NOT_SUPPORTED|ALG_NOT_ALLOWED)|JW[ST]_\w+|JWKS_(NO|MULTIPLE)_MATCHING_KEYS?)$/

const isOfToken = (error: unknown): boolean =>
  OF_A_TOKEN.test(String((error as { code?: unknown } | null)?.code))

/** A text that cannot be a token, so the endpoints find none. */
const UNKNOWN = 'unknown'

/** Wraps an endpoint that gets a token in its body. */
export const withKnownToken = <E extends Endpoint>(endpoint: E): E => {
  const wrapped = async (ctx: HookContext) => {
    // Without the hint, all kinds of tokens are searched. A wrong hint would limit the search to one kind.
    const { token_type_hint: _, ...body } = (ctx.body ?? {}) as Record<string, unknown>
    const isForeign = await isSignedByOthers(ctx, body.token)
    return endpoint({ ...ctx, body: isForeign ? { ...body, token: UNKNOWN } : body })
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}

/** Wraps the revocation endpoint: a token that is invalid, or never existed, counts as revoked already. */
export const withSilentRevocation = <E extends Endpoint>(endpoint: E): E => {
  const known = withKnownToken(endpoint)
  const wrapped = async (ctx: HookContext) => {
    try {
      return await known(ctx)
    } catch (error) {
      if (!tokenIn(ctx) || !isAPIError(error) || error.body?.error !== 'invalid_request')
        throw error
      return { headers: new Headers(), response: null }
    }
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}

/** Wraps an endpoint whose caller uses the token as its credential. */
export const withOwnToken = <E extends Endpoint>(endpoint: E): E => {
  const wrapped = (ctx: unknown) =>
    endpoint(ctx).catch((error: unknown) => {
      if (!isOfToken(error)) throw error
      throw new APIError(
        'UNAUTHORIZED',
        {
          error: 'invalid_token',
          error_description: 'This server did not issue the access token.',
        },
        { 'www-authenticate': 'Bearer error="invalid_token"' },
      )
    })
  return Object.assign(wrapped, endpoint) as unknown as E
}

const tokenIn = (ctx: HookContext): unknown => (ctx.body as { token?: unknown } | undefined)?.token

/** The part of the jwt plugin that is used here. */
interface KeysPlugin {
  endpoints: { getJwks(ctx: object): Promise<{ response: JSONWebKeySet }> }
}

/** Whether the token is signed, but not by our keys. */
async function isSignedByOthers(ctx: HookContext, token: unknown): Promise<boolean> {
  if (typeof token !== 'string') return false
  const compact = token.replace(/^(bearer|dpop) +/i, '')
  if (compact.split('.').length !== 3) return false
  const { endpoints } = ctx.context.getPlugin('jwt') as unknown as KeysPlugin
  const { response } = await endpoints.getJwks({ ...ctx, returnHeaders: true })
  try {
    await compactVerify(compact, createLocalJWKSet(response))
    return false
  } catch (error) {
    if (isOfToken(error)) return true
    throw error
  }
}
