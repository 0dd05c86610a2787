/** Passwords as people type them: which are the same, and how long they are. */

import { expect, test } from 'vitest'
import { TEST_PASSWORD, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const signIn = (email: string, password: string) =>
  setup.auth.post('/sign-in/email', { email, password }).then(({ status }) => status)

let people = 0
const nobodyYet = () => {
  people += 1
  return `typed-${people}@example.com`
}
/** Signs up with a password and confirms; the status of the sign-up. */
async function withPassword(email: string, password: string): Promise<number> {
  const up = await setup.auth.post('/sign-up/email', { name: 'Ada', email, password })
  await setup.auth.settled()
  if (up.status === 200) {
    await setup.auth.post('/confirm-email', { token: tokenOf(setup.auth.outbox, 'WelcomeEmail') })
  }
  return up.status
}
const EMOJI = '😀😁😂🤣😃😄😅😆😉😊'

test.each([
  ['composed as typed decomposed', 'caf\u00e9 au lait 12', 'cafe\u0301 au lait 12', 200],
  ['with blanks around as typed', '  spaced out  ', '  spaced out  ', 200],
  ['with blanks around and not without', '  spaced out  ', 'spaced out', 401],
  ['of ten emoji', EMOJI, EMOJI, 200],
  ['of ten emoji and not of ten others', EMOJI, EMOJI.replace('😊', '😋'), 401],
  [
    'of 128 emoji',
    EMOJI.repeat(12) + EMOJI.slice(0, 16),
    EMOJI.repeat(12) + EMOJI.slice(0, 16),
    200,
  ],
  [
    'of a hundred letters that take two units to type',
    '\u00e9'.repeat(100),
    'e\u0301'.repeat(100),
    200,
  ],
  ['in full width as in plain letters', 'ｃｏｒｒｅｃｔ\u3000ｈｏｒｓｅ', 'correct horse', 200],
])('a password counts %s', async (_, chosen, typed, status) => {
  const email = nobodyYet()
  expect(await withPassword(email, chosen)).toBe(200)
  expect(await signIn(email, typed)).toBe(status)
})

test.each([
  ['five emoji, which are five characters', EMOJI.slice(0, 10), 'PASSWORD_TOO_SHORT'],
  ['nine letters with accents of their own', 'e\u0301'.repeat(9), 'PASSWORD_TOO_SHORT'],
  ['129 emoji', EMOJI.repeat(12) + EMOJI.slice(0, 18), 'PASSWORD_TOO_LONG'],
  ['ten characters that stand for 180', '\ufdfa'.repeat(10), 'PASSWORD_TOO_LONG'],
])('%s are refused wherever a password is set, and nobody is made', async (_, password, code) => {
  const email = nobodyYet()
  const up = await setup.auth.post('/sign-up/email', { name: 'Ada', email, password })
  expect([up.status, await up.json()]).toMatchObject([400, { code }])
  expect(await setup.db.user.count({ where: { email } })).toBe(0)

  const { cookie, email: known } = await setup.auth.signIn()
  const body = { currentPassword: TEST_PASSWORD, newPassword: password }
  const change = await setup.auth.post('/change-password', body, { cookie })
  expect([change.status, await change.json()]).toMatchObject([400, { code }])
  await setup.auth.post('/request-password-reset', { email: known })
  await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'PasswordResetEmail')
  const reset = await setup.auth.post('/reset-password', { token, newPassword: password })
  expect([reset.status, await reset.json()]).toMatchObject([400, { code }])
  expect(await signIn(known, TEST_PASSWORD)).toBe(200)
})
