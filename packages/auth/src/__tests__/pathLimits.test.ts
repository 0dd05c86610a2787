/** Limits by address and endpoint: what leads nowhere shares one, and so do the paths of one route. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AuthOptions } from '../index.ts'
import { createTestAuth, type TestAuth } from '../testing.ts'
import { answered } from './endpoints.ts'
import { startRedis } from './redis.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

// A window of ten seconds does not end while a slow machine sends.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const limited = (options: Partial<AuthOptions> = {}) =>
  createTestAuth({
    db: setup.db,
    rateLimit: true,
    twoFactor: true,
    oauth: { scopes: ['a:b'] },
    ...options,
  })

let lastAddress = 0
const newAddress = () => {
  lastAddress += 1
  return `198.18.${lastAddress >> 8}.${lastAddress & 255}`
}

const ask = (auth: TestAuth, path: string, address: string, method = 'GET') =>
  auth.handler(
    auth.request(path, { method, headers: { 'x-forwarded-for': address, origin: ORIGIN } }),
  )
const ORIGIN = 'http://localhost:3000'

/** How many of these requests were refused, and how many rows they made. */
async function flood(paths: string[], address: string, processes = [limited()], method = 'GET') {
  const before = await setup.db.rateLimit.count()
  const answers = await Promise.all(
    paths.map((path, n) => ask(processes[n % processes.length] as TestAuth, path, address, method)),
  )
  return {
    refused: answers.filter(({ status }) => status === 429),
    rows: (await setup.db.rateLimit.count()) - before,
  }
}
const many = (path: (n: number) => string, count = 150) =>
  Array.from({ length: count }, (_, n) => path(n))
const random = () => Math.random().toString(36).slice(2)

test('unknown paths share one limit and make one row, over all processes', async () => {
  const processes = [limited(), limited()]
  const address = newAddress()
  const { refused, rows } = await flood(
    many(() => `/api/auth/${random()}`),
    address,
    processes,
  )
  expect([refused.length, rows]).toEqual([50, 1])
  expect(refused[0]?.headers.get('content-type')).toBe('application/problem+json')
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
  const [auth] = processes as [TestAuth]
  expect((await ask(auth, '/api/auth/ok', address)).status).toBe(200)
  expect((await ask(auth, `/api/auth/${random()}`, newAddress())).status).toBe(404)
})

test('with Redis they are counted there', async () => {
  // It has a clock of its own.
  vi.useRealTimers()
  const redis = await startRedis()
  const processes = [limited({ redisUrl: redis.url }), limited({ redisUrl: redis.url })]
  try {
    const address = newAddress()
    const send = () =>
      flood(
        many(() => `/api/auth/${random()}`),
        address,
        processes,
      )
    let { refused, rows } = await send()
    // A slow machine may send the first of them in a window that ends.
    while (refused.length === 0) ({ refused, rows } = await send())
    expect(rows).toBe(0)
  } finally {
    for (const auth of processes) await auth.close()
    await redis.stop()
  }
})

test.each([
  ['below an endpoint', () => `/api/auth/sign-in/${random()}`],
  ['with a slash at the end', () => `/api/auth/get-session/${random()}/`],
  ['with slashes', (n: number) => `/api/auth/${'/'.repeat(n + 1)}ok`],
  ['in other letters', () => `/api/auth/OK${random()}`],
  ['escaped', (n: number) => `/api/auth/%6f%6b${n}`],
  ['elsewhere', () => `/${random()}`],
  ['of the server’s own functions', (n: number) => `/api/auth/admin/oauth2/resources/${n}`],
  ['of metadata', () => `/.well-known/${random()}`],
])('a path %s is unknown', async (_, path) => {
  const { refused, rows } = await flood(many(path), newAddress())
  expect([refused.length, rows]).toEqual([50, 1])
})

test.each([
  ['/api/auth/callback/', ''],
  ['/api/auth/reset-password/', '?callbackURL=/x'],
])('all paths of %s share one limit and make one row', async (start, query) => {
  const { refused, rows } = await flood(
    many(() => `${start}${random()}${query}`),
    newAddress(),
  )
  expect([refused.length, rows]).toEqual([50, 1])
})

test('however an endpoint’s path is written, an address makes one row', async () => {
  const auth = limited()
  await auth.load()
  const address = newAddress()
  const before = await setup.db.rateLimit.count()
  const routes = new Set<string>()
  for (const { path, method } of answered(auth)) {
    routes.add(path)
    for (const n of [1, 2, 3]) {
      const asked = path.replace(/:\w+/g, `${n}`)
      await ask(auth, `/api/auth${asked}?email=${n}@example.com&n=${n}`, address, method)
    }
  }
  const rows = (await setup.db.rateLimit.count()) - before
  expect(rows).toBeLessThanOrEqual(routes.size)
})

test('a plugin’s limit still applies, and the metadata of the OAuth server is not an unknown path', async () => {
  const address = newAddress()
  const token = await flood(
    many(() => '/api/auth/oauth2/token', 25),
    address,
    [limited()],
    'POST',
  )
  expect(token.refused).toHaveLength(5)
  await flood(
    many(() => `/api/auth/${random()}`),
    address,
  )
  const metadata = await ask(limited(), '/.well-known/openid-configuration', address)
  expect(metadata.status).toBe(200)
})

test('without limits nothing is counted', async () => {
  const auth = createTestAuth({ db: setup.db })
  const { refused, rows } = await flood(
    many(() => `/api/auth/${random()}`),
    newAddress(),
    [auth],
  )
  expect([refused.length, rows]).toEqual([0, 0])
})
