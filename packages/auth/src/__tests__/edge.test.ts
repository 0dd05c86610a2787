/** The edge guards: the access token alone, without Node and without a database. */

import { exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose'
import { beforeAll, expect, test, vi } from 'vitest'
import { createEdge } from '../edge.ts'
import { ACCESS_COOKIE } from '../session/cookies.ts'
import { TEST_ORIGIN } from '../testing.ts'
import { setUpAuth } from './setup.ts'

let jwks: JSONWebKeySet
const setup = setUpAuth()
beforeAll(async () => {
  await setup.auth.signIn()
  jwks = (await (
    await setup.auth.handler(setup.auth.request('/api/auth/jwks'))
  ).json()) as JSONWebKeySet
})

const edge = () => createEdge({ baseURL: TEST_ORIGIN, jwks })

test('the public keys are public only', () => {
  expect(jwks.keys.length).toBeGreaterThan(0)
  for (const key of jwks.keys) {
    expect(key).toMatchObject({ kty: 'EC', crv: 'P-256' })
    expect(key).not.toHaveProperty('d')
  }
})

test('the edge reads the same session as Node, from the cookie or a bearer token', async () => {
  const { cookie } = await setup.auth.signIn()
  const { expiresAt: _, ...inNode } = await setup.auth.requireAuth(
    setup.auth.request('/', { cookie }),
  )
  expect(await edge().requireAuth(setup.auth.request('/', { cookie }))).toMatchObject(inNode)
  const token = new RegExp(`${ACCESS_COOKIE}=([^;]+)`).exec(cookie)?.[1]
  const bearer = setup.auth.request('/', { headers: { authorization: `Bearer ${token}` } })
  expect(await edge().requireAuth(bearer)).toMatchObject(inNode)
  await expect(edge().requireRole(bearer, 'ADMIN')).rejects.toMatchObject({ status: 403 })
})

test('reading the session issues a new access token', async () => {
  const { cookie } = await setup.auth.signIn()
  const answer = await setup.auth.handler(setup.auth.request('/api/auth/get-session', { cookie }))
  expect(answer.headers.getSetCookie().join()).toContain(`${ACCESS_COOKIE}=ey`)
})

test('promise 5: only our own unexpired token for this host is accepted', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const own = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] }
  const guards = createEdge({ baseURL: TEST_ORIGIN, jwks: own })
  const now = Math.floor(Date.now() / 1000)
  const good = {
    sub: 'u',
    sid: 's',
    role: 'USER',
    iss: TEST_ORIGIN,
    aud: TEST_ORIGIN,
    iat: now,
    exp: now + 60,
  }
  const ask = async (
    claims: Record<string, unknown>,
    header: Record<string, string> = {},
    key: Parameters<SignJWT['sign']>[0] = privateKey,
  ) => {
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'at+jwt', ...header })
      .sign(key)
    return guards.getSession(setup.auth.request('/', { cookie: `${ACCESS_COOKIE}=${token}` }))
  }
  expect(await ask(good)).toMatchObject({ userId: 'u', sessionId: 's' })
  const { sid: _, ...withoutSid } = good
  expect(await ask({ ...good, exp: now - 1 })).toBeNull()
  expect(await ask({ ...good, iss: 'https://evil.example' })).toBeNull()
  expect(await ask({ ...good, aud: 'https://other.example' })).toBeNull()
  expect(await ask(withoutSid)).toBeNull()
  expect(await ask({ ...good, client_id: 'another program' })).toBeNull()
  expect(await ask(good, { typ: 'JWT' })).toBeNull()
  expect(await ask(good, { kid: 'unknown' })).toBeNull()
  const other = await generateKeyPair('ES256')
  expect(await ask(good, {}, other.privateKey)).toBeNull()
  const symmetric = new TextEncoder().encode(JSON.stringify(own.keys[0]))
  expect(await ask(good, { alg: 'HS256' }, symmetric)).toBeNull()
  for (const junk of ['', 'a.b.c', `e30.e30.`, 'x'.repeat(5000)]) {
    expect(
      await guards.getSession(setup.auth.request('/', { cookie: `${ACCESS_COOKIE}=${junk}` })),
    ).toBeNull()
  }
})

test('promise 8: every entry can be imported with an empty environment, and the first use says what is missing', async () => {
  const before = process.env
  process.env = {}
  vi.resetModules()
  try {
    for (const entry of ['../index.ts', '../edge.ts', '../client.ts', '../testing.ts']) {
      expect(Object.keys(await import(entry)).length).toBeGreaterThan(0)
    }
    const { getSession } = (await import('../index.ts')) as typeof import('../index.ts')
    expect(() => getSession(new Request('http://localhost/'))).toThrow(
      /BETTER_AUTH_SECRET is missing\n {2}APP_URL is missing/,
    )
  } finally {
    process.env = before
  }
})
