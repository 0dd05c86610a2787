/** Step-up by route: a second factor, or a recent sign-in, is asked for in Node and at the edge alike. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEdge, type Edge } from '../edge.ts'
import { cookiesOf, createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'
import { codeOf, secretIn } from './authenticator.ts'
import { withoutAccess } from './cookies.ts'
import { createDevice } from './device.ts'
import { byLink, byPassword, type Person, personWithFactor } from './people.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let auth: TestAuth
let edge: Edge
beforeAll(async () => {
  auth = createTestAuth({ db: setup.db, twoFactor: true })
  const jwks = await (await auth.handler(auth.request('/api/auth/jwks'))).json()
  edge = createEdge({ baseURL: TEST_ORIGIN, jwks: jwks as never })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
})

/** What both say, and the row where there is no access token. */
async function everywhere(
  cookie: string,
  ask: (guards: Pick<Edge, keyof Edge>) => (req: Request) => Promise<unknown>,
) {
  const req = () => auth.request('/', { cookie })
  const said = (asked: Promise<unknown>) =>
    asked.then(
      () => 'allowed',
      (error: { code: string; status: number }) => `${error.status} ${error.code}`,
    )
  const answers = [
    await said(ask(auth as never)(req())),
    await said(ask(edge)(req())),
    await said(ask(auth as never)(auth.request('/', { cookie: withoutAccess(cookie) }))),
  ]
  expect(new Set(answers).size, answers.join(', ')).toBe(1)
  return answers[0]
}
const aal2 = (cookie: string) => everywhere(cookie, (guards) => (req) => guards.requireAal2(req))
const recent = (cookie: string, withinSeconds = 300) =>
  everywhere(cookie, (guards) => (req) => guards.requireRecentSignIn(req, { withinSeconds }))

/** As if the person had signed in so long ago; returns the cookies after the next refresh. */
async function aged(cookie: string, seconds: number): Promise<string> {
  const { sessionId } = await auth.requireAuth(auth.request('/', { cookie }))
  await setup.db.session.update({
    where: { id: sessionId },
    data: { createdAt: new Date(Date.now() - seconds * 1000) },
  })
  return cookiesOf(await auth.post('/access/refresh', {}, { cookie: withoutAccess(cookie) }))
}
const stepUp = async (person: Person, cookie: string, ahead = 0) => {
  const body = { code: await codeOf(person.secret, ahead) }
  const answer = await auth.post('/two-factor/verify-totp', body, { cookie })
  expect(answer.status).toBe(200)
  return cookiesOf(answer)
}

test('a person without a second factor is told to turn one on', async () => {
  const { cookie } = await auth.signIn()
  expect(await aal2(cookie)).toBe('403 aal2_required')
})

test('a session that lacks its second factor is asked for it, and passes with it', async () => {
  const person = await personWithFactor(auth)
  expect(await aal2(person.cookie)).toBe('allowed')
  const pending = await byLink(auth, person.email)
  expect(await aal2(pending)).toBe('403 mfa_required')
  expect(await recent(pending)).toBe('403 mfa_required')
  expect(await aal2(await stepUp(person, pending))).toBe('allowed')
})

test('a passkey that verifies the person is enough, and another passkey is not', async () => {
  const { cookie } = await auth.signIn()
  const [checks, touches] = [createDevice(auth), createDevice(auth, { asks: false })]
  await checks.register(cookie)
  await touches.register(cookie)
  expect(await aal2(cookiesOf(await touches.signIn()))).toBe('403 aal2_required')
  expect(await aal2(cookiesOf(await checks.signIn()))).toBe('allowed')
})

test('a request without a session is refused', async () => {
  const req = () => auth.request('/')
  const refusal = { status: 401, code: 'not_authenticated' }
  for (const guards of [auth, edge]) {
    await expect(guards.requireAal2(req())).rejects.toMatchObject(refusal)
    const asked = guards.requireRecentSignIn(req(), { withinSeconds: 60 })
    await expect(asked).rejects.toMatchObject(refusal)
  }
})

test('a sign-in is recent for as long as the route says, and a refresh does not renew it', async () => {
  const { cookie } = await auth.signIn()
  expect(await recent(cookie)).toBe('allowed')
  const older = await aged(cookie, 400)
  expect(await recent(older, 300)).toBe('403 recent_sign_in_required')
  expect(await recent(older, 500)).toBe('allowed')
  const session = await auth.requireAuth(auth.request('/', { cookie: older }))
  expect(Date.now() - session.authenticatedAt.getTime()).toBeGreaterThan(390_000)
  expect(session.authenticatedAt).toBeInstanceOf(Date)
})

test('with an impossible number of seconds no sign-in is recent', async () => {
  const { cookie } = await auth.signIn()
  for (const withinSeconds of [Number.NaN, undefined, null, -1, 'an hour']) {
    const options = { withinSeconds } as { withinSeconds: number }
    const asked = everywhere(cookie, (guards) => (req) => guards.requireRecentSignIn(req, options))
    expect(await asked).toBe('403 recent_sign_in_required')
  }
})

test('signing in again makes it recent, and so does showing the second factor', async () => {
  const { cookie, email } = await auth.signIn()
  const old = await aged(cookie, 4_000)
  expect(await recent(old)).toBe('403 recent_sign_in_required')
  const again = await byPassword(auth, email, old)
  expect(await recent(again)).toBe('allowed')

  const person = await personWithFactor(auth)
  const older = await aged(person.cookie, 4_000)
  expect(await recent(older)).toBe('403 recent_sign_in_required')
  const shown = await stepUp(person, older)
  expect(await recent(shown)).toBe('allowed')
  expect(await aal2(shown)).toBe('allowed')
  // It is another session, and the one from before has ended.
  expect(await auth.getSession(auth.request('/', { cookie: older }), { fresh: true })).toBeNull()
})

test('a step-up stays in the organization', async () => {
  const person = await personWithFactor(auth)
  const created = await auth.post(
    '/organization/create',
    { name: 'Acme' },
    { cookie: person.cookie },
  )
  const { id } = (await created.json()) as { id: string }
  const within = (cookie: string) =>
    auth.requireOrganization(auth.request('/', { cookie: withoutAccess(cookie) }))
  expect(await within(person.cookie)).toMatchObject({ organizationId: id })
  const shown = await stepUp(person, person.cookie)
  expect(await within(shown)).toMatchObject({ organizationId: id, organizationRole: 'OWNER' })
})

test('turning a second factor on does not count as a recent sign-in', async () => {
  const { cookie } = await auth.signIn()
  const old = await aged(cookie, 4_000)
  const body = { password: TEST_PASSWORD }
  const enabled = await auth.post('/two-factor/enable', body, { cookie: old })
  const { totpURI } = (await enabled.json()) as { totpURI: string }
  const raised = await stepUp({ secret: secretIn(totpURI) } as Person, old)
  expect(await aal2(raised)).toBe('allowed')
  expect(await recent(raised)).toBe('403 recent_sign_in_required')
})

test('a form without script steps a session up and returns to the requested page', async () => {
  const person = await personWithFactor(auth)
  const old = await aged(person.cookie, 4_000)
  const code = await codeOf(person.secret, 0)
  const answer = await auth.formAction(
    auth.request('/two-factor', {
      method: 'POST',
      cookie: old,
      headers: { origin: TEST_ORIGIN, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ code, next: '/settings/danger' }).toString(),
    }),
    { path: '/two-factor/verify-totp', success: '/dashboard', failure: '/two-factor' },
  )
  expect(answer.headers.get('location')).toBe('/settings/danger')
  expect(await recent(cookiesOf(answer))).toBe('allowed')
})
