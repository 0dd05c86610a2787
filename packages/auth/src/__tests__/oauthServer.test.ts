/** Tokens for other programs: by code and PKCE, by client credentials, for their scopes only. */

import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEdge, type Edge } from '../edge.ts'
import { createRequireScope, type RequireScope } from '../scopes.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, type TestAuth } from '../testing.ts'
import { CALLBACK, createPrograms, RESOURCE } from './programs.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const SCOPE = 'openid bookings:read'

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

const { make, token, authorize, consent, bearing, codeFor } = createPrograms(() => ({
  auth,
  admin,
}))

test('a service gets a token for its scopes, and the edge enforces them', async () => {
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

test('a database that is down when auth is created fails no request after it is back', async () => {
  const { clientId, clientSecret } = await make({ name: 'Reports', scopes: ['bookings:read'] })
  let isAway = true
  const db = new Proxy(setup.db, {
    get(target, key) {
      if (isAway && String(key).startsWith('oauth')) throw new Error('The database is away.')
      return Reflect.get(target, key)
    },
  })
  const late = createTestAuth({ db, oauth: { scopes: ['bookings:read'] } })
  const programs = createPrograms(() => ({ auth: late, admin }))
  const grant = { grant_type: 'client_credentials', resource: RESOURCE, scope: 'bookings:read' }
  expect((await programs.token(grant, [clientId, clientSecret])).status).toBe(500)
  isAway = false
  expect((await programs.token(grant, [clientId, clientSecret])).status).toBe(200)
  await late.close()
})

test('a session’s token is never accepted as a program’s token, nor the reverse', async () => {
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

test('a public client in a browser gets its token from its own origin; cookies sent with it are ignored', async () => {
  const { clientId } = await make({
    name: 'Single page',
    scopes: ['openid', 'bookings:read'],
    redirectUris: [CALLBACK],
    isConfidential: false,
  })
  const { cookie, userId } = await auth.signIn()
  const codeFor = async () => {
    const asked = await authorize(clientId, cookie, { scope: SCOPE })
    const back = /[?&]code=/.test(asked.location)
      ? new URL(asked.location)
      : await consent(asked.location, cookie)
    return { code: back.searchParams.get('code') ?? '', code_verifier: asked.verifier }
  }
  const send = (path: string, fields: Record<string, string>, as: string) =>
    auth.handler(
      auth.request(`/api/auth/oauth2/${path}`, {
        method: 'POST',
        cookie: as,
        headers: {
          origin: 'https://client.example',
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({ client_id: clientId, ...fields }).toString(),
      }),
    )
  const exchange = {
    grant_type: 'authorization_code',
    redirect_uri: CALLBACK,
    resource: RESOURCE,
  }
  const given = await send('token', { ...exchange, ...(await codeFor()) }, '')
  expect(given.status).toBe(200)
  const { access_token: own } = (await given.json()) as { access_token: string }
  expect(await requireScope(bearing(own), 'bookings:read')).toMatchObject({ clientId, userId })

  // A page of another site sends the cookies along: without a code and its verifier they get nothing.
  const { code } = await codeFor()
  for (const fields of [
    exchange,
    { ...exchange, code },
    { ...exchange, code, code_verifier: 'x'.repeat(43) },
    { grant_type: 'client_credentials', resource: RESOURCE, scope: 'bookings:read' },
    { grant_type: 'refresh_token', refresh_token: 'x' },
  ]) {
    const answer = await send('token', fields, cookie)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
    expect(answer.headers.getSetCookie()).toEqual([])
    expect(await answer.text()).not.toContain('access_token')
  }
  for (const path of ['introspect', 'revoke']) {
    const bare = await send(path, { token: own }, '')
    const withCookie = await send(path, { token: own }, cookie)
    expect([path, withCookie.status]).toEqual([path, bare.status])
    expect(await withCookie.text()).toBe(await bare.text())
  }
  expect(await auth.getSession(auth.request('/', { cookie }))).not.toBeNull()
})

test.each(['/oauth2/consent', '/oauth2/create-client', '/oauth2/token/', '/oauth2/Token'])(
  'another site cannot post to %s with the cookies of a signed-in person',
  async (path) => {
    const headers = { origin: 'https://client.example' }
    const answer = await auth.post(path, { accept: true }, { cookie: admin, headers })
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ code: 'untrusted_origin' })
  },
)

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

test('a person without a session is redirected to the sign-in, from another site after a redirect to the same page', async () => {
  const { clientId } = await make({
    name: 'Web',
    scopes: ['openid', 'bookings:read'],
    redirectUris: [CALLBACK],
  })
  const { location } = await authorize(clientId, '', { scope: 'openid bookings:read' })
  expect(new URL(location, TEST_ORIGIN).pathname).toBe('/sign-in')
  const fromAnotherSite = async (path: string) => {
    const headers = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    }
    return (await auth.handler(auth.request(path, { headers }))).text()
  }
  const authorization = `/api/auth/oauth2/authorize?client_id=${clientId}`
  expect(await fromAnotherSite(authorization)).toContain('http-equiv="refresh"')
  const other = await fromAnotherSite(`/api/auth/get-session?a=${authorization}`)
  expect(other).not.toContain('http-equiv="refresh"')
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

test('signing in does not continue to the client by itself, so that a missing second factor cannot be bypassed', async () => {
  const answer = await auth.post('/sign-in/magic-link/confirm', {
    token: 'x',
    oauth_query: 'client_id=x',
  })
  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({ code: 'oauth_query_refused' })
})

test('only an ADMIN registers a program, and nobody where the option is off', async () => {
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

test('sender-constrained tokens are not offered, and a proof (DPoP) is ignored', async () => {
  const { clientId } = await make({
    name: 'Phone',
    scopes: ['openid', 'offline_access', 'bookings:read'],
    redirectUris: [CALLBACK],
    isConfidential: false,
  })
  const { cookie } = await auth.signIn()
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const htu = `${TEST_ORIGIN}/api/auth/oauth2/token`
  const proof = await new SignJWT({ jti: 'once', htm: 'POST', htu })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(publicKey) })
    .setIssuedAt()
    .sign(privateKey)
  const answer = await auth.handler(
    auth.request('/api/auth/oauth2/token', {
      method: 'POST',
      headers: { dpop: proof, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(await codeFor(clientId, cookie)).toString(),
    }),
  )
  expect(answer.status).toBe(200)
  const given = (await answer.json()) as { token_type: string; access_token: string }
  expect(given.token_type).toBe('Bearer')
  expect(await requireScope(bearing(given.access_token), 'bookings:read')).toMatchObject({
    clientId,
  })
  const metadata = await auth.handler(auth.request('/.well-known/oauth-authorization-server'))
  expect(await metadata.text()).not.toContain('dpop')
})

test('the OAuth server sets no session cookie', async () => {
  const { clientId } = await make({
    name: 'Web',
    scopes: ['openid', 'bookings:read'],
    redirectUris: [CALLBACK],
  })
  const { answer } = await authorize(clientId, '', { scope: 'openid bookings:read' })
  expect(cookiesOf(answer)).not.toContain('session_token')
})
