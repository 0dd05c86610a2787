/** A session that ends while a request of it is under way: the request is refused, and is no error of ours. */

import { createTestLogger } from '@repo/core/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestAuth, type TestAuth } from '../testing.ts'
import { waitForLock } from './locks.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
const logger = createTestLogger()
let auth: TestAuth
beforeAll(() => {
  auth = createTestAuth({ db: setup.db, logger })
})
afterAll(() => auth.close())

test.each<[string, (organizationId: string) => [string, Record<string, unknown>]]>([
  [
    'takes another organization',
    (organizationId) => ['/organization/set-active', { organizationId }],
  ],
  ['leaves its organization', () => ['/organization/set-active', { organizationId: null }]],
  ['makes an organization', () => ['/organization/create', { name: 'Beta' }]],
])('a request whose session ends meanwhile is refused: it %s', async (_, asked) => {
  const { cookie, userId } = await auth.signIn()
  const made = await auth.post('/organization/create', { name: 'Acme' }, { cookie })
  const { id } = (await made.json()) as { id: string }
  const answer = await setup.db.$transaction(
    async (tx) => {
      await tx.session.deleteMany({ where: { userId } })
      const [path, body] = asked(id)
      const pending = auth.post(path, body, { cookie })
      await waitForLock(setup.db, 1)
      return { pending }
    },
    { timeout: 120_000 },
  )
  const { status } = await answer.pending
  expect(status).toBe(401)
  expect(logger.entries.filter(({ level }) => level === 'error')).toEqual([])
})
