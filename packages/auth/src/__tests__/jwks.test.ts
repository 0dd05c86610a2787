/** Public keys at the edge: fetched once, again for a new key but not for every forged one. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createEdge } from '../edge.ts'
import { ACCESS_COOKIE } from '../session/cookies.ts'
import { TEST_ORIGIN } from '../testing.ts'

const MINUTE_MS = 60_000

let server: Server
let url: URL
let asked = 0
let status = 200
let keys: object[] = []
/** In place of the keys. */
let nonsense: string | undefined
beforeEach(async () => {
  asked = 0
  status = 200
  keys = []
  nonsense = undefined
  server = createServer((_, res) => {
    asked += 1
    const type = { 'content-type': 'application/json' }
    res.writeHead(status, type).end(nonsense ?? JSON.stringify({ keys }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
  server.closeAllConnections()
  server.close()
})

/** A request with a token of this key, whose header names what `header` does. */
async function requestOf(
  key: CryptoKey | Uint8Array,
  header: { kid?: string; alg?: string },
  lasts = '5m',
) {
  const token = await new SignJWT({ sid: 's', n: Math.random() })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header })
    .setIssuer(TEST_ORIGIN)
    .setAudience(TEST_ORIGIN)
    .setSubject('u')
    .setIssuedAt()
    .setExpirationTime(lasts)
    .sign(key)
  return new Request(TEST_ORIGIN, { headers: { cookie: `${ACCESS_COOKIE}=${token}` } })
}

/** A key that the server publishes, and tokens of it. */
async function publish(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  keys.push({ ...(await exportJWK(publicKey)), kid, alg: 'ES256' })
  return (lasts?: string) => requestOf(privateKey, { kid }, lasts)
}

const pass = (ms: number) => vi.setSystemTime(Date.now() + ms)

test('nothing is fetched before the first token, and concurrent tokens share one fetch', async () => {
  const next = await publish('a')
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: url })
  expect(await edge.getSession(new Request(TEST_ORIGIN))).toBeNull()
  expect(asked).toBe(0)
  const sessions = await Promise.all([1, 2, 3].map(async () => edge.getSession(await next())))
  expect(sessions.every((session) => session?.userId === 'u')).toBe(true)
  expect(asked).toBe(1)
})

test('an unknown key is looked for at most every half minute', async () => {
  const old = await publish('a')
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: url })
  expect(await edge.getSession(await old())).not.toBeNull()
  const next = await publish('b')
  for (let n = 0; n < 5; n += 1) expect(await edge.getSession(await next())).toBeNull()
  expect(asked).toBe(1)
  pass(MINUTE_MS)
  expect(await edge.getSession(await next())).not.toBeNull()
  expect(asked).toBe(2)
})

test('keys are fetched again after ten minutes, and a removed key is gone then', async () => {
  const old = await publish('a')
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: url })
  expect(await edge.getSession(await old())).not.toBeNull()
  keys = []
  pass(9 * MINUTE_MS)
  expect(await edge.getSession(await old())).not.toBeNull()
  pass(2 * MINUTE_MS)
  expect(await edge.getSession(await old())).toBeNull()
  expect(asked).toBe(2)
})

test('a token that was verified before is refused once its key is withdrawn, however long it claims to last', async () => {
  const forged = await publish('stolen')
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: url })
  const req = await forged('10y')
  expect(await edge.getSession(req)).not.toBeNull()
  keys = []
  pass(11 * MINUTE_MS)
  expect(await edge.getSession(req)).toBeNull()
})

test('while the keys cannot be fetched, known keys are kept; without any key nobody is signed in', async () => {
  const next = await publish('a')
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: url })
  status = 503
  expect(await edge.getSession(await next())).toBeNull()
  status = 200
  expect(await edge.getSession(await next())).not.toBeNull()
  status = 503
  pass(11 * MINUTE_MS)
  for (let n = 0; n < 3; n += 1) expect(await edge.getSession(await next())).not.toBeNull()
  expect(asked).toBe(3)
})

