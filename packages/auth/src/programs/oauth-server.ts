/**
 * Issues tokens to other programs: by authorization code with PKCE on behalf of a user, and by client
 * credentials for a service. The tokens are for one resource, the host's API. The keys of the sessions'
 * access tokens sign them, but neither kind is accepted as the other.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-oauth-v2-1/
 * @module
 */

import { createHmac } from 'node:crypto'
import { oauthProvider } from '@better-auth/oauth-provider'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware } from 'better-auth/api'
import type { Recorder } from '../audit/recorder.ts'
import type { Keys } from '../database/keys.ts'
import type { Endpoint } from '../http/endpoint.ts'
import { apiResource } from '../scopes.ts'
import { ACCESS_SECONDS } from '../session/access-token.ts'
import { withKnownToken, withOwnToken, withSilentRevocation } from './foreign-tokens.ts'
import { ROTATION_SECONDS, rotating } from './oauth-grants.ts'
import { whileMadeByAdmins } from './oauth-makers.ts'
import type { OAuthServerOptions } from './oauth-options.ts'

/** The scopes of the user's own data, for clients that sign people in. */
const IDENTITY = ['openid', 'profile', 'email', 'offline_access']

/** The resource that Better Auth's plugin writes to the database. */
interface SeededResource {
  identifier: string
  name: string
  allowedScopes: string[]
}

/** The dependencies of `oauthServer`. */
export interface OAuthServerParts {
  db: Database
  keys: Keys
  /** The host's origin, from which the audience of its API is made. */
  origin: string
  /** The page where people sign in. */
  signIn: string
  /** Records refresh tokens that were used again. */
  record: Recorder
}

/** The plugins of the OAuth server, whose scopes `requireScopes` has checked. */
export function oauthServer(
  options: OAuthServerOptions,
  { db, keys, origin, signIn, record }: OAuthServerParts,
): BetterAuthPlugin[] {
  const isAdmin = ({ user }: { user?: Record<string, unknown> | undefined }) =>
    user?.role === 'ADMIN'
  const scopes = [...IDENTITY, ...options.scopes]
  const hash = tokenHash(keys)
  const providerOf = (resources: SeededResource[]) =>
    oauthProvider({
      loginPage: signIn,
      consentPage: options.consentPage ?? '/consent',
      scopes,
      resources,
      resourceSeedMode: 'overwrite',
      enforcePerClientResources: false,
      grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
      accessTokenExpiresIn: ACCESS_SECONDS,
      m2mAccessTokenExpiresIn: ACCESS_SECONDS,
      refreshTokenReuseInterval: ROTATION_SECONDS,
      storeTokens: { hash },
      allowDynamicClientRegistration: false,
      clientPrivileges: isAdmin,
      resourcePrivileges: isAdmin,
      silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
    })
  // A resource drops the scopes that it does not list, and without `offline_access` tokens would not rotate.
  const api = { identifier: apiResource(origin), name: 'API', allowedScopes: scopes }
  const provider = providerOf([api])
  // The provider's own `init` writes the resource when auth is made; if the database is away at that moment,
  // every later request fails. Ours writes it with the first request that needs it.
  const { init } = providerOf([])
  const seed = onceDone((context) => provider.init(context as never))
  const endpoints = whileMadeByAdmins(provider.endpoints, db)
  return [
    {
      id: 'tollgate-oauth-server',
      hooks: {
        before: [
          {
            matcher: ({ path }) => path?.includes('/oauth2/') ?? false,
            handler: createAuthMiddleware(async ({ context }) => {
              await seed(context)
            }),
          },
          {
            // The endpoint would go on to the client before a second factor was shown.
            matcher: ({ path, body }) => body?.oauth_query && !path?.startsWith('/oauth2/'),
            handler: createAuthMiddleware(async () => {
              throw new APIError('BAD_REQUEST', {
                code: 'oauth_query_refused',
                message: 'Sign in first, then ask for the authorization again.',
              })
            }),
          },
        ],
      },
    },
    {
      ...provider,
      init,
      onRequest: withoutDpop(provider.onRequest),
      endpoints: {
        ...endpoints,
        oauth2Introspect: withKnownToken(endpoints.oauth2Introspect),
        oauth2Revoke: withSilentRevocation(endpoints.oauth2Revoke),
        oauth2UserInfo: withOwnToken(endpoints.oauth2UserInfo),
        oauth2Token: rotating(ignoringDpop(endpoints.oauth2Token), { db, hashOf: hash, record }),
      },
      // The plugin's types were made without exactOptionalPropertyTypes.
    } as unknown as BetterAuthPlugin,
  ]
}

/** Repeats `work` until it has succeeded once. Parallel calls share one run. */
function onceDone<T>(work: (input: T) => Promise<unknown>): (input: T) => Promise<unknown> {
  let done: Promise<unknown> | undefined
  return (input) => {
    done ??= work(input).catch((error: unknown) => {
      done = undefined
      throw error
    })
    return done
  }
}

type OnRequest = NonNullable<BetterAuthPlugin['onRequest']>

/**
 * Ignores the header of DPoP. Tokens are not bound to keys of their senders, because the guards of a host's
 * API check no proof. The metadata therefore offers no DPoP, and the header is ignored, as by a server that
 * does not know it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-5
 */
const ignoringDpop = <E extends Endpoint>(endpoint: E): E => {
  const wrapped = (ctx: { headers?: Headers }) => {
    const headers = new Headers(ctx.headers)
    headers.delete('dpop')
    return endpoint({ ...ctx, headers })
  }
  return Object.assign(wrapped, endpoint) as unknown as E
}

/** Removes DPoP from the metadata. */
const withoutDpop =
  (onRequest: OnRequest): OnRequest =>
  async (req, ctx) => {
    const answered = await onRequest(req, ctx)
    if (!answered || !('response' in answered)) return answered
    const { response } = answered
    if (req.method !== 'GET' || !response.ok) return answered
    const { dpop_signing_alg_values_supported: _, ...metadata } = (await response.json()) as Record<
      string,
      unknown
    >
    return { response: Response.json(metadata, { headers: response.headers }) }
  }

/** Hashes a code or a token together with its type, so that one type is never found as another. */
const tokenHash = (keys: Keys) => async (token: string, type: string) =>
  `${type}:${createHmac('sha256', keys.oauthTokens).update(`${type}:${token}`).digest('base64url')}`
