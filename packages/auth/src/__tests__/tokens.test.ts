/** Access tokens: nothing but our own, unexpired, for this host; and the keys that sign them. */

import {
  exportJWK,
  generateKeyPair,
  type JSONWebKeySet,
  type JWK,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import { createEdge } from '../edge.ts'
import { ACCESS_COOKIE, SESSION_COOKIE } from '../session/cookies.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD } from '../testing.ts'
import { accessTokenOf } from './cookies.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
afterEach(() => vi.useRealTimers())

const seconds = () => Math.floor(Date.now() / 1000)
const statement = () => ({
  sub: 'u',
  sid: 's',
  role: 'ADMIN',
  iss: TEST_ORIGIN,
  aud: TEST_ORIGIN,
  iat: seconds(),
  exp: seconds() + 60,
})

let own: { privateKey: JWK; publicKey: JWK }
beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true })
  const named = async (key: typeof pair.privateKey) => ({ ...(await exportJWK(key)), kid: 'own' })
  own = { privateKey: await named(pair.privateKey), publicKey: await named(pair.publicKey) }
})

const sign = (claims: object, header: object = {}, key: Parameters<SignJWT['sign']>[0]) =>
  new SignJWT({ ...statement(), ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'own', typ: 'at+jwt', ...header })
    .sign(key)

/** Node and the edge with one key set, which `sign` has the private part of. */
function both() {
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: { keys: [own.publicKey] } })
  const node = createTestAuth({ db: setup.db, accessToken: { keys: { keys: [own.privateKey] } } })
  return { edge, node }
}

const forged: [string, () => Promise<string>][] = [
  ['an expired token', () => sign({ exp: seconds() - 1 }, {}, own.privateKey)],
  ['one without an end', () => sign({ exp: undefined }, {}, own.privateKey)],
  ['one that is not yet good', () => sign({ nbf: seconds() + 60 }, {}, own.privateKey)],
  ['another issuer', () => sign({ iss: 'https://evil.example' }, {}, own.privateKey)],
  ['another audience', () => sign({ aud: 'https://other.example' }, {}, own.privateKey)],
  ['no session', () => sign({ sid: undefined }, {}, own.privateKey)],
  ['a session that is no text', () => sign({ sid: { $ne: '' } }, {}, own.privateKey)],
  ['another type of token', () => sign({}, { typ: 'JWT' }, own.privateKey)],
  ['an unknown key', () => sign({}, { kid: 'other' }, own.privateKey)],
  ['a critical header', () => sign({}, { crit: ['x'], x: 1 }, own.privateKey).catch(() => 'x.y.z')],
  ['a swapped key', async () => sign({}, {}, (await generateKeyPair('ES256')).privateKey)],
  [
    'a key of its own in the header',
    async () => {
      const pair = await generateKeyPair('ES256', { extractable: true })
      return sign({}, { jwk: await exportJWK(pair.publicKey) }, pair.privateKey)
    },
  ],
  [
    'a signature with the public key as secret',
    () => sign({}, { alg: 'HS256' }, new TextEncoder().encode(JSON.stringify(own.publicKey))),
  ],
  ['no signature', async () => new UnsecuredJWT(statement()).encode()],
  [
    'alg none with our key id',
    async () =>
      `${btoa('{"alg":"none","kid":"own","typ":"at+jwt"}')}.${btoa(JSON.stringify(statement()))}.`,
  ],
  ['a truncated token', async () => (await sign({}, {}, own.privateKey)).slice(0, -7)],
  [
    'a token cut at a dot',
    async () => (await sign({}, {}, own.privateKey)).replace(/\.[^.]*$/, ''),
  ],
  [
    'changed claims',
    async () => (await sign({}, {}, own.privateKey)).replace(/\..*\./, `.${btoa('{"sub":"x"}')}.`),
  ],
  ['an oversized token', () => sign({ role: 'x'.repeat(5_000) }, {}, own.privateKey)],
  ['an empty token', async () => ''],
  ['junk', async () => 'a.b.c'],
  ['a broken escape', async () => '%E0%A4%A'],
  ['an escaped null byte', async () => 'a%00b.c.d'],
  ['a very long word', async () => 'x'.repeat(100_000)],
]

