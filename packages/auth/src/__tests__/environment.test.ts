/** An instance of one's own takes the documented variables for what it is not given, as the default one does. */

import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest'
import { type Auth, createAuth } from '../index.ts'
import { createTestAuth } from '../testing.ts'

const SECRET = 'a-secret-for-tests-of-32-characters'
const PEPPER = 'a-pepper-for-tests-of-32-characters'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())
afterEach(() => vi.unstubAllEnvs())

/** Where a button of the sign-in page leads. */
async function providerOf(auth: Auth, provider: string) {
  const answer = await auth.handler(
    new Request(`${auth.baseURL}/api/auth/sign-in/social`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: auth.baseURL },
      body: JSON.stringify({ provider, callbackURL: '/dashboard' }),
    }),
  )
  const { url } = (await answer.json()) as { url?: string }
  return { status: answer.status, client: url && new URL(url).searchParams.get('client_id') }
}

test('a provider with variables is on, and a provider in the options wins', async () => {
  vi.stubEnv('GOOGLE_CLIENT_ID', 'google-of-the-environment')
  vi.stubEnv('GOOGLE_CLIENT_SECRET', 'its-secret')
  vi.stubEnv('GITHUB_CLIENT_ID', 'only-half-and-not-read')
  const github = { clientId: 'github-given', clientSecret: 'its-secret' }
  const options = { db: database.db, baseURL: 'https://app.example.com', secret: SECRET }
  const auth = createAuth({ ...options, github })
  expect(await providerOf(auth, 'google')).toEqual({
    status: 200,
    client: 'google-of-the-environment',
  })
  expect(await providerOf(auth, 'github')).toEqual({ status: 200, client: 'github-given' })
  expect(() => createAuth(options)).toThrow('GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET, or neither')
})

test('address and secret come from the environment, else one error lists what is missing', () => {
  vi.stubEnv('APP_URL', 'https://env.example.com')
  vi.stubEnv('BETTER_AUTH_SECRET', SECRET)
  const { db } = database
  expect(createAuth({ db }).baseURL).toBe('https://env.example.com')
  expect(createAuth({ db, baseURL: 'https://given.example.com' }).baseURL).toBe(
    'https://given.example.com',
  )
  vi.stubEnv('APP_URL', '')
  vi.stubEnv('BETTER_AUTH_SECRET', '')
  expect(() => createAuth({ db })).toThrow(/BETTER_AUTH_SECRET is missing\n {2}APP_URL is missing/)
  vi.stubEnv('REDIS_URL', 'http://not.redis')
  const given = { db, baseURL: 'https://app.example.com', secret: SECRET }
  expect(() => createAuth(given)).toThrow('REDIS_URL: must be a redis:// URL')
})

test('the pepper of the environment applies to an instance with options of its own', async () => {
  vi.stubEnv('PASSWORD_PEPPER', PEPPER)
  const peppered = createTestAuth({ db: database.db })
  const { email } = await peppered.signIn()
  vi.stubEnv('PASSWORD_PEPPER', '')
  const plain = createTestAuth({ db: database.db })
  const body = { email, password: 'correct horse battery' }
  expect((await plain.post('/sign-in/email', body)).status).toBe(401)
  expect((await peppered.post('/sign-in/email', body)).status).toBe(200)
})
