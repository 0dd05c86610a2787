/** The proxy of a Next.js app by itself. The app as a whole is tried in `@repo/demo`. */

import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeAll, expect, test } from 'vitest'
import { createProxy } from '../next-proxy.ts'
import { ACCESS_COOKIE, RENEWED_COOKIE, SESSION_COOKIE } from '../session/cookies.ts'

const ORIGIN = 'https://app.example.com'
const PAGE = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

let proxy: ReturnType<typeof createProxy>
let token: string
beforeAll(async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] }
  proxy = createProxy({ baseURL: ORIGIN, jwks, protect: ['/dashboard'] })
  token = await new SignJWT({ sub: 'u', sid: 's', role: 'USER', acr: 'aal1' })
    .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: 'at+jwt' })
    .setIssuer(ORIGIN)
    .setAudience(ORIGIN)
    .setIssuedAt()
    .setExpirationTime('1 minute')
    .sign(privateKey)
})

/** As Next.js hands it over behind a reverse proxy: with the server's own address. */
const request = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  new Request(`http://localhost:3000${path}`, { method, headers })

test('a page without a session redirects to the sign-in, by an absolute address, and back', async () => {
  const answer = await proxy(request('/dashboard/team?tab=2&_rsc=x1'))
  expect(answer?.status).toBe(303)
  expect(answer?.headers.get('location')).toBe(
    `${ORIGIN}/sign-in?next=%2Fdashboard%2Fteam%3Ftab%3D2`,
  )
  expect(answer?.headers.get('cache-control')).toBe('no-store')
})

test.each(['/', '/pricing', '/dashboards', '/dashboard.txt', '/sign-in'])(
  'the page %s needs no session',
  async (path) => {
    expect(await proxy(request(path))).toBeUndefined()
  },
)

test.each([
  '//evil.example/dashboard',
  '/dashboard//evil.example',
  '/dashboard/%2F%2Fevil.example',
])('the way back from %s stays on the host', async (path) => {
  const location = (await proxy(request(path)))?.headers.get('location')
  if (!location) return
  const url = new URL(location)
  expect(url.origin).toBe(ORIGIN)
  expect(url.searchParams.get('next')).toMatch(/^\/(?![\\/])/)
})

test.each(['/%64ashboard', '/dashboard/', '/dashboard/%ff', '//dashboard'])(
  'the page %s is treated as the protected page',
  async (path) => {
    expect((await proxy(request(path)))?.status).toBe(303)
  },
)

test('all pages can be protected, and the sign-in can still be opened', async () => {
  const all = createProxy({ baseURL: ORIGIN, protect: ['/'] })
  expect((await all(request('/pricing')))?.status).toBe(303)
  expect(await all(request('/sign-in?next=%2F'))).toBeUndefined()
})

test('a session passes, also a session that only the database can check', async () => {
  const cookie = `${ACCESS_COOKIE}=${token}`
  expect(await proxy(request('/dashboard', { cookie }))).toBeUndefined()
  const session = `${SESSION_COOKIE}=x`
  expect(await proxy(request('/dashboard', { cookie: session }))).toBeUndefined()
})

test('an action passes, because the page refuses it', async () => {
  expect(await proxy(request('/dashboard', {}, 'POST'))).toBeUndefined()
})

test('a page with an expired access token is redirected to the renewal, once', async () => {
  const cookie = `${SESSION_COOKIE}=x`
  for (const path of ['/dashboard?a=1', '/pricing?a=1']) {
    const answer = await proxy(request(path, { ...PAGE, cookie }))
    expect(answer?.status).toBe(303)
    expect(answer?.headers.get('location')).toBe(
      `${ORIGIN}/api/auth/access/renew?next=${encodeURIComponent(path)}`,
    )
  }
  const again = `${cookie}; ${RENEWED_COOKIE}=1`
  expect(await proxy(request('/dashboard', { ...PAGE, cookie: again }))).toBeUndefined()
})

test('a page that is reached from another site is redirected to itself before any check', async () => {
  const answer = await proxy(request('/dashboard?a=1', { ...PAGE, 'sec-fetch-site': 'cross-site' }))
  expect(answer?.status).toBe(200)
  expect(await answer?.text()).toContain('content="0;url=/dashboard?a=1"')
})

test.each([undefined, '', 'app.example.com'])(
  'the origin %j is refused with the first request',
  async (given) => {
    const before = process.env.APP_URL
    try {
      if (given === undefined) delete process.env.APP_URL
      else process.env.APP_URL = given
      const late = createProxy()
      await expect(late(request('/'))).rejects.toMatchObject({ code: 'invalid_options' })
      // What is mended is taken up: nothing was remembered.
      process.env.APP_URL = ORIGIN
      expect(await late(request('/'))).toBeUndefined()
    } finally {
      if (before === undefined) delete process.env.APP_URL
      else process.env.APP_URL = before
    }
  },
)
