/** Around Better Auth's endpoints: failures stay inside. */

import { createTestLogger } from '@repo/core/testing'
import { afterEach, expect, test, vi } from 'vitest'
import { createTestAuth } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
afterEach(() => vi.restoreAllMocks())

const BODY = { email: 'nobody@example.com', password: 'wrong password' }

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
