/** The language of a user: from the sign-up or the browser, changeable, and in every mail. */

import { builtInEmails, createSender } from '@repo/email'
import { createOutbox } from '@repo/email/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acceptedLocale } from '../account/locales.ts'
import { createAuth } from '../index.ts'
import {
  cookiesOf,
  createTestAuth,
  TEST_ORIGIN,
  TEST_PASSWORD,
  type TestAuth,
  tokenOf,
} from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const captured = createOutbox()

/** Built-in templates in a language: the subject begins with its tag. */
const inLanguage = (tag: string): typeof builtInEmails =>
  Object.fromEntries(
    Object.entries(builtInEmails).map(([name, template]) => {
      const subject = (props: never) =>
        `${tag}: ${template.subject(props, { locale: tag, recipient: {} })}`
      return [name, { ...template, subject }]
    }),
  ) as never

const sender = createSender({
  transport: captured.transport,
  translations: { de: inLanguage('de'), 'de-AT': inLanguage('de-AT') },
})

let auth: TestAuth
beforeAll(() => {
  auth = createTestAuth({ db: setup.db, sender, locales: ['en', 'de', 'de-AT'] })
})
afterAll(() => auth.close())

let count = 0
const newAddress = () => `reader-${++count}@example.com`
const localeOf = async (email: string) =>
  (await setup.db.user.findUniqueOrThrow({ where: { email } })).locale
const last = (template: string) => captured.last(template).subject.split(':')[0]

async function signUp(email: string, body: object, acceptLanguage?: string) {
  const headers = acceptLanguage ? { 'accept-language': acceptLanguage } : {}
  const whole = { name: 'Ada', email, password: TEST_PASSWORD, ...body }
  const answer = await auth.post('/sign-up/email', whole, { headers })
  await auth.settled()
  return answer
}

async function signIn(email: string, body: object, acceptLanguage?: string): Promise<string> {
  const cookie = cookiesOf(await signUp(email, body, acceptLanguage))
  await auth.post('/confirm-email', { token: tokenOf(captured, 'WelcomeEmail') }, { cookie })
  const answer = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  return cookiesOf(answer)
}

describe('at a sign-up', () => {
  test.each<[string, object, string | undefined, string | null]>([
    ['the body', { locale: 'de' }, 'en', 'de'],
    ['the body, in another spelling', { locale: 'DE-at' }, 'en', 'de-AT'],
    ['the body, with a region that the host lacks', { locale: 'de-CH' }, undefined, 'de'],
    ['the browser', {}, 'de-AT,de;q=0.9,en;q=0.8', 'de-AT'],
    ['the browser, whose first language the host lacks', {}, 'fr-FR, de;q=0.5, en;q=0.4', 'de'],
    ['nowhere', {}, 'fr, *', null],
    ['nowhere, without a header', {}, undefined, null],
  ])('the locale comes from %s', async (_, body, accepted, expected) => {
    const email = newAddress()
    expect((await signUp(email, body, accepted)).status).toBe(200)
    expect(await localeOf(email)).toBe(expected)
  })

  test.each([['fr'], ['x'.repeat(40)], ['de_DE'], [''], [7], [['de']]])(
    'the locale %j is a 400 that names the field',
    async (locale) => {
      const email = newAddress()
      const answer = await signUp(email, { locale })
      expect([answer.status, await answer.json()]).toMatchObject([
        400,
        { code: 'invalid_request', detail: expect.stringContaining('[body.locale]') },
      ])
      expect(await setup.db.user.count({ where: { email } })).toBe(0)
    },
  )
})

