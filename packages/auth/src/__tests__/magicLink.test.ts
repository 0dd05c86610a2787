/** Signing in by a link: pressed and not opened, once, soon, and telling nobody who is known. */

import { expect, test } from 'vitest'
import { cookiesOf, TEST_ORIGIN, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

const ask = async (email: string, more: object = {}) => {
  const answer = await setup.auth.post('/sign-in/magic-link', { email, ...more })
  await setup.auth.settled()
  return answer
}
const tokenFor = async (email: string) => {
  await ask(email)
  return tokenOf(setup.auth.outbox, 'MagicLinkEmail')
}
const press = (token: unknown, options = {}) =>
  setup.auth.post('/sign-in/magic-link/confirm', { token }, options)

test('the mail links to a page, opening it signs nobody in, the button does', async () => {
  const { email, userId } = await setup.auth.signIn()
  const token = await tokenFor(email)
  const mail = setup.auth.outbox.last('MagicLinkEmail')
  expect(mail.to).toBe(email)
  expect(mail.text).toContain(`${TEST_ORIGIN}/magic-link?token=${token}`)
  for (const path of ['/magic-link/verify', '/sign-in/magic-link/confirm']) {
    const opened = await setup.auth.handler(
      setup.auth.request(`/api/auth${path}?token=${token}&callbackURL=/`),
    )
    expect(opened.status).toBe(404)
    expect(opened.headers.getSetCookie()).toEqual([])
  }
  const pressed = await press(token)
  expect(pressed.status).toBe(200)
  const cookie = cookiesOf(pressed)
  expect(cookie).toMatch(/session_token=.*access_token=ey/)
  for (const line of pressed.headers.getSetCookie()) expect(line).toMatch(/SameSite=Strict/i)
  expect(await setup.auth.requireAuth(setup.auth.request('/', { cookie }))).toMatchObject({
    userId,
  })
})

test('known and unknown addresses get the same answer and the same mail', async () => {
  const { email } = await setup.auth.signIn()
  const known = await ask(email)
  const unknown = await ask('new-here@example.com')
  expect(unknown.status).toBe(known.status)
  expect(await unknown.text()).toBe(await known.text())
  const texts = [email, 'new-here@example.com'].map((to) =>
    setup.auth.outbox
      .to(to)
      .at(-1)
      ?.text.replace(/token=\S+/, ''),
  )
  expect(texts[0]).toBe(texts[1])
})

test('a new person is signed up by the button and not by requesting the link', async () => {
  const email = 'fresh@example.com'
  const token = await tokenFor(email)
  expect(await setup.db.user.count({ where: { email } })).toBe(0)
  const cookie = cookiesOf(await press(token))
  expect(await setup.auth.getUser(setup.auth.request('/', { cookie }))).toMatchObject({
    email,
    emailVerified: true,
    name: 'fresh',
    role: 'USER',
  })
})

test('the name in the request is not given to the account, because a stranger may have sent it', async () => {
  const email = 'newbie@example.com'
  const asked = await setup.auth.post('/sign-in/magic-link', {
    email,
    name: 'Chosen by a stranger',
  })
  expect(asked.status).toBe(200)
  await setup.auth.settled()
  const mail = setup.auth.outbox.last('MagicLinkEmail')
  expect(`${mail.subject}${mail.text}`).not.toContain('stranger')
  expect((await press(tokenOf(setup.auth.outbox, 'MagicLinkEmail'))).status).toBe(200)
  expect((await setup.db.user.findUniqueOrThrow({ where: { email } })).name).toBe('newbie')
})

test('a link works once, also for several people who press at the same time', async () => {
  const token = await tokenFor('once@example.com')
  const answers = await Promise.all([1, 2, 3, 4].map(() => press(token)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400])
  expect(await setup.db.session.count({ where: { user: { email: 'once@example.com' } } })).toBe(1)
  const late = await press(token)
  expect(late.status).toBe(400)
  expect(await late.json()).toMatchObject({ code: 'invalid_token' })
  expect(late.headers.getSetCookie()).toEqual([])
})

test('if several links of a new person are pressed at once, one makes the user', async () => {
  for (let n = 0; n < 4; n += 1) {
    const email = `several-${n}@example.com`
    const tokens: string[] = []
    for (let link = 0; link < 5; link += 1) tokens.push(await tokenFor(email))
    const answers = await Promise.all(tokens.map((token) => press(token)))
    const statuses = answers.map(({ status }) => status)
    expect(statuses).toContain(200)
    expect(statuses.filter((status) => status !== 200 && status !== 409)).toEqual([])
    expect(await setup.db.user.count({ where: { email } })).toBe(1)
  }
})

test('a link ends after ten minutes, and is stored hashed', async () => {
  const token = await tokenFor('late@example.com')
  const rows = await setup.db.verificationToken.findMany({
    where: { value: { contains: 'late@example.com' } },
  })
  expect(rows).toHaveLength(1)
  const minutes = ((rows[0]?.expiresAt.getTime() ?? 0) - Date.now()) / 60_000
  expect(minutes).toBeGreaterThan(9)
  expect(minutes).toBeLessThanOrEqual(10)
  expect(JSON.stringify(rows)).not.toContain(token)
  await setup.db.verificationToken.updateMany({ data: { expiresAt: new Date(0) } })
  expect((await press(token)).status).toBe(400)
})

test.each(['', 'x', 'y'.repeat(3000), 7, null, { $gt: '' }])(
  'the token %j signs nobody in',
  async (token) => {
    const answer = await press(token)
    expect(answer.status).toBe(400)
    expect(answer.headers.getSetCookie()).toEqual([])
  },
)

test('a sign-in by link ends the browser’s earlier session', async () => {
  const before = await setup.auth.signIn()
  const token = await tokenFor(before.email)
  expect((await press(token, { cookie: before.cookie })).status).toBe(200)
  expect(await setup.auth.getSession(setup.auth.request('/', { cookie: before.cookie }))).toBeNull()
})

test('another site can neither ask for a link nor press the button', async () => {
  const token = await tokenFor('quiet@example.com')
  const headers = { origin: 'https://evil.example' }
  expect((await press(token, { headers })).status).toBe(403)
  const asked = await setup.auth.post(
    '/sign-in/magic-link',
    { email: 'quiet@example.com' },
    { headers },
  )
  expect(asked.status).toBe(403)
  expect((await press(token)).status).toBe(200)
})

test('the link keeps the requested page of this host, and no page of another host', async () => {
  await ask('next@example.com', { callbackURL: '/billing' })
  expect(setup.auth.outbox.last('MagicLinkEmail').text).toContain('next=%2Fbilling')
  expect((await ask('next@example.com', { callbackURL: 'https://evil.example/' })).status).toBe(403)
})

test('a person signs in with two forms and without script', async () => {
  const form = (fields: Record<string, string>) =>
    setup.auth.request('/', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: TEST_ORIGIN },
      body: new URLSearchParams(fields).toString(),
    })
  const asked = await setup.auth.formAction(form({ email: 'form@example.com' }), {
    path: '/sign-in/magic-link',
    success: '/check-mail',
    failure: '/sign-in',
  })
  expect(asked.headers.get('location')).toBe('/check-mail')
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'MagicLinkEmail')
  const action = { path: '/sign-in/magic-link/confirm', success: '/dashboard', failure: '/sign-in' }
  const pressed = await setup.auth.formAction(form({ token }), action)
  expect(pressed.headers.get('location')).toBe('/dashboard')
  expect(cookiesOf(pressed)).toContain('session_token')
  const again = await setup.auth.formAction(form({ token }), action)
  expect(again.headers.get('location')).toBe('/sign-in?error=invalid_token')
})
