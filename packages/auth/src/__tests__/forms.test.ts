/** Forms without script, the same-site redirect, and return paths that lead nowhere else. */

import { expect, test } from 'vitest'
import { redirectPage, sameOriginPath, sameSiteRedirect } from '../http/same-site.ts'
import { safePath } from '../index.ts'
import { cookiesOf, TEST_ORIGIN, TEST_PASSWORD } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

const form = (
  fields: Record<string, string>,
  headers: Record<string, string> = { origin: TEST_ORIGIN },
) =>
  setup.auth.request('/sign-in', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  })
const action = { path: '/sign-in/email', success: '/dashboard', failure: '/sign-in?from=form' }

test('a correct form signs in and redirects, with the cookies', async () => {
  const { email } = await setup.auth.signIn()
  const answer = await setup.auth.formAction(form({ email, password: TEST_PASSWORD }), action)
  expect(answer.status).toBe(303)
  expect(answer.headers.get('location')).toBe('/dashboard')
  expect(
    await setup.auth.getSession(setup.auth.request('/', { cookie: cookiesOf(answer) })),
  ).not.toBeNull()
})

test('a wrong form redirects back with a code and none of the typed text', async () => {
  const answer = await setup.auth.formAction(
    form({ email: 'a@example.com', password: 'wrong password' }),
    action,
  )
  expect(answer.status).toBe(303)
  expect(answer.headers.get('location')).toBe('/sign-in?from=form&error=invalid_email_or_password')
  expect(answer.headers.getSetCookie()).toEqual([])
})

test('fields that the host keeps go back to the page', async () => {
  const answer = await setup.auth.formAction(form({ token: 't0', newPassword: 'short' }), {
    path: '/reset-password',
    success: '/sign-in',
    failure: '/reset-password',
    keep: ['token'],
  })
  expect(answer.headers.get('location')).toBe('/reset-password?error=password_too_short&token=t0')
})

test.each([
  ['another site', { origin: 'https://evil.example' }],
  ['another port', { origin: 'http://localhost:3001' }],
  ['an opaque origin', { origin: 'null' }],
  ['nobody says where', {}],
  ['a cross-site fetch', { 'sec-fetch-site': 'cross-site' }],
])('a form from %s is refused, also with the right password', async (_, headers) => {
  const { email } = await setup.auth.signIn()
  const sent = setup.auth.formAction(form({ email, password: TEST_PASSWORD }, headers), action)
  await expect(sent).rejects.toMatchObject({ code: 'untrusted_origin', status: 403 })
})

test('a host may build the body itself', async () => {
  const { email } = await setup.auth.signIn()
  const answer = await setup.auth.formAction(form({ mail: email, pass: TEST_PASSWORD }), {
    ...action,
    fields: (sent) => ({ email: sent.get('mail'), password: sent.get('pass') }),
  })
  expect(answer.headers.get('location')).toBe('/dashboard')
})

test('a form by GET is refused', async () => {
  await expect(setup.auth.formAction(setup.auth.request('/sign-in'), action)).rejects.toMatchObject(
    {
      status: 405,
    },
  )
})

test('Better Auth itself refuses another origin and a callback to another site', async () => {
  const { cookie, email } = await setup.auth.signIn()
  const foreign = await setup.auth.post(
    '/sign-out',
    {},
    { cookie, headers: { origin: 'https://evil.example' } },
  )
  expect(foreign.status).toBe(403)
  expect(await setup.auth.getSession(setup.auth.request('/', { cookie }))).not.toBeNull()
  const body = { email, redirectTo: 'https://evil.example/' }
  expect((await setup.auth.post('/request-password-reset', body)).status).toBe(403)
})

test.each([
  ['/billing?x=1#y', '/billing?x=1#y'],
  ['/.//evil.example', '/evil.example'],
  ['/中?q=é', '/%E4%B8%AD?q=%C3%A9'],
  ['//evil.example', '/home'],
  ['/\\evil.example', '/home'],
  ['/\t/evil.example', '/home'],
  ['https://evil.example', '/home'],
  ['javascript:alert(1)', '/home'],
  ['', '/home'],
  [null, '/home'],
])('the return path %j becomes %s', (candidate, path) => {
  expect(safePath(candidate, '/home')).toBe(path)
  expect(new URL(safePath(candidate, '/home'), TEST_ORIGIN).origin).toBe(TEST_ORIGIN)
})

test('the field `next` leads to a page of this host only', async () => {
  const { email } = await setup.auth.signIn()
  const go = async (next: string) => {
    const answer = await setup.auth.formAction(
      form({ email, password: TEST_PASSWORD, next }),
      action,
    )
    return answer.headers.get('location')
  }
  expect(await go('/billing')).toBe('/billing')
  expect(await go('//evil.example/')).toBe('/dashboard')
  expect(await go('/中')).toBe('/%E4%B8%AD')
})

const arriving = (headers: Record<string, string>, method = 'GET') =>
  new Request('https://localhost:3000/billing/success?session_id=cs_1&x="><script>', {
    method,
    headers,
  })
const CROSS = {
  'sec-fetch-site': 'cross-site',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
}

test('a page that is reached from another site is redirected to itself once, without a script', async () => {
  const hop = sameSiteRedirect(arriving(CROSS))
  expect(hop?.status).toBe(200)
  const html = (await hop?.text()) as string
  expect(html).toContain('http-equiv="refresh" content="0;url=/billing/success?session_id=cs_1')
  expect(html).not.toContain('<script>')
  expect(hop?.headers.get('cache-control')).toBe('no-store')
  expect(hop?.headers.get('referrer-policy')).toBe('no-referrer')
})

test.each([
  ['our own site', arriving({ ...CROSS, 'sec-fetch-site': 'same-origin' })],
  ['the address bar', arriving({ ...CROSS, 'sec-fetch-site': 'none' })],
  ['a script', arriving({ ...CROSS, 'sec-fetch-mode': 'cors' })],
  ['an image', arriving({ ...CROSS, 'sec-fetch-dest': 'image' })],
  ['a client that says nothing', arriving({})],
  ['a POST', arriving(CROSS, 'POST')],
])('a request of %s is not redirected to itself', (_, req) => {
  expect(sameSiteRedirect(req)).toBeNull()
})

test('a path that would lead to another host becomes a path of ours', async () => {
  const hop = sameSiteRedirect(
    new Request('https://localhost:3000//evil.example/x', { headers: CROSS }),
  )
  expect(await hop?.text()).toContain('content="0;url=/evil.example/x"')
  expect(sameOriginPath('/.//evil.example', TEST_ORIGIN)).toBe('/evil.example')
})

test.each([
  ['application/json', '{}'],
  ['multipart/form-data; boundary=a', 'nonsense'],
])('a body of %s that is not a form is refused', async (type, body) => {
  const req = setup.auth.request('/sign-in', {
    method: 'POST',
    headers: { origin: TEST_ORIGIN, 'content-type': type },
    body,
  })
  await expect(setup.auth.formAction(req, action)).rejects.toMatchObject({
    code: 'invalid_form',
    status: 400,
  })
})

test('the same-site redirect leads to this origin only', () => {
  expect(sameOriginPath('https://localhost:3000/a?b', TEST_ORIGIN)).toBe('/a?b')
  for (const elsewhere of [
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    'data:,x',
  ]) {
    expect(sameOriginPath(elsewhere, TEST_ORIGIN)).toBeNull()
  }
  const headers = new Headers([['set-cookie', 'a=b']])
  expect(redirectPage('/x', headers).headers.getSetCookie()).toEqual(['a=b'])
})
