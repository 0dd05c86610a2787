/** Around Better Auth's endpoints: rate limits by the caller's address, and failures that stay inside. */

import { createTestLogger } from '@repo/core/testing'
import { afterEach, expect, test, vi } from 'vitest'
import type { AuthOptions } from '../index.ts'
import { createTestAuth, TEST_ORIGIN } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
afterEach(() => vi.restoreAllMocks())

const BODY = { email: 'nobody@example.com', password: 'wrong password' }
const limited = (options: Partial<AuthOptions> = {}) =>
  createTestAuth({ db: setup.db, rateLimit: true, ...options })

/** Statuses of five sign-ins; three are let through from one address in ten seconds. */
async function tries(
  options: Partial<AuthOptions>,
  headers: (n: number) => Record<string, string>,
) {
  const auth = limited(options)
  const statuses = []
  for (let n = 0; n < 5; n += 1) {
    statuses.push((await auth.post('/sign-in/email', BODY, { headers: headers(n) })).status)
  }
  return statuses
}

test('too many tries are told when to come again', async () => {
  const headers = { 'x-forwarded-for': '203.0.113.7' }
  expect(await tries({}, () => headers)).toEqual([401, 401, 401, 429, 429])
  const again = await limited().post('/sign-in/email', BODY, { headers })
  expect(again.status).toBe(429)
  expect(Number(again.headers.get('retry-after'))).toBeGreaterThan(0)
})

test('behind known proxies each caller has a limit of their own', async () => {
  const trustedProxies = ['10.0.0.0/8']
  const through = (n: number) => ({ 'x-forwarded-for': `198.51.100.${n}, 10.0.0.1` })
  expect(await tries({ trustedProxies }, through)).toEqual([401, 401, 401, 401, 401])
})

test('an address that the caller puts before their own opens no other limit', async () => {
  const trustedProxies = ['10.0.0.0/8']
  const forged = (n: number) => ({ 'x-forwarded-for': `192.0.2.${n}, 203.0.113.8, 10.0.0.1` })
  expect(await tries({ trustedProxies }, forged)).toEqual([401, 401, 401, 429, 429])
})

test('a form is limited by the address in the header that was named', async () => {
  const auth = limited({ ipAddressHeaders: ['cf-connecting-ip'] })
  const send = async (address: string) => {
    const req = auth.request('/sign-in', {
      method: 'POST',
      headers: {
        origin: TEST_ORIGIN,
        'content-type': 'application/x-www-form-urlencoded',
        'cf-connecting-ip': address,
      },
      body: new URLSearchParams(BODY).toString(),
    })
    const action = { path: '/sign-in/email', success: '/', failure: '/sign-in' }
    return (await auth.formAction(req, action)).headers.get('location')
  }
  for (let n = 20; n < 25; n += 1) {
    expect(await send(`203.0.113.${n}`)).toBe('/sign-in?error=invalid_email_or_password')
  }
  for (let n = 0; n < 3; n += 1) await send('203.0.113.30')
  expect(await send('203.0.113.30')).toBe('/sign-in?error=too_many_requests')
})

test('promise 7: an unexpected failure is a bare 500, logged masked and printed nowhere', async () => {
  const printed = vi.spyOn(console, 'error').mockImplementation(() => {})
  const logger = createTestLogger()
  const db = new Proxy(setup.db, {
    get(target, key) {
      if (key === 'user') throw new Error('cannot read ada@example.com')
      return Reflect.get(target, key)
    },
  })
  const answer = await createTestAuth({ db, logger }).post('/sign-in/email', BODY)
  expect(answer.status).toBe(500)
  expect(await answer.text()).not.toContain('ada')
  expect(logger.entries.some(({ level }) => level === 'error')).toBe(true)
  expect(logger.text).not.toContain('@example.com')
  expect(printed).not.toHaveBeenCalled()
})
