/** Silent renewal: in Node with the answer, at the edge through a redirect, for scripts by a second try. */

import { toResponse } from '@repo/core'
import type { JSONWebKeySet } from 'jose'
import { afterEach, expect, test, vi } from 'vitest'
import { createFetch } from '../client.ts'
import { createEdge } from '../edge.ts'
import { ACCESS_COOKIE, RENEWED_COOKIE, SESSION_COOKIE } from '../session/cookies.ts'
import { cookiesOf, TEST_ORIGIN } from '../testing.ts'
import { withoutAccess } from './cookies.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
afterEach(() => vi.unstubAllGlobals())

const PAGE = { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'same-origin' }

const pathOf = (address: string) => address.slice(TEST_ORIGIN.length)

async function edgeOf() {
  const answer = await setup.auth.handler(setup.auth.request('/api/auth/jwks'))
  return createEdge({ baseURL: TEST_ORIGIN, jwks: (await answer.json()) as JSONWebKeySet })
}

test('in Node a request without an access token is answered with a new one', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const req = setup.auth.request('/', { cookie: withoutAccess(cookie) })
  expect(await setup.auth.renewCookies(req)).toEqual([])
  expect(await setup.auth.requireAuth(req)).toMatchObject({ userId })
  const lines = await setup.auth.renewCookies(req)
  expect(lines.map((line) => line.split('=')[0]).sort()).toEqual([ACCESS_COOKIE, SESSION_COOKIE])
  expect(await setup.auth.renewCookies(req)).toEqual([])
  const next = cookiesOf(new Response(null, { headers: lines.map((line) => ['set-cookie', line]) }))
  const again = setup.auth.request('/', { cookie: next })
  expect(await setup.auth.requireAuth(again)).toMatchObject({ userId })
  expect(await setup.auth.renewCookies(again)).toEqual([])
})

test('a valid token, a request without a session and an ended session get no cookies', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const good = setup.auth.request('/', { cookie })
  await setup.auth.requireAuth(good, { fresh: true })
  expect(await setup.auth.renewCookies(good)).toEqual([])
  const nobody = setup.auth.request('/')
  expect(await setup.auth.getSession(nobody)).toBeNull()
  expect(await setup.auth.renewCookies(nobody)).toEqual([])
  const over = setup.auth.request('/', { cookie: withoutAccess(cookie) })
  await setup.db.session.deleteMany({ where: { userId } })
  expect(await setup.auth.getSession(over)).toBeNull()
  expect(await setup.auth.renewCookies(over)).toEqual([])
})

test('at the edge a page is redirected to the refresh and comes back', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const edge = await edgeOf()
  const bare = withoutAccess(cookie)
  const page = (of: string) => setup.auth.request('/team?tab=2', { cookie: of, headers: PAGE })
  const away = await edge.renew(page(bare))
  expect(away?.status).toBe(303)
  const location = away?.headers.get('location') as string
  // A proxy of Next.js takes absolute addresses only.
  expect(location).toBe(`${TEST_ORIGIN}/api/auth/access/renew?next=%2Fteam%3Ftab%3D2`)
  const back = await setup.auth.handler(
    setup.auth.request(pathOf(location), { cookie: bare, headers: PAGE }),
  )
  expect(back.status).toBe(302)
  expect(back.headers.get('location')).toBe('/team?tab=2')
  const renewed = cookiesOf(back)
  expect(await edge.renew(page(renewed))).toBeNull()
  expect(await edge.requireAuth(page(renewed))).toMatchObject({ userId })
})

test('a page that cannot read the new token is not redirected again', async () => {
  const { cookie } = await setup.auth.signIn()
  const stranger = createEdge({ baseURL: TEST_ORIGIN, jwks: { keys: [] } })
  const first = setup.auth.request('/', { cookie, headers: PAGE })
  const back = await setup.auth.handler(
    setup.auth.request(pathOf((await stranger.renew(first))?.headers.get('location') as string), {
      cookie,
      headers: PAGE,
    }),
  )
  expect(cookiesOf(back)).toContain(`${RENEWED_COOKIE}=1`)
  const second = setup.auth.request('/', { cookie: cookiesOf(back), headers: PAGE })
  expect(await stranger.renew(second)).toBeNull()
  expect(await stranger.getSession(second)).toBeNull()
})

