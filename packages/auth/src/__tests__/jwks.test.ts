/** Public keys at the edge: fetched once, again for a new key but not for every forged one. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ACCESS_COOKIE } from '../cookies.ts'
import { createEdge } from '../edge.ts'
import { TEST_ORIGIN } from '../testing.ts'

const MINUTE_MS = 60_000

let server: Server
let url: URL
let asked = 0
let status = 200
let keys: object[] = []
beforeEach(async () => {
  asked = 0
  status = 200
  keys = []
  server = createServer((_, res) => {
    asked += 1
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }))
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

/** A key that the server publishes, and tokens of it. */
async function publish(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  keys.push({ ...(await exportJWK(publicKey)), kid, alg: 'ES256' })
  return async () => {
    const token = await new SignJWT({ sid: 's', n: Math.random() })
      .setProtectedHeader({ alg: 'ES256', kid, typ: 'at+jwt' })
      .setIssuer(TEST_ORIGIN)
      .setAudience(TEST_ORIGIN)
      .setSubject('u')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
    return new Request(TEST_ORIGIN, { headers: { cookie: `${ACCESS_COOKIE}=${token}` } })
  }
}

const pass = (ms: number) => vi.setSystemTime(Date.now() + ms)

test('nothing is fetched before the first token, and then once for all at once', async () => {
  const next = await publish('a')
  const edge = createEdge({ baseURL: TEST_ORIGIN, jwks: url })
  expect(await edge.getSession(new Request(TEST_ORIGIN))).toBeNull()
  expect(asked).toBe(0)
  const sessions = await Promise.all([1, 2, 3].map(async () => edge.getSession(await next())))
  expect(sessions.every((session) => session?.userId === 'u')).toBe(true)
  expect(asked).toBe(1)
})

test('a new key is looked for, each half minute at the most', async () => {
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

test('keys are fetched anew after ten minutes; a removed one is gone then', async () => {
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

test('while the keys cannot be had the known ones are kept, and without any nobody is signed in', async () => {
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
