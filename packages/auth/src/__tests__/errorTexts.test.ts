/** The host's own texts of refusals, in the browser's language. */

import { expect, test } from 'vitest'
import { createAuth } from '../index.ts'
import { TEST_ORIGIN } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const WRONG = 'Adresse oder Passwort ist falsch.'
const setup = setUpAuth({
  errorTexts: {
    de: { invalid_email_or_password: WRONG, untrusted_origin: 'Die Anfrage kommt von anderswo.' },
    'de-AT': { untrusted_origin: 'Geh bitte.' },
  },
})
const CREDENTIALS = { email: 'nobody@example.com', password: 'not the password' }

test.each([
  ['de', WRONG],
  ['de-AT,en;q=0.5', WRONG],
  ['fr, de;q=0.2', WRONG],
  ['en', 'Invalid email or password'],
  [undefined, 'Invalid email or password'],
])('a browser that asks for %s reads its text, with the same code', async (language, text) => {
  const headers: Record<string, string> = language ? { 'accept-language': language } : {}
  const answer = await setup.auth.post('/sign-in/email', CREDENTIALS, { headers })
  expect([answer.status, await answer.json()]).toMatchObject([
    401,
    { code: 'invalid_email_or_password', detail: text, message: text },
  ])
})

test('a refusal at the border has its text, too', async () => {
  const headers = { origin: 'https://evil.example', 'accept-language': 'de-AT' }
  const answer = await setup.auth.post('/sign-out', {}, { headers })
  expect(await answer.json()).toMatchObject({ code: 'untrusted_origin', detail: 'Geh bitte.' })
})

test('a page asks for the text of the code in its query', async () => {
  const ask = (code: string, language: string) =>
    setup.auth.errorText(
      setup.auth.request('/sign-in', { headers: { 'accept-language': language } }),
      code,
    )
  expect(await ask('invalid_email_or_password', 'de')).toBe(WRONG)
  expect(await ask('invalid_email_or_password', 'fr')).toBe('Invalid email or password')
  for (const code of ['<script>', 'toString', '__proto__', '']) {
    expect(await ask(code, 'de')).toBeNull()
  }
})

test.each([
  [{ de_DE: { conflict: 'x' } }, 'de_DE'],
  [{ de: { CONFLICT: 'x' } }, 'errorTexts.de.CONFLICT'],
  [{ de: { conflict: ' ' } }, 'errorTexts.de.conflict'],
  [{ de: { conflict: 7 } }, 'errorTexts.de.conflict'],
])('createAuth refuses the texts %j', (errorTexts, at) => {
  const given = { baseURL: TEST_ORIGIN, secret: 'x'.repeat(32), errorTexts }
  expect(() => createAuth(given as never)).toThrow(
    expect.objectContaining({ code: 'invalid_options' }),
  )
  expect(() => createAuth(given as never)).toThrow(at)
})
