/** requireAuth: 401 for nobody. */

import { isTollgateError, toResponse } from '@repo/core'
import { expect, test } from 'vitest'
import { setUpAuth } from './setup.ts'

const setup = setUpAuth()

test('401 without a session', async () => {
  const error = await setup.auth
    .requireAuth(setup.auth.request('/'))
    .catch((thrown: unknown) => thrown)
  expect(isTollgateError(error, 'not_authenticated')).toBe(true)
  const response = toResponse(error)
  expect(response.status).toBe(401)
  expect(await response.json()).toMatchObject({ code: 'not_authenticated', status: 401 })
})

test('401 for a session that has ended', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  await setup.db.session.updateMany({ where: { userId }, data: { expiresAt: new Date(0) } })
  const req = setup.auth.request('/', { cookie })
  await expect(setup.auth.requireAuth(req, { fresh: true })).rejects.toMatchObject({ status: 401 })
})

test('the session of a signed-in user', async () => {
  const { cookie, userId } = await setup.auth.signIn()
  expect(await setup.auth.requireAuth(setup.auth.request('/', { cookie }))).toMatchObject({
    userId,
  })
})