test.each(forged)('promise 5: %s signs nobody in, in Node and at the edge', async (_, make) => {
  const token = await make()
  const { edge, node } = both()
  const carriers: Record<string, string>[] = [
    { cookie: `${ACCESS_COOKIE}=${token}` },
    { cookie: `${SESSION_COOKIE}=${token}` },
    { authorization: `Bearer ${token}` },
  ]
  for (const headers of carriers) {
    const req = new Request(TEST_ORIGIN, { headers })
    expect(await edge.getSession(req)).toBeNull()
    expect(await node.getSession(req)).toBeNull()
    expect(await node.getSession(req, { fresh: true })).toBeNull()
    await expect(node.requireAuth(req)).rejects.toMatchObject({ status: 401 })
    await expect(edge.requireAuth(req)).rejects.toMatchObject({ status: 401 })
    for (const path of ['/get-session', '/list-sessions', '/access/renew?next=/x']) {
      const answer = await node.handler(new Request(`${TEST_ORIGIN}/api/auth${path}`, { headers }))
      expect(answer.status).toBeLessThan(500)
    }
  }
  expect(
    (await node.post('/access/refresh', {}, { cookie: `${SESSION_COOKIE}=${token}` })).status,
    // A header beyond every bound is refused before anybody looks for a token in it.
  ).toBe(token.length > 8_000 ? 400 : 401)
  node.close()
})

test('the token that these tokens were made from is valid', async () => {
  const { edge } = both()
  const headers = { cookie: `${ACCESS_COOKIE}=${await sign({}, {}, own.privateKey)}` }
  expect(await edge.getSession(new Request(TEST_ORIGIN, { headers }))).toMatchObject({
    userId: 'u',
    role: 'ADMIN',
  })
})

test('two cookies with one name are both ignored', async () => {
  const { edge } = both()
  const good = await sign({}, {}, own.privateKey)
  const planted = await sign({ sub: 'attacker' }, {}, own.privateKey)
  for (const pair of [
    [good, planted],
    [planted, good],
  ]) {
    const cookie = pair.map((token) => `${ACCESS_COOKIE}=${token}`).join('; ')
    expect(await edge.getSession(new Request(TEST_ORIGIN, { headers: { cookie } }))).toBeNull()
  }
})

test("two session cookies are both ignored, also by Better Auth's endpoints", async () => {
  const own = await setup.auth.signIn()
  const planted = await setup.auth.signIn()
  const one = (cookie: string) => cookie.split('; ').find((pair) => pair.startsWith(SESSION_COOKIE))
  for (const pair of [
    [own, planted],
    [planted, own],
  ]) {
    const cookie = pair.map((who) => one(who.cookie)).join('; ')
    const asked = setup.auth.request('/api/auth/get-session', { cookie })
    expect(await (await setup.auth.handler(asked)).json()).toBeNull()
    expect((await setup.auth.post('/access/refresh', {}, { cookie })).status).toBe(401)
    expect(await setup.auth.getSession(setup.auth.request('/', { cookie }))).toBeNull()
  }
})

test.each([
  ['a null byte', { token: 'a\0b' }],
  ['a nested null byte', { token: 'x', more: { deep: ['\0'] } }],
  ['a megabyte', { token: 'x'.repeat(1_000_000) }],
  ['another type', { token: { $ne: null } }],
  ['nothing', null],
])('%s in a body causes no 500', async (_, body) => {
  const { cookie } = await setup.auth.signIn()
  for (const path of ['/access/refresh', '/confirm-email', '/revoke-session', '/reset-password']) {
    const answer = await setup.auth.post(path, body, { cookie })
    expect(answer.status).toBeLessThan(500)
    // A field that the endpoint does not know is left out with all that is in it.
    if (
      body &&
      'token' in body &&
      String(body.token).includes('\0') &&
      path !== '/access/refresh'
    ) {
      expect(answer.status).toBe(400)
    }
  }
})

test('a verified token is remembered, and its expiry is still checked', async () => {
  const { edge } = both()
  const headers = { cookie: `${ACCESS_COOKIE}=${await sign({}, {}, own.privateKey)}` }
  const req = new Request(TEST_ORIGIN, { headers })
  const verify = vi.spyOn(crypto.subtle, 'verify')
  const first = await edge.requireAuth(req)
  first.role = 'changed by the caller'
  first.expiresAt.setTime(Date.now() + 1e9)
  expect(await edge.requireAuth(req)).toMatchObject({ role: 'ADMIN' })
  expect(verify).toHaveBeenCalledTimes(1)
  verify.mockRestore()
  vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ['Date'] })
  expect(await edge.getSession(req)).toBeNull()
})

test('the private signing keys are encrypted in the database, and the public keys are not', async () => {
  const { cookie } = await setup.auth.signIn()
  const rows = await setup.db.jwks.findMany()
  expect(rows.length).toBeGreaterThan(0)
  for (const { privateKey, expiresAt } of rows) {
    expect(privateKey).not.toMatch(/"d"|"kty"/)
    expect(expiresAt?.getTime()).toBeGreaterThan(Date.now() + 80 * 86_400_000)
  }
  expect(accessTokenOf(cookie)).toMatch(/^ey/)
})

const published = async (auth: typeof setup.auth) =>
  (await (await auth.handler(auth.request('/api/auth/jwks'))).json()) as JSONWebKeySet

const kidOf = (cookie: string) =>
  JSON.parse(atob(accessTokenOf(cookie).split('.')[0] as string)) as { kid: string; alg: string }

