/** Addresses that look like another person's are not theirs, whichever way somebody comes in with them. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { createBrowser } from './browser.ts'
import { type Issuer, OIDC_CLIENT, startIssuer } from './issuer.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let issuer: Issuer
let auth: TestAuth
beforeAll(async () => {
  issuer = await startIssuer({ redirectUri: `${TEST_ORIGIN}/api/auth/callback/acme` })
  auth = createTestAuth({ db: setup.db, oidc: { acme: { issuer: issuer.url, ...OIDC_CLIENT } } })
  await auth.signIn('victim@example.com')
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
  await issuer.close()
})

const LOOKALIKES = [
  ['a Cyrillic a', 'victim@exаmple.com'],
  ['a Kelvin sign', 'vi\u212ator@example.com'],
  ['a dotless i', 'vıctim@example.com'],
  ['full width', 'ｖictim@example.com'],
  ['a zero-width space', 'victim\u200b@example.com'],
  ['a line break', 'victim@example.com\r\nBcc: eve@example.com'],
  ['a space inside', 'vic tim@example.com'],
  ['a full-width domain', 'victim@ｅxample.com'],
  ['a Kelvin sign in its domain', 'victim@e\u212aample.com'],
  ['an ignored letter in its domain', 'victim@exam\u00adple.com'],
] as const

/** Comes from a provider that says the address is proven. */
async function fromProvider(email: string): Promise<string> {
  issuer.profile = { sub: `eve-${email}`, email, email_verified: true, name: 'Eve' }
  const begun = await auth.post('/sign-in/social', { provider: 'acme', callbackURL: '/' })
  const { url } = (await begun.json()) as { url: string }
  const { pathname, search } = await createBrowser().until(TEST_ORIGIN, url)
  const answer = await auth.handler(
    auth.request(`${pathname}${search}`, { cookie: cookiesOf(begun) }),
  )
  return cookiesOf(answer)
}

test.each(LOOKALIKES)(
  'an address with %s never reaches the owner of the address that it resembles',
  async (_, email) => {
    await auth.signIn('viktor@example.com')
    const before = [await setup.db.user.count(), auth.outbox.sent.length]
    for (const path of [
      '/sign-up/email',
      '/sign-in/email',
      '/sign-in/magic-link',
      '/request-password-reset',
      '/send-verification-email',
    ]) {
      const answer = await auth.post(path, { name: 'Eve', email, password: TEST_PASSWORD })
      expect([400, 401, 422]).toContain(answer.status)
    }
    expect(await fromProvider(email)).not.toContain('session_token')
    await auth.settled()
    expect([await setup.db.user.count(), auth.outbox.sent.length]).toEqual(before)
  },
)

test('a space around an address is ignored when typed, and makes another address at a provider', async () => {
  const { userId } = await auth.signIn('blank@example.com')
  for (const email of ['blank@example.com ', ' blank@example.com', '\u00a0blank@example.com\t']) {
    const answer = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
    const session = await auth.getSession(auth.request('/', { cookie: cookiesOf(answer) }))
    expect(session).toMatchObject({ userId })
  }
  const users = await setup.db.user.count()
  expect(await fromProvider(' blank@example.com')).not.toContain('session_token')
  expect(await setup.db.user.count()).toBe(users)
})

test('an address in capitals is the same person', async () => {
  const { userId } = await auth.signIn('capital@example.com')
  const answer = await auth.post('/sign-in/email', {
    email: 'CAPITAL@Example.COM',
    password: TEST_PASSWORD,
  })
  expect(await auth.getSession(auth.request('/', { cookie: cookiesOf(answer) }))).toMatchObject({
    userId,
  })
})
