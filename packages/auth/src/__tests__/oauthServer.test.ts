/** Tokens for other programs: by code and PKCE, by client credentials, for their scopes only. */

import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEdge, type Edge } from '../edge.ts'
import { createRequireScope, type RequireScope } from '../scopes.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, type TestAuth } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const RESOURCE = `${TEST_ORIGIN}/api`
const SCOPE = 'openid bookings:read'
const CALLBACK = 'https://client.example/callback'

let auth: TestAuth
let edge: Edge
let requireScope: RequireScope
let admin: string
beforeAll(async () => {
  auth = createTestAuth({
    db: setup.db,
    twoFactor: true,
    oauth: { scopes: ['bookings:read', 'bookings:write'] },
  })
  const { cookie, userId } = await auth.signIn()
  await setup.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } })
  admin = cookie
  const jwks = await (await auth.handler(auth.request('/api/auth/jwks'))).json()
  edge = createEdge({ baseURL: TEST_ORIGIN, jwks: jwks as never })
  requireScope = createRequireScope({ baseURL: TEST_ORIGIN, jwks: jwks as never })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
})

const make = (client: Parameters<TestAuth['createOAuthClient']>[1], cookie = admin) =>
  auth.createOAuthClient(auth.request('/', { cookie, headers: { origin: TEST_ORIGIN } }), client)

async function token(body: Record<string, string>, basic?: [string, string | null]) {
  const answer = await auth.handler(
    auth.request('/api/auth/oauth2/token', {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(basic ? { authorization: `Basic ${btoa(basic.join(':'))}` } : {}),
      },
      body: new URLSearchParams(body).toString(),
    }),
  )
  const json = (await answer.json()) as Record<string, string>
  return { status: answer.status, ...json } as {
    status: number
    access_token: string
    refresh_token?: string
    error?: string
  }
}
const bearing = (value: string) =>
  auth.request('/api/bookings', { headers: { authorization: `Bearer ${value}` } })

test('a service gets a token for its scopes, and the edge holds it to them', async () => {
  const { clientId, clientSecret } = await make({ name: 'Reports', scopes: ['bookings:read'] })
  const grant = { grant_type: 'client_credentials', resource: RESOURCE }
  const { access_token: given } = await token({ ...grant, scope: 'bookings:read' }, [
    clientId,
    clientSecret,
  ])
  expect(await requireScope(bearing(given), 'bookings:read')).toMatchObject({
    clientId,
    userId: null,
    scopes: ['bookings:read'],
  })
  await expect(requireScope(bearing(given), 'bookings:write')).rejects.toMatchObject({
    code: 'insufficient_scope',
    status: 403,
  })
  const more = await token({ ...grant, scope: 'bookings:write' }, [clientId, clientSecret])
  expect([more.status, more.error]).toEqual([400, 'invalid_scope'])
  const wrong = await token({ ...grant, scope: 'bookings:read' }, [clientId, 'not the secret'])
  expect(wrong.status).toBe(401)
  const row = await setup.db.oauthClient.findUniqueOrThrow({ where: { clientId } })
  expect(row.clientSecret).not.toContain(clientSecret)
})

test('neither kind of token is taken for the other', async () => {
  const { clientId, clientSecret } = await make({ name: 'Reports', scopes: ['bookings:read'] })
  const { access_token: given } = await token(
    { grant_type: 'client_credentials', resource: RESOURCE, scope: 'bookings:read' },
    [clientId, clientSecret],
  )
  await expect(edge.requireAuth(bearing(given))).rejects.toMatchObject({ status: 401 })
  expect(await auth.getSession(bearing(given))).toBeNull()
  const { cookie } = await auth.signIn()
  const session = /access_token=([^;]+)/.exec(cookie)?.[1] as string
  expect(await edge.requireAuth(bearing(session))).toMatchObject({ acr: 'aal1' })
  await expect(requireScope(bearing(session))).rejects.toMatchObject({ status: 401 })
  for (const junk of ['', 'x', 'a.b.c', 'x'.repeat(5_000)]) {
    await expect(requireScope(bearing(junk))).rejects.toMatchObject({ status: 401 })
  }
})

/** A public client's request for a user, and what came of it. */
async function authorize(clientId: string, cookie: string, changes: Record<string, string> = {}) {
  const verifier = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: CALLBACK,
    scope: 'openid bookings:read offline_access',
    state: 'abc',
    resource: RESOURCE,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...changes,
  })
  const answer = await auth.handler(
    auth.request(`/api/auth/oauth2/authorize?${query}`, {
      cookie,
      headers: { accept: 'text/html' },
    }),
  )
  return { answer, verifier, location: answer.headers.get('location') ?? '' }
}

/** Presses the button of the consent page. */
async function consent(location: string, cookie: string, accept = true) {
  const { search } = new URL(location, TEST_ORIGIN)
  const answer = await auth.post(
    '/oauth2/consent',
    { accept, oauth_query: search.slice(1) },
    { cookie },
  )
  const body = (await answer.json()) as { redirect_uri?: string; url?: string }
  return new URL(body.redirect_uri ?? body.url ?? '')
}

