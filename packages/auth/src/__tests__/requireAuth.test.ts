/** requireAuth: 401 for nobody. */

import { isTollgateError, toResponse } from '@repo/core'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createTestAuth, type TestAuth } from '../testing.ts'

let database: TestDatabase
let auth: TestAuth
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  auth = createTestAuth({ db: database.db })
})
afterAll(async () => {
  await auth.settled()
  await database.drop()
})

test('401 without a session', async () => {
  const error = await auth.requireAuth(auth.request('/')).catch((thrown: unknown) => thrown)
  expect(isTollgateError(error, 'not_authenticated')).toBe(true)
  const response = toResponse(error)
  expect(response.status).toBe(401)
  expect(await response.json()).toMatchObject({ code: 'not_authenticated', status: 401 })
})

test('401 for a session that has ended', async () => {
  const { cookie, userId } = await auth.signIn()
  await database.db.session.updateMany({ where: { userId }, data: { expiresAt: new Date(0) } })
  await expect(auth.requireAuth(auth.request('/', { cookie }))).rejects.toMatchObject({
    status: 401,
  })
})

test('the session for who is signed in', async () => {
  const { cookie, userId } = await auth.signIn()
  expect(await auth.requireAuth(auth.request('/', { cookie }))).toMatchObject({ userId })
})
