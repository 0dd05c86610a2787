/** Every address that mail knows is an account's: in other scripts, in ASCII, with the letters that few expect. */

import { expect, test } from 'vitest'
import { cookiesOf, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const userIn = async (answer: Response) =>
  (await setup.auth.getUser(setup.auth.request('/', { cookie: cookiesOf(answer) })))?.id

/** As it is typed, and as the account has it. */
const ADDRESSES = [
  ['ada@münchen.example', 'ada@xn--mnchen-3ya.example'],
  ['bob@XN--MNCHEN-3YA.example', 'bob@xn--mnchen-3ya.example'],
  ['ada@пример.рф', 'ada@xn--e1afmkfd.xn--p1ai'],
  ['Ada/Lovelace@example.com', 'ada/lovelace@example.com'],
  ['ada&bob@example.com', 'ada&bob@example.com'],
  ["o'brien#1@example.com", "o'brien#1@example.com"],
  [' blank@example.com ', 'blank@example.com'],
] as const

test.each(ADDRESSES)('%j signs up, and signs in by every way', async (typed, email) => {
  const { auth, db } = setup
  const body = { name: ' ', email: typed, password: TEST_PASSWORD }
  for (const name of ['Ada', 'Again']) {
    const answer = await auth.post('/sign-up/email', { ...body, name })
    expect([answer.status, await answer.json()]).toMatchObject([200, { user: { email } }])
  }
  await auth.settled()
  expect(auth.outbox.last('WelcomeEmail').to).toBe(email)
  await auth.post('/confirm-email', { token: tokenOf(auth.outbox, 'WelcomeEmail') })
  const { id } = await db.user.findUniqueOrThrow({ where: { email } })

  for (const spelling of [typed, email, email.toUpperCase()]) {
    const answer = await auth.post('/sign-in/email', { email: spelling, password: TEST_PASSWORD })
    expect([spelling, await userIn(answer)]).toEqual([spelling, id])
    expect(await answer.json()).toMatchObject({ user: { email } })
  }
  await auth.post('/sign-in/magic-link', { email: typed })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'MagicLinkEmail')
  expect(await userIn(await auth.post('/sign-in/magic-link/confirm', { token }))).toBe(id)

  await auth.post('/request-password-reset', { email: typed })
  await auth.settled()
  expect(auth.outbox.last('PasswordResetEmail').to).toBe(email)
  expect((await auth.post('/sign-up/email', { ...body, name: 'Eve' })).status).toBe(200)
  await auth.settled()
  expect(auth.outbox.last('AccountExistsEmail').to).toBe(email)
  expect(await db.user.count({ where: { email: { contains: 'invalid' } } })).toBe(0)
})

test('a magic link signs up an address in another script', async () => {
  const { auth, db } = setup
  await auth.post('/sign-in/magic-link', { email: 'neu&neu@köln.example' })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'MagicLinkEmail')
  const answer = await auth.post('/sign-in/magic-link/confirm', { token })
  expect(await db.user.findUnique({ where: { id: (await userIn(answer)) ?? '' } })).toMatchObject({
    email: 'neu&neu@xn--kln-sna.example',
    name: 'neu&neu',
    emailVerified: true,
  })
})

test('a sign-up of an unproven address is confirmed by a link that was requested again', async () => {
  const { auth, db } = setup
  const email = 'again&again@пример.рф'
  const body = { name: 'Ada', email, password: TEST_PASSWORD }
  await auth.post('/sign-up/email', body)
  await auth.post('/sign-up/email', body)
  await auth.settled()
  await auth.post('/send-verification-email', { email })
  await auth.settled()
  const answer = await auth.post('/confirm-email', { token: tokenOf(auth.outbox, 'WelcomeEmail') })
  expect(answer.status).toBe(200)
  expect(
    await db.user.findUnique({ where: { email: 'again&again@xn--e1afmkfd.xn--p1ai' } }),
  ).toMatchObject({ emailVerified: true })
})

test('an invitation to an address in another script is for its owner, and is not sent twice', async () => {
  const { auth, db } = setup
  const owner = await auth.signIn('inviter@example.com')
  const guest = await auth.signIn('guest/1@zürich.example')
  const { cookie } = owner
  const made = await auth.post('/organization/create', { name: 'Acme' }, { cookie })
  const { id: organizationId } = (await made.json()) as { id: string }
  const invite = (email: string) =>
    auth.post('/organization/invite-member', { email, role: 'VIEWER', organizationId }, { cookie })
  const invited = await invite('GUEST/1@Zürich.example')
  const { id, email } = (await invited.json()) as { id: string; email: string }
  expect(email).toBe('guest/1@xn--zrich-kva.example')
  expect((await invite('guest/1@xn--zrich-kva.example')).status).toBe(400)
  await auth.settled()
  expect(auth.outbox.last('TeamInviteEmail').to).toBe(email)
  const as = { cookie: guest.cookie }
  const accepted = await auth.post('/organization/accept-invitation', { invitationId: id }, as)
  expect(accepted.status).toBe(200)
  const removed = await auth.post(
    '/organization/remove-member',
    { memberIdOrEmail: 'guest/1@ZÜRICH.example', organizationId },
    { cookie },
  )
  expect([removed.status, await db.member.count({ where: { organizationId } })]).toEqual([200, 1])
})

test('the stand-in address for Better Auth never matches another person', async () => {
  const { auth, db } = setup
  const { email } = await auth.signIn('odd&victim@example.com')
  const name = `${Buffer.from(email).toString('hex')}@address.tollgate.invalid`
  for (const [path, body] of [
    ['/sign-in/email', { email: name, password: TEST_PASSWORD }],
    ['/sign-up/email', { email: name, password: TEST_PASSWORD, name: 'Eve' }],
    ['/sign-in/magic-link', { email: name }],
    ['/request-password-reset', { email: name }],
  ] as const) {
    const answer = await auth.post(path, body)
    expect([path, answer.status]).toEqual([path, 400])
  }
  const direct = auth.api.signInEmail({ body: { email: name, password: TEST_PASSWORD } })
  await expect(direct).rejects.toMatchObject({ statusCode: 400 })
  expect(await db.user.count({ where: { email: name } })).toBe(0)
})
