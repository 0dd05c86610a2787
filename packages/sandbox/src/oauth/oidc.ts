/**
 * A general OpenID Connect provider, as Auth0, Clerk, Keycloak and companies' own are met: discovery, keys, and the
 * issuer in the way back.
 *
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html
 * @see https://www.rfc-editor.org/rfc/rfc9207
 * @module
 */

import { Hono, type Context as HonoContext } from 'hono'
import { sameOrigin } from '../layout.tsx'
import { authorize } from './authorize.tsx'
import type { Grant, Refusal } from './grants.ts'
import { answerToken, answerUser, errorOf, namesOf } from './openid.ts'
import { digestOf } from './people.ts'
import type { ProviderParts } from './provider-parts.ts'

/** The app that answers `/oidc`. */
export function createOidc(parts: ProviderParts): Hono {
  const { clients, grants, idTokens, people, onPerson, origin } = parts
  const app = new Hono()
  const issuer = () => `${origin()}/oidc`
  app.get('/oidc/.well-known/openid-configuration', (c) =>
    c.json({
      issuer: issuer(),
      authorization_endpoint: `${issuer()}/authorize`,
      token_endpoint: `${issuer()}/token`,
      userinfo_endpoint: `${issuer()}/userinfo`,
      jwks_uri: `${issuer()}/jwks`,
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    }),
  )
  app.on(['GET', 'POST'], '/oidc/authorize', sameOrigin, (c) =>
    authorize(c, {
      rules: {
        name: 'OpenID Connect',
        hint: 'login_hint',
        isResponseTypeOptional: false,
        isOpenId: true,
        methods: ['S256'],
        extras: () => ({ iss: issuer() }),
        denial: { error_description: 'The person refused.', iss: issuer() },
      },
      clients,
      grants,
      people: people(),
      onPerson,
    }),
  )
  app.post('/oidc/token', (c) =>
    answerToken(c, parts, {
      claims: (grant) => ({ iss: issuer(), ...claimsOf(grant) }),
      hasAccessTokenHash: true,
      hasRefreshToken: ({ scopes }) => scopes.includes('offline_access'),
      scope: ({ scopes }) => scopes.join(' '),
      refused,
    }),
  )
  app.get('/oidc/userinfo', (c) => answerUser(c, parts, claimsOf))
  app.get('/oidc/jwks', async (c) => c.json(await idTokens.keys()))
  return app
}

function claimsOf({ person, scopes }: Grant): Record<string, unknown> {
  const { id, name, email, emailVerified } = person
  return {
    sub: digestOf('oidc', id).slice(0, 24),
    ...(scopes.includes('email') && email !== null ? { email, email_verified: emailVerified } : {}),
    ...(scopes.includes('profile') ? { name, ...namesOf(name) } : {}),
  }
}

function refused(c: HonoContext, refusal: Refusal): Response {
  const error_description = `Refused: ${refusal.replaceAll('_', ' ')}.`
  if (refusal === 'invalid_client') c.header('www-authenticate', 'Basic realm="oidc"')
  return c.json(
    { error: errorOf(refusal), error_description },
    refusal === 'invalid_client' ? 401 : 400,
  )
}
