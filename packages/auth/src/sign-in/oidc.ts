/**
 * Signing in through any OpenID Connect provider, such as Auth0, Clerk, Keycloak or a company's own. The
 * provider is discovered by its issuer at the first sign-in through it and not at start-up, so a provider
 * that is away affects no one else. Its id tokens are verified with its keys, for this client and with the
 * nonce that was sent.
 *
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { APIError } from 'better-auth/api'
import type { OAuthProvider } from 'better-auth/oauth2'
import { genericOAuth } from 'better-auth/plugins/generic-oauth'
import { decodeJwt } from 'jose'
import { AuthError } from '../errors.ts'
import type { OidcProvider, OidcProviders } from './oidc-options.ts'

/** The plugin with the providers, which `requireOidc` has checked. */
export function oidcProviders(providers: OidcProviders): BetterAuthPlugin {
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

/** Better Auth's own provider, built on first use. After a failure it is built again. */
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
      // Without an id token nothing is signed for this client and this sign-in.
      if (!tokens.idToken) return null
      const answer = await (await provider()).getUserInfo(tokens)
      // The userinfo answer counts only for the subject of the id token (OpenID Core 5.3.2).
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
        // Some providers send `email_verified` as text, and the text "false" is truthy in JavaScript.
        mapProfileToUser: ({ email_verified: verified }) => ({
          emailVerified: verified === true || verified === 'true',
        }),
      },
    ],
  })
  const provider = await build(plugin)
  if (!provider) throw unavailable(id)
  if (provider.issuer?.replace(/\/$/, '') !== issuer) {
    throw new AuthError(
      'invalid_options',
      `The provider "${id}" states another issuer in its discovery document.`,
    )
  }
  return provider
}

const unavailable = (id: string) =>
  new APIError('SERVICE_UNAVAILABLE', {
    code: 'provider_unavailable',
    message: `The provider "${id}" does not answer as an OpenID Connect provider.`,
  })
