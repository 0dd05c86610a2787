/** A sign-in that lacks its second factor ends no session of the person who has shown both factors. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestAuth, type TestAuth } from '../testing.ts'
import { byLink, byPassword, personWithFactor } from './people.ts'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()
let auth: TestAuth
beforeAll(() => {
  auth = createTestAuth({ db: setup.db, twoFactor: true, bounds: { sessions: 1 } })
})
afterAll(async () => {
  await auth.settled()
  await auth.close()
})

test.each([
  ['a password', byPassword],
  ['a mailed link', byLink],
])('at the bound, %s without the second factor ends no session with one', async (_, signIn) => {
  const { email, userId, cookie } = await personWithFactor(auth)
  for (let n = 0; n < 3; n += 1) await signIn(auth, email)
  const session = await auth.getSession(auth.request('/', { cookie }), { fresh: true })
  expect(session).toMatchObject({ userId, acr: 'aal2' })
  // Those that wait for a second factor are bounded, too.
  expect(await setup.db.session.count({ where: { userId, aal: 1 } })).toBeLessThan(2)
})