test('every mail is in the user’s language, and a change counts for the next one', async () => {
  const email = newAddress()
  const cookie = await signIn(email, { locale: 'de-AT' }, 'en')
  expect(last('WelcomeEmail')).toBe('de-AT')
  expect(await auth.getUser(auth.request('/', { cookie }))).toMatchObject({ locale: 'de-AT' })
  await auth.post('/request-password-reset', { email })
  await auth.settled()
  expect(last('PasswordResetEmail')).toBe('de-AT')
  const changed = await auth.post('/update-user', { locale: 'de' }, { cookie })
  expect([changed.status, await localeOf(email)]).toEqual([200, 'de'])
  await signUp(email, { locale: 'de-AT' })
  expect(last('AccountExistsEmail')).toBe('de')
  await auth.post('/sign-in/magic-link', { email }, { headers: { 'accept-language': 'en' } })
  await auth.post('/change-email', { newEmail: newAddress(), password: TEST_PASSWORD }, { cookie })
  await auth.settled()
  for (const mail of ['MagicLinkEmail', 'NewAddressEmail', 'AddressChangeEmail']) {
    expect([mail, last(mail)]).toEqual([mail, 'de'])
  }
  await auth.post('/delete-user', { password: TEST_PASSWORD }, { cookie })
  await auth.settled()
  expect(last('AccountDeletionEmail')).toBe('de')
  const again = await auth.post('/sign-in/email', { email, password: TEST_PASSWORD })
  const none = await auth.post('/update-user', { locale: null }, { cookie: cookiesOf(again) })
  expect([none.status, await localeOf(email)]).toEqual([200, null])
  await auth.post('/request-password-reset', { email })
  await auth.settled()
  expect(captured.last('PasswordResetEmail').subject).toBe('Reset your password')
})

test('a stranger gets a link in the browser’s language, and has it once signed in', async () => {
  const email = newAddress()
  const headers = { 'accept-language': 'de-DE' }
  await auth.post('/sign-in/magic-link', { email }, { headers })
  await auth.settled()
  expect(last('MagicLinkEmail')).toBe('de')
  const token = tokenOf(captured, 'MagicLinkEmail')
  await auth.post('/sign-in/magic-link/confirm', { token }, { headers })
  expect(await localeOf(email)).toBe('de')
})

test('each of two sign-ups with one address is mailed in its own language', async () => {
  const email = newAddress()
  await signUp(email, { locale: 'de' })
  expect(last('WelcomeEmail')).toBe('de')
  await signUp(email, { locale: 'de-AT' })
  expect(last('WelcomeEmail')).toBe('de-AT')
})

test('an invitation is in the guest’s language, else in the inviter’s', async () => {
  const cookie = await signIn(newAddress(), { locale: 'de-AT' })
  const made = await auth.post('/organization/create', { name: 'Acme' }, { cookie })
  const { id: organizationId } = (await made.json()) as { id: string }
  const guest = newAddress()
  await signIn(guest, { locale: 'de' })
  for (const [email, expected] of [
    [guest, 'de'],
    [newAddress(), 'de-AT'],
  ]) {
    const body = { email, role: 'VIEWER', organizationId }
    await auth.post('/organization/invite-member', body, { cookie })
    await auth.settled()
    expect(last('TeamInviteEmail')).toBe(expected)
  }
})

test('without the option every tag is kept, in its canonical spelling', async () => {
  const email = newAddress()
  const body = { name: 'Ada', email, password: TEST_PASSWORD, locale: 'PT-br' }
  const answer = await setup.auth.post('/sign-up/email', body)
  expect([answer.status, await localeOf(email)]).toEqual([200, 'pt-BR'])
})

test.each([
  ['', null],
  ['de;q=0', null],
  ['de;q=x, en', 'en'],
  [`${'xx,'.repeat(30)}de`, null],
  [';;;,,,=', null],
  ['en;q=0.5, de;q=0.5', 'en'],
])('Accept-Language %j gives %j', (header, expected) => {
  expect(acceptedLocale(header, ['en', 'de'])).toBe(expected)
})

test.each([[[]], [['de_DE']], [['DE']], [['']]])('the option locales %j is refused', (locales) => {
  const make = () => createAuth({ baseURL: TEST_ORIGIN, secret: 'x'.repeat(32), locales })
  expect(make).toThrow(expect.objectContaining({ code: 'invalid_options' }))
  expect(make).toThrow('locales')
})
