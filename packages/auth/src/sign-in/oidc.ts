/**
 * Signing in through any OpenID Connect provider, such as Auth0, Clerk, Keycloak or a company's own. The
 * provider is discovered by its issuer at the first sign-in through it and not at start-up, so a provider
 * that is away affects no one else. Its id tokens are verified with its keys, for this client and with the
 * nonce that was sent.
 *
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html
 * @module
 */

import { parseUrl } from '@repo/core'
import type { BetterAuthPlugin } from 'better-auth'
import { APIError } from 'better-auth/api'
import type { OAuthProvider } from 'better-auth/oauth2'
import { genericOAuth } from 'better-auth/plugins/generic-oauth'
import { decodeJwt } from 'jose'
import { AuthError } from '../errors.ts'

/** An OpenID Connect provider. */
export interface OidcProvider {
  /** The issuer exactly as in its discovery document, such as `https://id.example.com/realms/acme`. */
  issuer: string
  /** The host's id at the provider. */
  clientId: string
  /** Left out for a public client. PKCE is sent in both cases. */
  clientSecret?: string
  /** Scopes besides `openid profile email`. Default none. */
  scopes?: string[]
}

/** Providers by id. The callback is `/api/auth/callback/<id>`, and accounts are stored under the id. */
export type OidcProviders = Record<string, OidcProvider>

/** The ids that other ways to sign in use. */
const TAKEN = ['credential', 'github', 'google', 'microsoft']

/**
 * The plugin with the providers. @throws `invalid_options` for a malformed or taken id, or an issuer that is
 * not a URL
 */
export function oidcProviders(providers: OidcProviders): BetterAuthPlugin {
  for (const [id, { issuer }] of Object.entries(providers)) {
    if (!/^[a-z][a-z0-9-]{0,39}$/.test(id) || TAKEN.includes(id)) {
      throw new AuthError(
        'invalid_options',
        `"${id}" cannot be the id of an OpenID Connect provider. Use lower-case letters, digits and dashes, and none of ${TAKEN.join(', ')}.`,
      )
    }
    if (!/^https?:$/.test(parseUrl(issuer)?.protocol ?? '')) {
      throw new AuthError('invalid_options', `The issuer of "${id}" must be an http(s) URL.`)
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
