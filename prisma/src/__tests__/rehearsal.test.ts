/** A rehearsal leaves nothing behind: not what was committed in it, not what failed, not where it only reads. */

import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { atomically } from '../client.ts'
import { openRehearsal, rehearsalRefusal } from '../rehearsal.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())

const user = (id: string) => ({ id, name: id, email: `${id}@example.com` })
const users = () => database.db.user.count()

test('what a transaction has committed is seen in the rehearsal, and nowhere afterwards', async () => {
  const { db, close } = openRehearsal(database.url)
  await db.user.create({ data: user('alone') })
  await atomically(db, (tx) => tx.user.create({ data: user('together') }))
  await db.$transaction([db.user.create({ data: user('listed') })])
  await db.$transaction((tx) => tx.user.create({ data: user('serial') }), {
    isolationLevel: 'Serializable',
  })
  expect(await db.user.count()).toBe(4)
  expect(await users()).toBe(0)
  await close()
  expect(await users()).toBe(0)
})

test('a statement that fails, and a transaction that is rolled back, take back their own work only', async () => {
  const { db, close } = openRehearsal(database.url)
  await db.user.create({ data: user('kept') })
  await expect(db.user.create({ data: user('kept') })).rejects.toThrow()
  const failing = atomically(db, async (tx) => {
    await tx.user.create({ data: user('gone') })
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  const broken = atomically(db, async (tx) => {
    await tx.user.create({ data: user('broken') })
    await tx.user.create({ data: user('kept') })
  })
  await expect(broken).rejects.toThrow()
  expect(await db.user.findMany({ select: { id: true } })).toEqual([{ id: 'kept' }])
  await close()
  expect(await users()).toBe(0)
})

test('calls at the same time take turns on the one connection', async () => {
  const { db, close } = openRehearsal(database.url)
  const all = ['a', 'b', 'c', 'd', 'e', 'f']
  await Promise.all(
    all.map((id, n) =>
      n % 2 === 0
        ? db.user.create({ data: user(id) })
        : atomically(db, (tx) => tx.user.create({ data: user(id) })),
    ),
  )
  expect(await db.user.count()).toBe(all.length)
  await close()
  expect(await users()).toBe(0)
})

test('a rehearsal whose process dies leaves nothing behind', async () => {
  const { db, close } = openRehearsal(database.url)
  await db.user.create({ data: user('cut') })
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query(
    `SELECT pg_terminate_backend(pid) AS "isCut" FROM pg_stat_activity
     WHERE datname = current_database() AND state = 'idle in transaction'`,
  )
  await client.end()
  expect(rows).toEqual([{ isCut: true }])
  // A new connection would have forgotten what was written, so there is none.
  await expect(db.user.count()).rejects.toThrow()
  await close()
  expect(await users()).toBe(0)
})

test('a rehearsal that only reads refuses every write', async () => {
  const { db, close } = openRehearsal(database.url, { isReadOnly: true })
  await expect(db.user.create({ data: user('never') })).rejects.toThrow(/read-only/)
  await expect(atomically(db, (tx) => tx.user.deleteMany())).rejects.toThrow(/read-only/)
  expect(await db.user.count()).toBe(0)
  await close()
})

test('nothing is rehearsed on another machine unless it is asked for', async () => {
  const run = { isLive: false, mayRehearse: false }
  const at = (host: string) => `postgresql://a:secret@${host}/acme`
  for (const host of ['localhost', '127.0.0.1:5433', '[::1]:5432'])
    expect(await rehearsalRefusal(database.db, at(host), run)).toBe(null)
  for (const host of ['db.acme.example', '10.0.0.1:5432', 'localhost.acme.example']) {
    const why = await rehearsalRefusal(database.db, at(host), run)
    expect(why).toContain(`the database ${host}/acme is on another machine`)
    expect(why).not.toContain('secret')
    expect(await rehearsalRefusal(database.db, at(host), { ...run, mayRehearse: true })).toBe(null)
  }
})
