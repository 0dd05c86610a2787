/**
 * Tokens that this server's keys did not sign. The endpoints of the OAuth server would answer them with an error
 * of their own, 500, because they do not know the error of a signature that does not fit. Here they count as
 * tokens that nobody knows: introspection calls them inactive, revocation has nothing to do, and userinfo refuses
 * them as `invalid_token`. A hint about the kind of a token that is wrong does not hide the token.
 *
 * @see RFC 7662, 2.2, RFC 7009, 2.2, and RFC 6750, 3.1
 * @module
 */

import { APIError, isAPIError } from 'better-auth/api'
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose'
import type { Endpoint } from './endpoint.ts'
import type { HookContext } from './presented.ts'

/** What jose says of a token. Its other codes say that the server's own keys are broken or away. */
const OF_A_TOKEN =
  /^ERR_(JOSE_(NOT_SUPPORTED|ALG_NOT_ALLOWED)|JW[ST]_\w+|JWKS_(NO|MULTIPLE)_MATCHING_KEYS?)$/

const isOfToken = (error: unknown): boolean =>
  OF_A_TOKEN.test(String((error as { code?: unknown } | null)?.code))

/** No token has this form, so the endpoints find none. */
const UNKNOWN = 'unknown'

/** An endpoint that is asked about a token in its body. */
export const withKnownToken = <E extends Endpoint>(endpoint: E): E => {
  const wrapped = async (ctx: HookContext) => {
    // Without the hint all kinds are searched. With a wrong one only that kind would be.
    const { token_type_hint: _, ...body } = (ctx.body ?? {}) as Record<string, unknown>
    const isForeign = await isSignedByOthers(ctx, body.token)
    return endpoint({ ...ctx, body: isForeign ? { ...body, token: UNKNOWN } : body })
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}

/** The endpoint that revokes: what is no longer good, or never was, is revoked already. */
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

/** The endpoint that is called with the token as its credential. */
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

interface KeysPlugin {
  endpoints: { getJwks(ctx: object): Promise<{ response: JSONWebKeySet }> }
}

/** Whether the token is a signed one, by other keys than ours. */
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
