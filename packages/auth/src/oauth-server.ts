/**
 * Tokens for other programs: by authorization code with PKCE on behalf of a user, by client
 * credentials for services. For one resource, the host's API; signed by the keys of the sessions'
 * access tokens, and never taken for one of those.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-oauth-v2-1/
 * @module
 */

import { createHmac } from 'node:crypto'
import { oauthProvider } from '@better-auth/oauth-provider'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError, createAuthMiddleware } from 'better-auth/api'
import { ACCESS_SECONDS } from './access-token.ts'
import type { Recorder } from './audit-hooks.ts'
import type { Endpoint } from './endpoint.ts'
import { AuthError } from './errors.ts'
import { withKnownToken, withOwnToken, withSilentRevocation } from './foreign-tokens.ts'
import type { Keys } from './keys.ts'
import { ROTATION_SECONDS, rotating } from './oauth-grants.ts'
import { whileMadeByAdmins } from './oauth-makers.ts'
import { apiResource } from './scopes.ts'

export interface OAuthServerOptions {
  /** What tokens can allow, in the host's own words: `bookings:read`. */
  scopes: string[]
  /** The host's page that asks the user. Gets the request's signed query. Default `/consent`. */
  consentPage?: string
}

/** The user's own data, for clients that sign people in. */
const IDENTITY = ['openid', 'profile', 'email', 'offline_access']

interface SeededResource {
  identifier: string
  name: string
  allowedScopes: string[]
}

export interface OAuthServerParts {
  db: Database
  keys: Keys
  /** The host's, which its API's audience is made of. */
  origin: string
  /** The page where people sign in. */
  signIn: string
  /** Told of refresh tokens that were used again. */
  record: Recorder
}

/** @throws `invalid_options` for a scope that cannot be one */
export function oauthServer(
  options: OAuthServerOptions,
  { db, keys, origin, signIn, record }: OAuthServerParts,
): BetterAuthPlugin[] {
  for (const scope of options.scopes) {
    if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)) {
      throw new AuthError('invalid_options', `"${scope}" cannot be a scope.`)
    }
  }
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
  // A resource takes away the scopes it does not name, and with `offline_access` the rotation of tokens.
  const api = { identifier: apiResource(origin), name: 'API', allowedScopes: scopes }
  const provider = providerOf([api])
  // It writes its resource when auth is made, and a database that is away at that moment would fail every
  // request from then on. Ours writes it with the first request that needs it.
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
            // It would go on to the client before a second factor was shown.
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
      // Its types were made without exactOptionalPropertyTypes.
    } as unknown as BetterAuthPlugin,
  ]
}

/** `work` until it succeeds once. Of several at once one works, and the others wait for it. */
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
 * Tokens are not bound to keys of their senders (DPoP), because the guards of a host's API ask for no proof. So
 * the metadata offers none, and the header is ignored as by a server that has not heard of it.
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

/** Codes and tokens are stored as a keyed hash that names their type, so one is never found as another. */
const tokenHash = (keys: Keys) => async (token: string, type: string) =>
  `${type}:${createHmac('sha256', keys.oauthTokens).update(`${type}:${token}`).digest('base64url')}`

/** A program that is to get tokens. */
export interface NewOAuthClient {
  name: string
  /** What it may ask for. */
  scopes: string[]
  /** Where users come back to. Without any it is a service, with client credentials. */
  redirectUris?: string[]
  /** Whether it can keep a secret; one in a browser or on a phone cannot. Default true. */
  isConfidential?: boolean
}

export interface OAuthClientKeys {
  clientId: string
  /** Shown once, stored hashed. Null for a public client. */
  clientSecret: string | null
}

interface CreateClient {
  adminCreateOAuthClient?(input: { headers: Headers; body: Record<string, unknown> }): Promise<{
    client_id: string
    client_secret?: string
  }>
}

/** @throws `invalid_options` where the option is off; Better Auth's error for anything else */
export async function createOAuthClient(
  api: unknown,
  req: Request,
  { name, scopes, redirectUris, isConfidential = true }: NewOAuthClient,
): Promise<OAuthClientKeys> {
  const create = (api as CreateClient).adminCreateOAuthClient
  if (!create) throw new AuthError('invalid_options', 'The option `oauth` is off.')
  const flow = redirectUris
    ? {
        redirect_uris: redirectUris,
        // On a phone or a desktop people come back to an address of that machine.
        application_type: redirectUris.every((uri) => uri.startsWith('https:')) ? 'web' : 'native',
        grant_types: ['authorization_code', 'refresh_token'],
        scope: scopes.join(' '),
        token_endpoint_auth_method: isConfidential ? 'client_secret_basic' : 'none',
      }
    : {
        grant_types: ['client_credentials'],
        client_credentials_scopes: scopes,
        token_endpoint_auth_method: 'client_secret_basic',
      }
  const made = await create({ headers: req.headers, body: { client_name: name, ...flow } })
  return { clientId: made.client_id, clientSecret: made.client_secret ?? null }
}
