/** Auth on a database that lives elsewhere than UTC: sessions, links and locks last as long as they say. */

import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { listAuditLog } from '../index.ts'
import { createTestAuth, TEST_PASSWORD, type TestAuth, tokenOf } from '../testing.ts'

describe.each(['America/Los_Angeles', 'Asia/Tokyo'])('a database in %s', (timeZone) => {
  let database: TestDatabase
  let auth: TestAuth
  beforeAll(async () => {
    database = await createTestDatabase(inject('postgres'), { timeZone })
    auth = createTestAuth({ db: database.db, twoFactor: true })
  })
  afterAll(async () => {
    await auth.settled()
    auth.close()
    await database.drop()
  })

  /** How long the newest row of `table` has, as the database counts. */
  const minutesLeft = async (column: string, table: string) => {
    const [row] = await database.db.$queryRawUnsafe<{ minutes: number }[]>(
      `SELECT (extract(epoch FROM "${column}" - now()) / 60)::float8 AS minutes FROM "${table}"
       WHERE "${column}" IS NOT NULL ORDER BY "${column}" DESC LIMIT 1`,
    )
    return row?.minutes ?? 0
  }

  test('a session of an hour lives an hour', async () => {
    const session = { idleDays: 1 / 24, absoluteDays: 1 }
    const short = createTestAuth({ db: database.db, session })
    const { cookie } = await short.signIn('short@example.com')
    const refresh = cookie.split('; ').filter((each) => !each.includes('access_token'))
    expect(
      await short.getSession(short.request('/', { cookie: refresh.join('; ') })),
    ).not.toBeNull()
    expect(await minutesLeft('expiresAt', 'Session')).toBeGreaterThan(50)
    expect(await minutesLeft('expiresAt', 'Session')).toBeLessThanOrEqual(60)
    short.close()
  })

  test('ten wrong codes lock for a quarter of an hour', async () => {
    const { cookie, userId } = await auth.signIn('lock@example.com')
    await auth.post('/two-factor/enable', { password: TEST_PASSWORD }, { cookie })
    await database.db.twoFactor.updateMany({ where: { userId }, data: { verified: true } })
    await database.db.user.update({ where: { id: userId }, data: { twoFactorEnabled: true } })
    for (let tries = 0; tries < 10; tries += 1) {
      await auth.post('/two-factor/verify-totp', { code: '000000' }, { cookie })
    }
    const left = await minutesLeft('lockedUntil', 'TwoFactor')
    expect(left).toBeGreaterThan(10)
    expect(left).toBeLessThanOrEqual(15)
  })

  test('a reset link works for an hour, and log entries have the present time', async () => {
    const { email } = await auth.signIn('reset@example.com')
    await auth.post('/request-password-reset', { email })
    await auth.settled()
    expect(await minutesLeft('expiresAt', 'VerificationToken')).toBeGreaterThan(50)
    expect(await minutesLeft('expiresAt', 'VerificationToken')).toBeLessThanOrEqual(60)
    const token = tokenOf(auth.outbox, 'PasswordResetEmail')
    const answer = await auth.post('/reset-password', {
      token,
      newPassword: 'another long password',
    })
    expect(answer.status).toBe(200)
    const { entries } = await listAuditLog(database.db, {})
    expect(entries.length).toBeGreaterThan(3)
    for (const { createdAt } of entries) {
      expect(Math.abs(createdAt.getTime() - Date.now())).toBeLessThan(600_000)
    }
  })
})