test('the next key is published a week before it signs', async () => {
  const { email, cookie: before } = await setup.auth.signIn()
  const old = kidOf(before).kid
  const day = 86_400_000
  await setup.db.jwks.updateMany({
    data: { createdAt: new Date(Date.now() - 85 * day), expiresAt: new Date(Date.now() + 5 * day) },
  })
  const body = { email, password: 'correct horse battery' }
  const another = () => createTestAuth({ db: setup.db })
  const soon = another()
  const next = kidOf(cookiesOf(await soon.post('/sign-in/email', body))).kid
  expect(next).toBe(old)
  const keys = await published(soon)
  expect(keys.keys.length).toBe(2)
  await setup.db.jwks.updateMany({
    where: { id: old },
    data: { expiresAt: new Date(Date.now() - 1000) },
  })
  const later = another()
  const signedIn = cookiesOf(await later.post('/sign-in/email', body))
  expect(kidOf(signedIn).kid).not.toBe(old)
  // A token of the old key is good to its end, and a process that does not know the new one looks.
  expect((await published(later)).keys.map(({ kid }) => kid)).toContain(old)
  expect(await setup.auth.getSession(setup.auth.request('/', { cookie: signedIn }))).not.toBeNull()
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: keys })
  expect(await edge.getSession(setup.auth.request('/', { cookie: signedIn }))).not.toBeNull()
  for (const auth of [soon, later]) auth.close()
})

test('after the secret is replaced a new key signs, and tokens of the old key work until they expire', async () => {
  // Instances that load the keys now. An older one may still know those of the tests before.
  const first = createTestAuth({ db: setup.db })
  const { email, cookie: before } = await first.signIn('replaced-secret@example.com')
  const replaced = createTestAuth({
    db: setup.db,
    secret: 'the-secret-after-it-was-replaced',
  })
  const old = `${ACCESS_COOKIE}=${accessTokenOf(before)}`
  expect(await replaced.getSession(replaced.request('/', { cookie: old }))).not.toBeNull()
  const body = { email, password: TEST_PASSWORD }
  for (let n = 0; n < 2; n += 1) {
    const signedIn = await replaced.post('/sign-in/email', body)
    expect(signedIn.status).toBe(200)
    expect(kidOf(cookiesOf(signedIn)).kid).not.toBe(kidOf(before).kid)
  }
  // A process that still has the old secret goes on, with its own key.
  const late = createTestAuth({ db: setup.db })
  const meanwhile = await late.post('/sign-in/email', body)
  expect(kidOf(cookiesOf(meanwhile)).kid).toBe(kidOf(before).kid)
  expect((await published(late)).keys).toHaveLength((await published(replaced)).keys.length)
  for (const auth of [first, replaced, late]) await auth.close()
})

test('RS256 by option, verified by the same edge', async () => {
  const auth = createTestAuth({ db: setup.db, accessToken: { alg: 'RS256' } })
  const { cookie, userId } = await auth.signIn('rsa@example.com')
  expect(kidOf(cookie).alg).toBe('RS256')
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: await published(auth) })
  expect(await edge.requireAuth(auth.request('/', { cookie }))).toMatchObject({ userId })
  auth.close()
})

test("the host's own keys: the first signs, all verify, and none is in the database", async () => {
  const count = await setup.db.jwks.count()
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const first = { ...(await exportJWK(privateKey)), kid: 'first' }
  const keys = async () => ({ keys: [first, own.publicKey] })
  const auth = createTestAuth({ db: setup.db, accessToken: { keys } })
  const { cookie, userId } = await auth.signIn('given@example.com')
  expect(kidOf(cookie)).toMatchObject({ alg: 'RS256', kid: 'first' })
  const { keys: shown } = await published(auth)
  expect(shown.map(({ kid }) => kid)).toEqual(['first', 'own'])
  expect(JSON.stringify(shown)).not.toMatch(/"(d|p|q|dp|dq|qi)"/)
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: { keys: shown } })
  expect(await edge.requireAuth(auth.request('/', { cookie }))).toMatchObject({ userId })
  expect(await setup.db.jwks.count()).toBe(count)
  auth.close()
})

test.each([
  ['no key', { keys: [] }],
  ['a public key only', () => ({ keys: [own.publicKey] })],
  ['a key of another kind', { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x', d: 'd' }] }],
  ['a set that is none', {} as JSONWebKeySet],
  ['something that is no key', () => ({ keys: [own.privateKey, null as never] })],
])('%s as a signing key is refused at once', (_, keys) => {
  const given = typeof keys === 'function' ? keys() : keys
  expect(() => createTestAuth({ db: setup.db, accessToken: { keys: given } })).toThrow(
    /The signing keys must be a JSON Web Key Set|^createAuth: accessToken\.keys\.keys/,
  )
})
