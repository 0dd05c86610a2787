/**
 * Google as an app that signs people in meets it. The issuer in its id tokens is Google's own, because libraries expect
 * that name; only the addresses are of this machine.
 *
 * @see https://developers.google.com/identity/openid-connect/openid-connect
 * @module
 */

import { Hono, type Context as HonoContext } from 'hono'
import { sameOrigin } from '../layout.tsx'
import { type AuthorizeRules, authorize } from './authorize.tsx'
import type { Grant, Refusal } from './grants.ts'
import { answerToken, answerUser, errorOf, namesOf } from './openid.ts'
import { digitsOf } from './people.ts'
import type { ProviderParts } from './provider-parts.ts'

const ISSUER = 'https://accounts.google.com'

const RULES: AuthorizeRules = {
  name: 'Google',
  hint: 'login_hint',
  isResponseTypeOptional: false,
  isOpenId: false,
  methods: ['plain', 'S256'],
  extras: (grant) => ({ scope: scopeOf(grant), authuser: '0', prompt: 'consent' }),
  denial: {},
}

/** The app that answers `/google`. */
export function createGoogle(parts: ProviderParts): Hono {
  const { clients, grants, idTokens, people, onPerson, origin } = parts
  const app = new Hono()
  const base = () => `${origin()}/google`
  app.get('/google/.well-known/openid-configuration', (c) =>
    c.json({
      issuer: ISSUER,
      authorization_endpoint: `${base()}/o/oauth2/v2/auth`,
      token_endpoint: `${base()}/token`,
      userinfo_endpoint: `${base()}/v1/userinfo`,
      jwks_uri: `${base()}/oauth2/v3/certs`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      scopes_supported: ['openid', 'email', 'profile'],
      token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
      code_challenge_methods_supported: ['plain', 'S256'],
    }),
  )
  app.on(['GET', 'POST'], '/google/o/oauth2/v2/auth', sameOrigin, (c) => {
    // A Workspace's domain shows its own accounts only. Every account has an address.
    const domain = c.req.query('hd')
    const own = people().filter(
      ({ email, organization }) =>
        email !== null && (!domain || domain === '*' || organization === domain),
    )
    return authorize(c, { rules: RULES, clients, grants, people: own, onPerson })
  })
  app.post('/google/token', (c) =>
    answerToken(c, parts, {
      claims: (grant) => ({ iss: ISSUER, azp: grant.client.clientId, ...claimsOf(grant) }),
      hasAccessTokenHash: true,
      hasRefreshToken: ({ isOffline }) => isOffline,
      scope: scopeOf,
      refused,
    }),
  )
  app.get('/google/v1/userinfo', (c) => answerUser(c, parts, claimsOf))
  app.get('/google/oauth2/v3/certs', async (c) => c.json(await idTokens.keys()))
  return app
}

function claimsOf({ person, scopes }: Grant): Record<string, unknown> {
  const { id, name, email, emailVerified, organization } = person
  return {
    sub: digitsOf(21, 'google', id),
    ...(organization ? { hd: organization } : {}),
    ...(scopes.includes('email') ? { email, email_verified: emailVerified } : {}),
    ...(scopes.includes('profile') ? { name, ...namesOf(name) } : {}),
  }
}

/** Google answers with the long names of two scopes. */
const scopeOf = ({ scopes }: Grant): string =>
  scopes
    .map((scope) =>
      scope === 'email' || scope === 'profile'
        ? `https://www.googleapis.com/auth/userinfo.${scope}`
        : scope,
    )
    .join(' ')

const WORDS: Partial<Record<Refusal, string>> = {
  invalid_client: 'Unauthorized',
  missing_verifier: 'Missing code verifier.',
  wrong_verifier: 'Invalid code verifier.',
}

function refused(c: HonoContext, refusal: Refusal): Response {
  const error = refusal === 'redirect_uri_mismatch' ? refusal : errorOf(refusal)
  const error_description = WORDS[refusal] ?? 'Bad Request'
  return c.json({ error, error_description }, refusal === 'invalid_client' ? 401 : 400)
}
