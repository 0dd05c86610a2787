/**
 * Any OpenID Connect provider: Auth0, Clerk, Keycloak, a company's own. Found by its issuer when
 * somebody first signs in through it, not at start-up, so one that is away costs nobody else; its
 * id tokens are checked against its keys, for this client, with the nonce that was sent.
 *
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { APIError } from 'better-auth/api'
import type { OAuthProvider } from 'better-auth/oauth2'
import { genericOAuth } from 'better-auth/plugins/generic-oauth'
import { decodeJwt } from 'jose'
import { AuthError } from './errors.ts'

export interface OidcProvider {
  /** The issuer, as its discovery document states it: `https://id.example.com/realms/acme`. */
  issuer: string
  clientId: string
  /** Not for a public client; PKCE is sent either way. */
  clientSecret?: string
  /** Asked for beside `openid profile email`. Default none. */
  scopes?: string[]
}

/** Providers by the id in their callback: `/api/auth/callback/<id>`. Accounts are kept under it. */
export type OidcProviders = Record<string, OidcProvider>

const TAKEN = ['credential', 'github', 'google', 'microsoft']

/** @throws `invalid_options` for an id that does not fit into an address, or an issuer that is none */
export function oidcProviders(providers: OidcProviders): BetterAuthPlugin {
  for (const [id, { issuer }] of Object.entries(providers)) {
    if (!/^[a-z][a-z0-9-]{0,39}$/.test(id) || TAKEN.includes(id)) {
      throw new AuthError(
        'invalid_options',
        `"${id}" cannot be the id of an OpenID Connect provider: lower-case letters, digits and dashes, and none of ${TAKEN.join(', ')}.`,
      )
    }
    if (!URL.canParse(issuer) || !/^https?:$/.test(new URL(issuer).protocol)) {
      throw new AuthError('invalid_options', `The issuer of "${id}" must be an http(s) address.`)
    }
  }
  return {
    id: 'tollgate-oidc',
    init(context) {
      const lazy = Object.entries(providers).map(([id, provider]) =>
        fromDiscovery(id, provider, async (plugin) => {
          const built = await plugin.init({ ...context, socialProviders: [] })
          return built.context.socialProviders[0]
        }),
      )
      return { context: { socialProviders: [...lazy, ...context.socialProviders] } }
    },
  }
}

type Build = (plugin: ReturnType<typeof genericOAuth>) => Promise<OAuthProvider | undefined>

/** Better Auth's own provider, made on first use and again after a failure. */
function fromDiscovery(id: string, options: OidcProvider, build: Build): OAuthProvider {
  let found: Promise<OAuthProvider> | undefined
  const provider = () => {
    found ??= discover(id, options, build).catch((error: unknown) => {
      found = undefined
      throw error
    })
    return found
  }
  return {
    id,
    name: id,
    requiresIdTokenNonce: true,
    options: { requireEmailVerification: true },
    accountSubject: ({ profile }) => String((profile as { sub?: unknown }).sub ?? ''),
    createAuthorizationURL: async (data) => (await provider()).createAuthorizationURL(data),
    validateAuthorizationCode: async (data) => (await provider()).validateAuthorizationCode(data),
    async getUserInfo(tokens) {
      // Without one there is nothing that was signed for this client and this sign-in.
      if (!tokens.idToken) return null
      const answer = await (await provider()).getUserInfo(tokens)
      // What the userinfo endpoint says counts for the token's subject only (OpenID Core 5.3.2).
      const { sub } = (answer?.data ?? {}) as { sub?: unknown }
      return answer && sub === decodeJwt(tokens.idToken).sub ? answer : null
    },
    async refreshAccessToken(token, context) {
      const { refreshAccessToken } = await provider()
      if (!refreshAccessToken) throw unavailable(id)
      return refreshAccessToken(token, context)
    },
  }
}

async function discover(id: string, options: OidcProvider, build: Build): Promise<OAuthProvider> {
  const issuer = options.issuer.replace(/\/$/, '')
  const plugin = genericOAuth({
    config: [
      {
        providerId: id,
        clientId: options.clientId,
        ...(options.clientSecret ? { clientSecret: options.clientSecret } : {}),
        discoveryUrl: `${issuer}/.well-known/openid-configuration`,
        requireIdTokenVerification: true,
        pkce: true,
        scopes: ['openid', 'profile', 'email', ...(options.scopes ?? [])],
        // Some send it as text, and "false" is true to JavaScript.
        mapProfileToUser: ({ email_verified: verified }) => ({
          emailVerified: verified === true || verified === 'true',
        }),
      },
    ],
  })
  const provider = await build(plugin)
  if (!provider) throw unavailable(id)
  if (provider.issuer?.replace(/\/$/, '') !== issuer) {
    throw new AuthError('invalid_options', `The provider "${id}" states another issuer.`)
  }
  return provider
}

const unavailable = (id: string) =>
  new APIError('SERVICE_UNAVAILABLE', {
    code: 'provider_unavailable',
    message: `The provider "${id}" does not answer as an OpenID Connect provider.`,
  })
