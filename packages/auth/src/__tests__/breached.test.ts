/** Passwords known from breaches are refused, and a check that cannot be made refuses nobody. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createTestLogger } from '@repo/core/testing'
import { afterEach, expect, test, vi } from 'vitest'
import type { AuthOptions } from '../index.ts'
import { createTestAuth, TEST_PASSWORD, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
afterEach(() => vi.restoreAllMocks())

const other = (options: Partial<AuthOptions>) => createTestAuth({ db: setup.db, ...options })

test('a password known from a breach is refused wherever a password is set, and uses up no link', async () => {
  const auth = other({ breachedPasswords: async (password) => password.startsWith('password') })
  const breached = 'password1234'
  const email = 'breached@example.com'
  const refused = await auth.post('/sign-up/email', { name: 'A', email, password: breached })
  expect(refused.status).toBe(400)
  expect(await refused.json()).toMatchObject({ code: 'password_compromised' })
  expect(await setup.db.user.count({ where: { email } })).toBe(0)

  const user = await auth.signIn('unbreached@example.com')
  const change = { currentPassword: TEST_PASSWORD, newPassword: breached }
  expect((await auth.post('/change-password', change, user)).status).toBe(400)
  await auth.post('/request-password-reset', { email: user.email })
  await auth.settled()
  const token = tokenOf(auth.outbox, 'PasswordResetEmail')
  expect((await auth.post('/reset-password', { token, newPassword: breached })).status).toBe(400)
  expect((await auth.post('/reset-password', { token, newPassword: 'a good one' })).status).toBe(
    200,
  )
})

test.each([
  ['fails', async () => Promise.reject(new Error('away'))],
  ['does not answer', () => new Promise<boolean>(() => {})],
])('a breach check that %s accepts the password and logs a warning', async (what, isBreached) => {
  const logger = createTestLogger()
  const auth = other({ breachedPasswords: isBreached, logger })
  const email = `open-${what.length}@example.com`
  const answer = await auth.post('/sign-up/email', { name: 'A', email, password: TEST_PASSWORD })
  expect(answer.status).toBe(200)
  expect(logger.entries.filter(({ level }) => level === 'warn')).toHaveLength(1)
  expect(logger.text).not.toContain(TEST_PASSWORD)
})

test('Have I Been Pwned gets five characters of a hash and no more', async () => {
  const asked: string[] = []
  // SHA-1 of `password1234`.
  const [prefix, suffix] = ['E6B6A', 'FBD6D76BB5D2041542D7D2E3FAC5BB05593']
  const server = createServer((req, res) => {
    asked.push(req.url ?? '')
    res.end(req.url === `/range/${prefix}` ? `${suffix}:42\r\n` : `${'0'.repeat(35)}:1\r\n`)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const { fetch } = globalThis
  vi.spyOn(globalThis, 'fetch').mockImplementation((url, init) => {
    const { origin, pathname } = new URL(String(url))
    expect(origin).toBe('https://api.pwnedpasswords.com')
    return fetch(`http://127.0.0.1:${port}${pathname}`, init)
  })
  const auth = other({ breachedPasswords: true })
  const post = (email: string, password: string) =>
    auth.post('/sign-up/email', { name: 'A', email, password }).then(({ status }) => status)
  expect(await post('pwned@example.com', 'password1234')).toBe(400)
  expect(await post('unpwned@example.com', TEST_PASSWORD)).toBe(200)
  await new Promise((done) => server.close(done))
  expect(asked).toHaveLength(2)
  for (const path of asked) expect(path).toMatch(/^\/range\/[0-9A-F]{5}$/)
})