test('a public client gets a token on behalf of a user, by code and PKCE, once', async () => {
  const { clientId, clientSecret } = await make({
    name: 'Phone',
    scopes: ['openid', 'offline_access', 'bookings:read'],
    redirectUris: [CALLBACK],
    isConfidential: false,
  })
  expect(clientSecret).toBeNull()
  const { cookie, userId } = await auth.signIn()
  const asked = await authorize(clientId, cookie)
  expect(new URL(asked.location, TEST_ORIGIN).pathname).toBe('/consent')
  const back = await consent(asked.location, cookie)
  expect(`${back.origin}${back.pathname}`).toBe(CALLBACK)
  expect(back.searchParams.get('state')).toBe('abc')
  const exchange = {
    grant_type: 'authorization_code',
    client_id: clientId,
    redirect_uri: CALLBACK,
    code: back.searchParams.get('code') as string,
    resource: RESOURCE,
  }
  const given = await token({ ...exchange, code_verifier: asked.verifier })
  expect(given.status).toBe(200)
  expect(await requireScope(bearing(given.access_token), 'bookings:read')).toMatchObject({
    clientId,
    userId,
  })
  expect(await auth.getSession(bearing(given.access_token))).toBeNull()
  expect(
    (await token({ ...exchange, code_verifier: asked.verifier })).status,
  ).toBeGreaterThanOrEqual(400)

  // Consent is remembered; the code of another verifier is worth nothing.
  const again = await authorize(clientId, cookie)
  const code = new URL(again.location).searchParams.get('code') as string
  const stolen = await token({ ...exchange, code, code_verifier: asked.verifier })
  expect(stolen.status).toBeGreaterThanOrEqual(400)
  expect(stolen.access_token).toBeUndefined()
})

test('without PKCE, to another address or for another scope there is no code', async () => {
  const { clientId } = await make({
    name: 'Phone',
    scopes: ['openid', 'bookings:read'],
    redirectUris: [CALLBACK],
    isConfidential: false,
  })
  const { cookie } = await auth.signIn()
  const asked = await authorize(clientId, cookie, { scope: SCOPE })
  expect(new URL(asked.location, TEST_ORIGIN).pathname).toBe('/consent')
  for (const changes of [
    { code_challenge: '', code_challenge_method: '' },
    { redirect_uri: 'https://evil.example/' },
    { scope: 'openid bookings:write' },
    { code_challenge_method: 'plain' },
  ]) {
    const { answer, location } = await authorize(clientId, cookie, { scope: SCOPE, ...changes })
    expect(answer.status).toBeLessThan(500)
    expect(location).not.toMatch(/[?&]code=|evil\.example|^\/consent/)
  }
})

test('who is not signed in is led to sign in, and one from another site hops first', async () => {
  const { clientId } = await make({
    name: 'Web',
    scopes: ['openid', 'bookings:read'],
    redirectUris: [CALLBACK],
  })
  const { location } = await authorize(clientId, '', { scope: 'openid bookings:read' })
  expect(new URL(location, TEST_ORIGIN).pathname).toBe('/sign-in')
  const hop = await auth.handler(
    auth.request(`/api/auth/oauth2/authorize?client_id=${clientId}`, {
      headers: {
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
      },
    }),
  )
  expect(await hop.text()).toContain('http-equiv="refresh"')
})

test('a session without its second factor gets no code', async () => {
  const { clientId } = await make({
    name: 'Web',
    scopes: ['bookings:read'],
    redirectUris: [CALLBACK],
  })
  const { cookie, userId } = await auth.signIn()
  await setup.db.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
  const { answer, location } = await authorize(clientId, cookie, { scope: 'bookings:read' })
  expect(answer.status).toBe(403)
  expect(location).toBe('')
})

test('signing in does not itself go on to the client, which a missing second factor could pass', async () => {
  const answer = await auth.post('/sign-in/magic-link/confirm', {
    token: 'x',
    oauth_query: 'client_id=x',
  })
  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({ code: 'OAUTH_QUERY_REFUSED' })
})

test('only an administrator registers a program, and nobody where the option is off', async () => {
  const { cookie } = await auth.signIn()
  const service = { name: 'Mine', scopes: ['bookings:read'] }
  await expect(make(service, cookie)).rejects.toMatchObject({
    code: 'insufficient_role',
    status: 403,
  })
  await expect(make(service, '')).rejects.toMatchObject({ status: 401 })
  const body = { redirect_uris: [CALLBACK], client_name: 'Mine' }
  for (const path of ['/oauth2/create-client', '/oauth2/register', '/admin/oauth2/create-client']) {
    const answer = await auth.post(path, body, { cookie })
    expect([401, 403, 404]).toContain(answer.status)
  }
  expect(await setup.db.oauthClient.count({ where: { name: 'Mine' } })).toBe(0)
  const off = createTestAuth({ db: setup.db })
  expect((await off.post('/oauth2/token', {})).status).toBe(404)
  await off.close()
})

test('the metadata is at the issuer’s own address', async () => {
  for (const name of ['oauth-authorization-server', 'openid-configuration']) {
    const answer = await auth.handler(auth.request(`/.well-known/${name}`))
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({
      issuer: TEST_ORIGIN,
      token_endpoint: `${TEST_ORIGIN}/api/auth/oauth2/token`,
      code_challenge_methods_supported: ['S256'],
    })
  }
})

test('cookies are left to the sessions', async () => {
  const { clientId } = await make({
    name: 'Web',
    scopes: ['openid', 'bookings:read'],
    redirectUris: [CALLBACK],
  })
  const { answer } = await authorize(clientId, '', { scope: 'openid bookings:read' })
  expect(cookiesOf(answer)).not.toContain('session_token')
})
