/** Signing up and in, and what the audit log keeps, as a role that owns nothing. */

import { createDb, type Database, grantRole } from '@repo/db'
import {
  createTestDatabase,
  createTestRole,
  type TestDatabase,
  type TestRole,
} from '@repo/db/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { pruneAuditLog } from '../index.ts'
import { createTestAuth, type TestAuth } from '../testing.ts'

let database: TestDatabase
let role: TestRole
/** The role's own. */
let db: Database
let auth: TestAuth
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  role = await createTestRole(inject('postgres'))
  await grantRole(database.url, role.name)
  db = createDb(role.url(database.url))
  auth = createTestAuth({ db })
})
afterAll(async () => {
  await auth.settled()
  auth.close()
  await db.$disconnect()
  await database.drop()
  await role.drop()
})

test('somebody signs up, in and out and creates an organization, and all is recorded', async () => {
  const { cookie, userId } = await auth.signIn()
  expect(await auth.getSession(auth.request('/', { cookie }))).toMatchObject({ userId })
  const body = { name: 'Acme', slug: 'acme' }
  expect((await auth.post('/organization/create', body, { cookie })).status).toBe(200)
  expect((await auth.post('/sign-out', {}, { cookie })).status).toBe(200)
  expect(await auth.getSession(auth.request('/', { cookie }))).toBeNull()
  await auth.settled()
  const actions = (await db.auditLog.findMany({ where: { userId } })).map(({ action }) => action)
  expect(actions).toEqual(expect.arrayContaining(['sign_in', 'sign_out']))
})

const DAY_MS = 24 * 60 * 60 * 1000
const DENIED = /permission denied|42501/

test('entries cannot be changed or deleted, and old entries are pruned', async () => {
  const createdAt = new Date(Date.now() - 91 * DAY_MS)
  await db.auditLog.create({ data: { action: 'sign_in', userId: 'old', createdAt } })
  await db.auditLog.create({ data: { action: 'sign_in', userId: 'young' } })
  const before = await db.auditLog.count()
  const where = { userId: { in: ['old', 'young'] } }
  await expect(db.auditLog.updateMany({ where, data: { userId: 'x' } })).rejects.toThrow('denied')
  await expect(db.auditLog.deleteMany({ where })).rejects.toThrow('denied')
  await expect(db.$executeRaw`TRUNCATE "AuditLog"`).rejects.toThrow(DENIED)
  await expect(
    db.$executeRaw`ALTER TABLE "AuditLog" DISABLE TRIGGER "AuditLog_append_only"`,
  ).rejects.toThrow('42501')
  expect(await db.auditLog.count()).toBe(before)

  expect(await pruneAuditLog(db, 1)).toBe(1)
  expect(await db.auditLog.count()).toBe(before - 1)
  expect(await db.auditLog.count({ where })).toBe(1)
  // Nor does the function delete for it what is younger, nor for anybody else anything.
  await expect(db.$executeRaw`SELECT "AuditLog_prune"(now())`).rejects.toThrow('only added to')
  expect(await db.auditLog.count()).toBe(before - 1)
})

test('a role without grants cannot prune', async () => {
  const stranger = await createTestRole(inject('postgres'))
  const theirs = createDb(stranger.url(database.url))
  await expect(pruneAuditLog(theirs, 365)).rejects.toThrow('42501')
  await theirs.$disconnect()
  await stranger.drop()
})
