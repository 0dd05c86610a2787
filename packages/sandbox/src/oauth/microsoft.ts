/**
 * Microsoft as an app that signs people in meets it. The directory of the path decides which accounts may come:
 * `common`, `organizations`, `consumers` or one tenant. The issuer names the account's own tenant. A tenant's
 * administrator can write any address into `email`; only `xms_edov` says that the tenant owns the address's domain.
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/id-token-claims-reference
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/migrate-off-email-claim-authorization
 * @module
 */

import { Hono, type Context as HonoContext } from 'hono'
import { sameOrigin } from '../layout.tsx'
import { type AuthorizeRules, authorize } from './authorize.tsx'
import type { Grant, Refusal } from './grants.ts'
import { answerToken, answerUser, errorOf } from './openid.ts'
import { digestOf, type OAuthPerson, uuidOf } from './people.ts'
import type { ProviderParts } from './provider-parts.ts'

const ISSUER = 'https://login.microsoftonline.com'
/** The tenant of every private account. */
const CONSUMERS = '9188040d-6c67-4c5b-b112-36a304b66dad'

const RULES: AuthorizeRules = {
  name: 'Microsoft',
  hint: 'login_hint',
  isResponseTypeOptional: false,
  isOpenId: true,
  methods: ['plain', 'S256'],
  extras: ({ person }) => ({ session_state: uuidOf('session', person.id) }),
  denial: {
    error_description: 'AADSTS65004: User declined to consent to access the app.',
    error_subcode: 'cancel',
  },
}

/** The app that answers `/microsoft`. */
export function createMicrosoft(parts: ProviderParts & { hasDomainClaim: boolean }): Hono {
  const { clients, grants, idTokens, people, onPerson, origin } = parts
  const app = new Hono()
  app.get('/microsoft/:tenant/v2.0/.well-known/openid-configuration', (c) => {
    const tenant = c.req.param('tenant')
    const base = `${origin()}/microsoft/${tenant}`
    const isMany = tenant === 'common' || tenant === 'organizations'
    const own = tenant === 'consumers' ? CONSUMERS : directoryId(tenant)
    return c.json({
      // Microsoft's own document has this placeholder where several tenants may come.
      issuer: `${ISSUER}/${isMany ? '{tenantid}' : own}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      token_endpoint: `${base}/oauth2/v2.0/token`,
      userinfo_endpoint: `${origin()}/microsoft/oidc/userinfo`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      subject_types_supported: ['pairwise'],
      id_token_signing_alg_values_supported: ['RS256'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
    })
  })
  app.on(['GET', 'POST'], '/microsoft/:tenant/oauth2/v2.0/authorize', sameOrigin, (c) => {
    const tenant = c.req.param('tenant')
    const own = people().filter((person) => isAdmitted(person, tenant))
    return authorize(c, { rules: RULES, clients, grants, people: own, onPerson, tenant })
  })
  app.post('/microsoft/:tenant/oauth2/v2.0/token', (c) =>
    answerToken(c, parts, {
      tenant: c.req.param('tenant'),
      claims: (grant) => claimsOf(grant, parts.hasDomainClaim),
      hasAccessTokenHash: false,
      hasRefreshToken: ({ scopes }) => scopes.includes('offline_access'),
      scope: ({ scopes }) => scopes.filter((scope) => scope !== 'offline_access').join(' '),
      refused,
    }),
  )
  app.get('/microsoft/:tenant/discovery/v2.0/keys', async (c) => c.json(await idTokens.keys()))
  app.get('/microsoft/oidc/userinfo', (c) =>
    answerUser(c, parts, (grant) => {
      const { sub, name, email } = claimsOf(grant, false)
      return { sub, name, ...(email ? { email } : {}) }
    }),
  )
  return app
}

/** Whether a directory admits an account; a single tenant admits everybody as its own. */
const isAdmitted = ({ organization }: OAuthPerson, tenant: string): boolean =>
  tenant === 'organizations'
    ? organization !== undefined
    : tenant !== 'consumers' || organization === undefined

/** A tenant is named by its id or by its domain. */
const directoryId = (tenant: string): string =>
  /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/.test(tenant) ? tenant : uuidOf('tenant', tenant)

function tenantOf({ person, tenant }: Grant): string {
  const isMany = tenant === 'common' || tenant === 'organizations' || tenant === 'consumers'
  if (!isMany) return directoryId(tenant)
  return person.organization ? uuidOf('tenant', person.organization) : CONSUMERS
}

function claimsOf(grant: Grant, hasDomainClaim: boolean): Record<string, unknown> {
  const { person, scopes, client } = grant
  const tid = tenantOf(grant)
  const oid = uuidOf('microsoft', tid, person.id)
  const hasEmail = scopes.includes('email') && person.email !== null
  return {
    iss: `${ISSUER}/${tid}/v2.0`,
    ver: '2.0',
    tid,
    oid,
    // Another one for each client, unlike `oid`.
    sub: Buffer.from(digestOf('microsoft', client.clientId, oid), 'hex').toString('base64url'),
    ...(scopes.includes('profile')
      ? { name: person.name, preferred_username: person.email ?? `${person.id}@tenant.example` }
      : {}),
    ...(hasEmail ? { email: person.email } : {}),
    ...(hasEmail && hasDomainClaim ? { xms_edov: person.emailVerified } : {}),
  }
}

/** The numbers in the texts of the errors, by which people look them up. */
const NUMBERS: Record<Refusal, readonly [number, string]> = {
  invalid_request: [900144, 'The request body must contain the required parameters.'],
  invalid_client: [7000215, 'Invalid client secret provided.'],
  unsupported_grant_type: [70003, 'The app requested an unsupported grant type.'],
  unknown_code: [9002313, 'Invalid request. Request is malformed or invalid.'],
  used_code: [
    54005,
    'OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.',
  ],
  expired_code: [70008, 'The provided authorization code or refresh token has expired.'],
  redirect_uri_mismatch: [
    500112,
    'The reply address does not match the reply address provided when requesting the authorization code.',
  ],
  missing_verifier: [50148, 'The code_verifier does not match the code_challenge.'],
  wrong_verifier: [50148, 'The code_verifier does not match the code_challenge.'],
  unknown_refresh_token: [70000, 'The provided value for the refresh token is not valid.'],
}

function refused(c: HonoContext, refusal: Refusal): Response {
  const [number, words] = NUMBERS[refusal]
  const ids = { trace_id: uuidOf('trace'), correlation_id: uuidOf('correlation') }
  const timestamp = `${new Date().toISOString().slice(0, 19).replace('T', ' ')}Z`
  return c.json(
    {
      error: errorOf(refusal),
      error_description: `AADSTS${number}: ${words}`,
      error_codes: [number],
      timestamp,
      ...ids,
    },
    refusal === 'invalid_client' ? 401 : 400,
  )
}
