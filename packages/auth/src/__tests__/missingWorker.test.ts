/** A host without a worker is told, because nothing else would say why no mail comes. */

import { createTestLogger } from '@repo/core/testing'
import { expect, test } from 'vitest'
import { createAuth } from '../auth.ts'
import { TEST_ORIGIN } from '../testing.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

/** What another process of the host warns of when it is asked. */
async function ask(path: string, body: object): Promise<string[]> {
  const logger = createTestLogger()
  const auth = createAuth({
    db: setup.db,
    logger,
    baseURL: TEST_ORIGIN,
    secret: 'a-secret-for-tests-of-32-characters',
    rateLimit: false,
  })
  await auth.handler(
    new Request(`${TEST_ORIGIN}/api/auth${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: TEST_ORIGIN },
      body: JSON.stringify(body),
    }),
  )
  await auth.settled()
  await auth.close()
  const warnings = logger.entries.filter(({ level }) => level === 'warn')
  return warnings.map(({ message }) => message ?? '')
}

test('a request that queues a mail warns once mails have waited for a minute, and not before', async () => {
  const reset = { email: 'ada@example.com' }
  expect(await ask('/request-password-reset', reset)).toEqual([])
  expect(await ask('/request-password-reset', reset)).toEqual([])
  await setup.db.$executeRaw`
    UPDATE graphile_worker._private_jobs SET run_at = now() - interval '61 seconds'`
  expect(await ask('/request-password-reset', reset)).toEqual([
    expect.stringMatching(/^The job auth\.mail has waited for 6\d s, and no worker is running\./),
  ])
  await setup.auth.settled()
  expect(await ask('/request-password-reset', reset)).toEqual([])
})