test.each(['null', '{}', '{"keys":{}}', '[]', '7', 'no JSON'])(
  'the answer %s is not a key set, and the known keys are kept',
  async (answer) => {
    const next = await publish('a')
    const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: url })
    nonsense = answer
    expect(await edge.getSession(await next())).toBeNull()
    nonsense = undefined
    expect(await edge.getSession(await next())).not.toBeNull()
    nonsense = answer
    pass(11 * MINUTE_MS)
    for (let n = 0; n < 3; n += 1) expect(await edge.getSession(await next())).not.toBeNull()
    expect(asked).toBe(3)
  },
)

test('an entry that is not a key does not spoil the other keys of a set', async () => {
  keys.push(null as never, 7 as never, [], {})
  const next = await publish('a')
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: url })
  expect(await edge.getSession(await next())).not.toBeNull()
})

/** A key pair as a set would hold it, and who signs with it. */
async function pair(alg: 'ES256' | 'RS256' = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return {
    privateKey,
    publicKey: await exportJWK(publicKey),
    secret: await exportJWK(privateKey),
  }
}
const seenBy = (set: object[], req: Request) =>
  createEdge({ baseURL: TEST_ORIGIN, jwks: { keys: set } as JSONWebKeySet }).getSession(req)

test('a key is used only if its type, algorithm, use and id fit the token', async () => {
  const { privateKey, publicKey, secret } = await pair()
  const req = () => requestOf(privateKey, { kid: 'a' })
  expect(await seenBy([{ ...publicKey, kid: 'a' }], await req())).not.toBeNull()
  for (const other of [
    { alg: 'RS256' },
    { alg: 'ES384' },
    { use: 'enc' },
    { key_ops: ['sign'] },
    { kty: 'RSA' },
    { crv: 'P-384' },
    { x: 'AA' },
    { kid: 'b' },
    { kid: undefined },
  ]) {
    expect([other, await seenBy([{ ...publicKey, kid: 'a', ...other }], await req())]).toEqual([
      other,
      null,
    ])
  }
  // A private key has no place here; it is not used, so that the mistake is noticed.
  expect(await seenBy([{ ...secret, kid: 'a' }], await req())).toBeNull()
})

test('a token cannot choose an algorithm that its key is not for', async () => {
  const rsa = await pair('RS256')
  const { privateKey } = await pair()
  const set = [{ ...rsa.publicKey, kid: 'a' }]
  expect(await seenBy(set, await requestOf(rsa.privateKey, { kid: 'a', alg: 'RS256' }))).toEqual(
    expect.objectContaining({ userId: 'u' }),
  )
  expect(await seenBy(set, await requestOf(privateKey, { kid: 'a' }))).toBeNull()
  const text = new TextEncoder().encode(rsa.publicKey.n)
  const mac = await requestOf(text, { kid: 'a', alg: 'HS256' })
  expect(await seenBy(set, mac)).toBeNull()
  const shared = [{ kty: 'oct', k: rsa.publicKey.n, kid: 'a', alg: 'HS256' }]
  expect(await seenBy(shared, mac)).toBeNull()
})

test('the first of two keys with one id counts; a token without a key id finds no key with an id', async () => {
  const first = await pair()
  const second = await pair()
  const set = [
    { ...first.publicKey, kid: 'a' },
    { ...second.publicKey, kid: 'a' },
  ]
  expect(await seenBy(set, await requestOf(first.privateKey, { kid: 'a' }))).not.toBeNull()
  expect(await seenBy(set, await requestOf(second.privateKey, { kid: 'a' }))).toBeNull()
  expect(await seenBy(set, await requestOf(first.privateKey, {}))).toBeNull()
  expect(await seenBy([first.publicKey], await requestOf(first.privateKey, {}))).not.toBeNull()
  expect(await seenBy([first.publicKey], await requestOf(second.privateKey, {}))).toBeNull()
})
