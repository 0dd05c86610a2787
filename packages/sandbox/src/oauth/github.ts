/**
 * GitHub as an OAuth app meets it. Its answers differ from OAuth in three ways: the token endpoint answers with a form
 * unless JSON is asked for, it refuses with status 200, and the address is not in the profile.
 *
 * @see https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 * @see https://docs.github.com/en/rest/users/emails
 * @module
 */

import { Hono, type Context as HonoContext } from 'hono'
import { sameOrigin } from '../layout.tsx'
import { type AuthorizeRules, authorize } from './authorize.tsx'
import { readTokenRequest } from './client-credentials.ts'
import type { Grant, Grants, Refusal } from './grants.ts'
import { digitsOf } from './people.ts'
import type { ProviderParts } from './provider-parts.ts'

const RULES: AuthorizeRules = {
  name: 'GitHub',
  hint: 'login',
  isResponseTypeOptional: true,
  isOpenId: false,
  methods: ['S256'],
  denial: {
    error_description: 'The user has denied your application access.',
    error_uri:
      '/apps/managing-oauth-apps/troubleshooting-authorization-request-errors/#access-denied',
  },
}

/** The errors of the token endpoint, with GitHub's words. */
const ERRORS: Partial<Record<Refusal, readonly [string, string]>> = {
  invalid_client: [
    'incorrect_client_credentials',
    'The client_id and/or client_secret passed are incorrect.',
  ],
  redirect_uri_mismatch: [
    'redirect_uri_mismatch',
    'The redirect_uri MUST match the registered callback URL for this application.',
  ],
}
const BAD_CODE = ['bad_verification_code', 'The code passed is incorrect or expired.'] as const

/** The app that answers `/github`. */
export function createGitHub({ clients, grants, people, onPerson }: ProviderParts): Hono {
  const app = new Hono()
  app.on(['GET', 'POST'], '/github/login/oauth/authorize', sameOrigin, (c) =>
    authorize(c, { rules: RULES, clients, grants, people: people(), onPerson }),
  )
  app.post('/github/login/oauth/access_token', async (c) => {
    const read = await readTokenRequest(c, clients)
    if ('refusal' in read) return refused(c, read.refusal)
    const { fields, client } = read
    const redeemed = grants.redeem({
      code: fields.code ?? '',
      clientId: client.clientId,
      redirectUri: fields.redirect_uri ?? null,
      verifier: fields.code_verifier ?? null,
    })
    if ('refusal' in redeemed) return refused(c, redeemed.refusal)
    const { grant, code } = redeemed
    return answer(c, {
      access_token: grants.issueToken(grant, code),
      scope: grant.scopes.join(','),
      token_type: 'bearer',
    })
  })
  app.get('/github/user', (c) => withGrant(c, grants, (grant) => c.json(profileOf(grant))))
  app.get('/github/user/emails', (c) =>
    withGrant(c, grants, ({ person: { email, emailVerified }, scopes }) => {
      const isAllowed = scopes.some((scope) => scope === 'user' || scope === 'user:email')
      if (!isAllowed) return c.json({ message: 'Not Found', documentation_url: DOCS }, 404)
      const own = { email, primary: true, verified: emailVerified, visibility: 'private' }
      return c.json(email === null ? [] : [own])
    }),
  )
  return app
}

const DOCS = 'https://docs.github.com/rest'

const loginOf = ({ person }: Grant): string =>
  person.name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 39) || 'person'

/** The profile. The address in it is the one that the person shows to everybody, which nobody does here. */
const profileOf = (grant: Grant) => ({
  login: loginOf(grant),
  id: Number(digitsOf(8, 'github', grant.person.id)),
  avatar_url: '',
  type: 'User',
  site_admin: false,
  name: grant.person.name,
  company: null,
  email: null,
})

function withGrant(c: HonoContext, grants: Grants, work: (grant: Grant) => Response): Response {
  // GitHub refuses every request without this header.
  if (!c.req.header('user-agent')) {
    return c.text(
      'Request forbidden by administrative rules. Please make sure your request has a User-Agent header',
      403,
    )
  }
  const token = /^(?:Bearer|token) (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  const grant = token === undefined ? null : grants.granted(token)
  if (!grant) {
    const isGiven = c.req.header('authorization') !== undefined
    const message = isGiven ? 'Bad credentials' : 'Requires authentication'
    return c.json({ message, documentation_url: DOCS, status: '401' }, 401)
  }
  c.header('x-oauth-scopes', grant.scopes.join(', '))
  return work(grant)
}

function refused(c: HonoContext, refusal: Refusal): Response {
  const [error, error_description] = ERRORS[refusal] ?? BAD_CODE
  const error_uri = `/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/#${error.replaceAll('_', '-')}`
  return answer(c, { error, error_description, error_uri })
}

/** JSON where it is asked for, else a form. */
function answer(c: HonoContext, body: Record<string, string>): Response {
  c.header('cache-control', 'no-store')
  if (c.req.header('accept')?.includes('application/json')) return c.json(body)
  return c.body(new URLSearchParams(body).toString(), 200, {
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
  })
}
