/** Better Auth is loaded at its first use, and nothing that a host does first is lost or unclear. */

import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import type { AuthOptions } from '../index.ts'
import { createAuth } from '../index.ts'
import { createTestAuth, TEST_ORIGIN, TEST_PASSWORD, type TestAuth } from '../testing.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())

/** An instance that has loaded nothing yet. */
function fresh(options: Partial<AuthOptions> = {}): TestAuth {
  const auth = createTestAuth({ db: database.db, ...options })
  onTestFinished(async () => {
    await auth.settled()
    await auth.close()
  })
  return auth
}

test('a function of `auth.api` answers before loading as it does later', async () => {
  const { cookie, userId } = await fresh().signIn()
  const auth = fresh()
  expect(() => Object.keys(auth.api)).toThrow(TypeError)
  const headers = new Headers({ cookie })
  const found = await auth.api.getSession({ headers })
  expect(found?.user.id).toBe(userId)
  expect((await auth.api.getSession({ headers }))?.user.id).toBe(userId)
  const refused = auth.api.listUserAccounts({ headers: new Headers() })
  await expect(refused).rejects.toMatchObject({ statusCode: 401 })
})

test('a function that was read from `auth.api` before loading still works', async () => {
  const auth = fresh()
  const { getSession } = auth.api
  await auth.load()
  expect(await getSession({ headers: new Headers() })).toBeNull()
})

test('after loading `auth.api` lists every function with its path', async () => {
  const auth = fresh()
  await auth.load()
  expect(Object.keys(auth.api)).toContain('signInEmail')
  expect(auth.api.signInEmail.path).toBe('/sign-in/email')
  expect(await auth.errorCodes()).toHaveProperty('invalid_email_or_password')
})

test('a function of `auth.api` that a host replaced before loading stays replaced', async () => {
  const auth = fresh()
  const replaced = async () => null
  Object.assign(auth.api, { signInEmail: replaced })
  await auth.load()
  expect(auth.api.signInEmail).toBe(replaced)
  expect(auth.api.signUpEmail.path).toBe('/sign-up/email')
})

test('an unknown name of `auth.api`, and one whose option is off, is an error that says so', async () => {
  const api = fresh().api as unknown as Record<string, () => Promise<unknown>>
  await expect(api.signInEmial?.()).rejects.toThrow('auth.api has no function signInEmial.')
  await expect(api.enableTwoFactor?.()).rejects.toThrow('the option of createAuth that turns it on')
})

test('`auth.api` is not a promise, so an async function can return it', async () => {
  const { api } = fresh()
  expect(await Promise.resolve(api)).toBe(api)
  expect(JSON.stringify({ api })).toBe('{"api":{}}')
})

describe('before the load', () => {
  const email = () => `${crypto.randomUUID()}@example.com`

  test('a function of `auth.api` can be spied on, also over the load, and is itself again afterwards', async () => {
    const auth = fresh()
    const spy = vi.spyOn(auth.api, 'signUpEmail')
    const body = { email: email(), password: TEST_PASSWORD, name: 'Ada' }
    await auth.api.signUpEmail({ body })
    expect(spy).toHaveBeenCalledOnce()
    expect(await database.db.user.count({ where: { email: body.email } })).toBe(1)
    spy.mockResolvedValueOnce({ token: 'mine' } as never)
    expect(await auth.api.signUpEmail({ body })).toEqual({ token: 'mine' })
    spy.mockRestore()
    expect(vi.isMockFunction(auth.api.signUpEmail)).toBe(false)
    expect(auth.api.signUpEmail.path).toBe('/sign-up/email')
  })

  test('a spy that is removed before the load leaves nothing behind', async () => {
    const auth = fresh()
    vi.spyOn(auth.api, 'signUpEmail').mockRestore()
    await auth.load()
    expect(auth.api.signUpEmail.path).toBe('/sign-up/email')
  })

  test('a function can be looked at, and be put in place of another', async () => {
    const auth = fresh()
    const found = Object.getOwnPropertyDescriptor(auth.api, 'signUpEmail')
    expect(found).toMatchObject({ value: auth.api.signUpEmail, writable: true, configurable: true })
    const own = async () => ({ token: 'own' })
    auth.api.signInEmail = own as never
    expect('signInEmail' in auth.api).toBe(true)
    await auth.load()
    expect(auth.api.signInEmail).toBe(own)
  })

  test('the list of the functions is an error that says what to do, and no empty list', async () => {
    const auth = fresh()
    const questions = [
      () => Object.keys(auth.api),
      () => ({ ...auth.api }),
      () => 'signUpEmail' in auth.api,
      () => Object.entries(auth.api),
    ]
    for (const question of questions) expect(question).toThrow('Call `await auth.load()` first.')
    await auth.load()
    expect(Object.keys(auth.api)).toContain('signUpEmail')
    expect('signUpEmail' in auth.api).toBe(true)
    expect('signUpEmial' in auth.api).toBe(false)
    expect(Object.getOwnPropertyDescriptor(auth.api, 'signUpEmial')).toBeUndefined()
  })
})

test('concurrent first requests share one instance', async () => {
  const auth = fresh()
  const email = 'at-once@example.com'
  await fresh().signIn(email)
  const answers = await Promise.all(
    Array.from({ length: 4 }, () =>
      auth.post('/sign-in/email', { email, password: TEST_PASSWORD }),
    ),
  )
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
})

test('invalid options are refused when the instance is made, and not at its first request', () => {
  const given = { db: database.db, baseURL: TEST_ORIGIN, secret: 's'.repeat(32) }
  const wrong: Partial<AuthOptions>[] = [
    { secret: 'short' },
    { bcryptRounds: 4 },
    { passwordPeppers: ['short'] },
    { bounds: { sessions: 0 } },
    { undoEmailChangeDays: 91 },
    { deletionGraceDays: -1 },
    { oidc: { GitHub: { issuer: 'https://id.example.com', clientId: 'x' } } },
    { oidc: { acme: { issuer: 'no address', clientId: 'x' } } },
    { oauth: { scopes: ['two words'] } },
    { session: { idleDays: 0 } },
    { accessToken: { keys: { keys: [] } } },
  ]
  for (const options of wrong) {
    expect(() => createAuth({ ...given, ...options }), JSON.stringify(options)).toThrow(
      expect.objectContaining({ code: 'invalid_options' }),
    )
  }
})

test('a token is verified by a process that has never loaded Better Auth, also without any key', async () => {
  const { cookie, userId } = await fresh().signIn('verified@example.com')
  const auth = fresh()
  expect((await auth.getSession(auth.request('/', { cookie })))?.userId).toBe(userId)
  await database.db.jwks.deleteMany()
  const late = fresh()
  const token = cookie.split('; ').find((pair) => pair.includes('access_token')) as string
  expect(await late.getSession(late.request('/', { cookie: token }))).toBeNull()
  // Verifying makes no key: whoever signs does.
  expect(await database.db.jwks.count()).toBe(0)
})
