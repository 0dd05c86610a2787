/**
 * GitHub sign-in: the real flow, with only GitHub's own answers made here (a server's addresses are
 * fixed in the provider, so its three requests are answered at `fetch`).
 */

import { afterEach, expect, test, vi } from 'vitest'
import { cookiesOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth({ github: { clientId: 'github-id', clientSecret: 'github-secret' } })
afterEach(() => vi.unstubAllGlobals())

function github(profile: { id: number; email: string; verified: boolean }) {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (input: string | URL | Request, init?: RequestInit) => {
    const { pathname, hostname } = new URL(input instanceof Request ? input.url : String(input))
    asked.push(`${hostname}${pathname} ${String(init?.body ?? '')}`)
    const { id, email, verified } = profile
    if (pathname === '/login/oauth/access_token') {
      return Response.json({
        access_token: 'gho_plain_token',
        token_type: 'bearer',
        scope: 'user:email',
      })
    }
    if (pathname === '/user')
      return Response.json({ id, login: 'ada', name: 'Ada', email, avatar_url: '' })
    if (pathname === '/user/emails') {
      return Response.json([{ email, primary: true, verified, visibility: 'private' }])
    }
    return new Response(null, { status: 404 })
  })
  return asked
}

async function begin(cookie?: string) {
  const body = { provider: 'github', callbackURL: '/dashboard', errorCallbackURL: '/sign-in' }
  const answer = await setup.auth.post('/sign-in/social', body, cookie ? { cookie } : {})
  const { url } = (await answer.json()) as { url: string }
  return { answer, target: new URL(url), stateCookie: cookiesOf(answer) }
}

const comeBack = (state: string, cookie: string) =>
  setup.auth.handler(
    setup.auth.request(`/api/auth/callback/github?code=c0de&state=${state}`, { cookie }),
  )

test('the state is a lax cookie, everything that follows is strict, and the return hops', async () => {
  const asked = github({ id: 1, email: 'ada@example.com', verified: true })
  const { answer, target, stateCookie } = await begin()
  expect(target.origin).toBe('https://github.com')
  expect(target.searchParams.get('code_challenge_method')).toBe('S256')
  const [line, ...more] = answer.headers.getSetCookie()
  expect(more).toEqual([])
  expect(line).toMatch(/^__Host-tollgate\.state=/)
  expect(line).toMatch(/SameSite=Lax/i)
  expect(line).toMatch(/HttpOnly/)
  expect(line).toMatch(/Secure/)

  const back = await comeBack(target.searchParams.get('state') as string, stateCookie)
  expect(back.status).toBe(200)
  expect(await back.text()).toContain('content="0;url=/dashboard"')
  for (const cookie of back.headers.getSetCookie()) {
    if (!cookie.startsWith('__Host-tollgate.state=')) expect(cookie).toMatch(/SameSite=Strict/i)
  }
  const user = await setup.auth.getUser(setup.auth.request('/', { cookie: cookiesOf(back) }))
  expect(user).toMatchObject({ email: 'ada@example.com', emailVerified: true })
  expect(asked[0]).toContain('code_verifier')
})

test('provider tokens are encrypted at rest', async () => {
  const row = await setup.db.account.findFirstOrThrow({ where: { providerId: 'github' } })
  expect(row.accessToken).toBeTruthy()
  expect(row.accessToken).not.toContain('gho_plain_token')
})

test.each([
  ['another state', (state: string, cookie: string) => comeBack(`${state}x`, cookie)],
  ['no state cookie, as in a login CSRF', (state: string) => comeBack(state, '')],
  [
    'a state that is used up',
    async (state: string, cookie: string) => {
      await comeBack(state, cookie)
      return comeBack(state, cookie)
    },
  ],
])('%s signs nobody in', async (_, attempt) => {
  github({ id: 2, email: 'bob@example.com', verified: true })
  const { target, stateCookie } = await begin()
  const answer = await attempt(target.searchParams.get('state') as string, stateCookie)
  expect(answer.headers.getSetCookie().join()).not.toContain('session_token=')
})

test('promise 5: the session from before is ended, though its cookie is not sent on the return', async () => {
  github({ id: 3, email: 'eve@example.com', verified: true })
  const before = await setup.auth.signIn('carol@example.com')
  const { target, stateCookie } = await begin(before.cookie)
  await comeBack(target.searchParams.get('state') as string, stateCookie)
  expect(await setup.auth.getSession(setup.auth.request('/', { cookie: before.cookie }))).toBeNull()
})

test('an address that GitHub has not verified is not linked to its owner', async () => {
  const owner = await setup.auth.signIn('owner@example.com')
  github({ id: 4, email: 'owner@example.com', verified: false })
  const { target, stateCookie } = await begin()
  const answer = await comeBack(target.searchParams.get('state') as string, stateCookie)
  expect(answer.headers.getSetCookie().join()).not.toContain('session_token=')
  expect(await setup.db.account.count({ where: { userId: owner.userId } })).toBe(1)
})

test('a return to another site is refused at the start', async () => {
  const body = { provider: 'github', callbackURL: 'https://evil.example/' }
  expect((await setup.auth.post('/sign-in/social', body)).status).toBe(403)
})

test('a callback that only looks like a path does not leave this host', async () => {
  github({ id: 5, email: 'dan@example.com', verified: true })
  const body = { provider: 'github', callbackURL: '/.//evil.example' }
  const answer = await setup.auth.post('/sign-in/social', body)
  const { url } = (await answer.json()) as { url: string }
  const state = new URL(url).searchParams.get('state') as string
  const back = await comeBack(state, cookiesOf(answer))
  expect(await back.text()).toContain('content="0;url=/evil.example"')
})

test('a provider without keys is off', async () => {
  const answer = await setup.auth.post('/sign-in/social', { provider: 'google', callbackURL: '/' })
  expect(answer.status).toBeGreaterThanOrEqual(400)
})