test('an ended session comes back without cookies, and is not redirected again', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  await setup.db.session.deleteMany({ where: { userId } })
  const back = await setup.auth.handler(
    setup.auth.request('/api/auth/access/renew?next=/', { cookie, headers: PAGE }),
  )
  const cleared = back.headers.getSetCookie().filter((line) => /max-age=0/i.test(line))
  expect(cleared.map((line) => line.split('=')[0]).sort()).toEqual([ACCESS_COOKIE, SESSION_COOKIE])
})

test('a link from another site, which comes without cookies, signs nobody out', async () => {
  const back = await setup.auth.handler(
    setup.auth.request('/api/auth/access/renew?next=/', {
      headers: { ...PAGE, 'sec-fetch-site': 'cross-site' },
    }),
  )
  expect(back.headers.getSetCookie().join()).not.toMatch(/session_token|access_token/)
})

test.each([
  'https://evil.example/',
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  'javascript:alert(1)',
])('the redirect back leads to this site only: %s', async (next) => {
  const { cookie } = await setup.auth.signIn()
  const path = `/api/auth/access/renew?next=${encodeURIComponent(next)}`
  const back = await setup.auth.handler(setup.auth.request(path, { cookie, headers: PAGE }))
  expect(back.headers.get('location')).toBe('/')
})

test('only pages with a session cookie are redirected', async () => {
  const { cookie } = await setup.auth.signIn()
  const edge = await edgeOf()
  const bare = withoutAccess(cookie)
  const call = setup.auth.request('/', { cookie: bare, headers: { 'sec-fetch-mode': 'cors' } })
  const form = setup.auth.request('/', { cookie: bare, headers: PAGE, method: 'POST' })
  expect(await edge.renew(call)).toBeNull()
  expect(await edge.renew(form)).toBeNull()
  expect(await edge.renew(setup.auth.request('/', { headers: PAGE }))).toBeNull()
  expect(await edge.renew(setup.auth.request('/', { cookie, headers: PAGE }))).toBeNull()
  await expect(edge.requireAuth(call)).rejects.toMatchObject({
    code: 'access_expired',
    status: 401,
  })
  await expect(edge.requireAuth(setup.auth.request('/'))).rejects.toMatchObject({
    code: 'not_authenticated',
  })
})

/** A browser's `fetch`: cookies kept, an API at the edge, auth behind it. */
async function browser(cookie: string) {
  const edge = await edgeOf()
  const jar = new Map(cookie.split('; ').map((pair) => pair.split('=', 2) as [string, string]))
  const calls: string[] = []
  const api = async (req: Request): Promise<Response> => {
    const { pathname } = new URL(req.url)
    calls.push(pathname)
    if (pathname.startsWith('/api/auth/')) return setup.auth.handler(req)
    try {
      const { userId } = await edge.requireAuth(req)
      return Response.json({ userId, body: await req.text() })
    } catch (error) {
      return toResponse(error)
    }
  }
  vi.stubGlobal('fetch', async (input: string | Request, init?: RequestInit) => {
    const req = new Request(input, init)
    const pairs = [...jar].map(([name, value]) => `${name}=${value}`)
    const headers = new Headers(req.headers)
    headers.set('cookie', pairs.join('; '))
    headers.set('origin', TEST_ORIGIN)
    const answer = await api(new Request(req, { headers }))
    for (const line of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] as string).split('=', 2)
      if (/max-age=0/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    return answer
  })
  return { calls, fetch: createFetch(TEST_ORIGIN) }
}

test("a script's calls are repeated after one refresh for all of them", async () => {
  const { cookie, userId } = await setup.auth.signIn()
  const { calls, fetch } = await browser(withoutAccess(cookie))
  const answers = await Promise.all(
    [1, 2, 3].map((n) => fetch(`${TEST_ORIGIN}/api/things`, { method: 'POST', body: `${n}` })),
  )
  const bodies = await Promise.all(answers.map((answer) => answer.json()))
  expect(bodies).toEqual([1, 2, 3].map((n) => ({ userId, body: `${n}` })))
  expect(calls.filter((path) => path.endsWith('/refresh'))).toHaveLength(1)
  expect(calls.filter((path) => path === '/api/things')).toHaveLength(6)
})

test('a script whose session has ended gets the 401 after one try', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  await setup.db.session.deleteMany({ where: { userId } })
  const { calls, fetch } = await browser(withoutAccess(cookie))
  const answer = await fetch(`${TEST_ORIGIN}/api/things`)
  expect(answer.status).toBe(401)
  expect(await answer.json()).toMatchObject({ code: 'access_expired' })
  expect(calls).toEqual(['/api/things', '/api/auth/access/refresh'])
})
