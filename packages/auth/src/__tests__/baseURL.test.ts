/** The base URL as people write it, and the one origin that browsers send. */

import { randomUUID } from 'node:crypto'
import { originOf, readEnv } from '@repo/core'
import { expect, test } from 'vitest'
import { createEdge } from '../edge.ts'
import { authEnv } from '../env.ts'
import { createAuth } from '../index.ts'
import { createTestAuth, TEST_PASSWORD } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
/** Instances on one database count their users apart. */
const someone = () => `${randomUUID()}@example.com`

const FORMS: [written: string, origin: string][] = [
  ['https://app.example.com', 'https://app.example.com'],
  ['https://app.example.com/', 'https://app.example.com'],
  ['https://App.Example.COM', 'https://app.example.com'],
  ['HTTPS://app.example.com', 'https://app.example.com'],
  ['https://app.example.com:443', 'https://app.example.com'],
  ['https://app.example.com:8443/', 'https://app.example.com:8443'],
  ['http://app.example.com:80', 'http://app.example.com'],
  ['https://münchen.example', 'https://xn--mnchen-3ya.example'],
  ['https://xn--mnchen-3ya.example/', 'https://xn--mnchen-3ya.example'],
  ['http://[::1]:3000', 'http://[::1]:3000'],
  ['http://[0:0:0:0:0:0:0:1]:3000', 'http://[::1]:3000'],
  ['http://127.0.0.1:3000', 'http://127.0.0.1:3000'],
]

test.each(FORMS)('%s is %s', async (baseURL, origin) => {
  expect(readEnv(authEnv, { APP_URL: baseURL, BETTER_AUTH_SECRET: 'x'.repeat(32) }).APP_URL).toBe(
    baseURL,
  )
  const auth = createTestAuth({ db: setup.db, baseURL })
  expect(auth.baseURL).toBe(origin)
  const signIn = (from: string) =>
    auth.post(
      '/sign-in/email',
      { email: 'nobody@example.com', password: TEST_PASSWORD },
      { headers: { origin: from } },
    )
  expect((await signIn(origin)).status).toBe(401)
  expect((await signIn('https://evil.example')).status).toBe(403)
  await auth.close()
})

test.each([
  'app.example.com',
  'localhost:3000',
  '//app.example.com',
  'https://app.example.com/app',
  'https://app.example.com/?x',
  'https://app.example.com/#x',
  'https://user:secret@app.example.com',
  'ftp://app.example.com',
  'https://',
  'https://[::1',
  'https://app example.com',
  '/',
  '',
])('"%s" is refused by auth and edge alike, with what is wrong', (baseURL) => {
  const refused = expect.objectContaining({ code: 'invalid_options', status: 500 })
  const make = () => createAuth({ baseURL, secret: 'x'.repeat(32), db: setup.db })
  expect(make).toThrow(refused)
  expect(make).toThrow(/base URL must be an origin/)
  expect(make).not.toThrow(/secret/)
  expect(() => createEdge({ baseURL })).toThrow(refused)
  expect(originOf(baseURL)).toBeNull()
})

test.each(FORMS)('a token of %s is read at its edge, however that is written', async (baseURL) => {
  const auth = createTestAuth({ db: setup.db, baseURL })
  const { cookie, userId } = await auth.signIn(someone())
  const jwks = await (await auth.handler(auth.request('/api/auth/jwks'))).json()
  const edge = createEdge({ baseURL, jwks: jwks as never })
  expect(await edge.getSession(auth.request('/', { cookie }))).toMatchObject({ userId })
  await auth.close()
})
