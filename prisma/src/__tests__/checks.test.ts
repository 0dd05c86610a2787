/** `tollgate doctor`'s checks of the database: each fault is found, and all is well where there is none. */

import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { databaseChecks } from '../checks.ts'
import { createDb } from '../client.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterEach(() => database.drop())

async function result(id: string, db = database.db) {
  const check = databaseChecks(db).find((each) => each.id === `database.${id}`)
  return check?.run()
}

test('all is well in a migrated database', async () => {
  for (const { id, run } of databaseChecks(database.db))
    expect({ id, ...(await run()) }).toMatchObject({ id, state: 'ok', advice: null })
})

test('a database without migrations is found', async () => {
  const empty = await createTestDatabase({ ...inject('postgres'), template: 'template1' })
  expect(await result('migrations', empty.db)).toMatchObject({
    state: 'failed',
    says: expect.stringMatching(/^\d+ migrations are not applied: \d{14}_\w+, .* and \d+ more\.$/),
  })
  expect(await result('schema', empty.db)).toMatchObject({ state: 'failed' })
  await empty.drop()
})

test.each([
  [
    'a column',
    'ALTER TABLE "NurtureSequence" DROP COLUMN "name"',
    'schema',
    'NurtureSequence.name is missing',
  ],
  [
    'a table',
    'DROP TABLE "NurtureEmailVariant" CASCADE',
    'schema',
    'NurtureEmailVariant is missing',
  ],
  [
    'the text of a function',
    `CREATE OR REPLACE FUNCTION "CreditTransaction_append_only"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
    'schema',
    'the function CreditTransaction_append_only is missing or changed',
  ],
  [
    'a trigger',
    'ALTER TABLE "CreditTransaction" DISABLE TRIGGER "CreditTransaction_append_only"',
    'guards',
    'the trigger CreditTransaction_append_only is switched off',
  ],
  [
    'the force of row-level security',
    'ALTER TABLE "Member" NO FORCE ROW LEVEL SECURITY',
    'guards',
    'row-level security of Member does not bind the owner',
  ],
  [
    'row-level security',
    'ALTER TABLE "Member" DISABLE ROW LEVEL SECURITY',
    'guards',
    'row-level security of Member is switched off',
  ],
])('a change of %s by hand is found', async (_, sql, id, says) => {
  await database.db.$executeRawUnsafe(sql)
  expect(await result(id)).toMatchObject({ state: 'failed', says: expect.stringContaining(says) })
})

test('a role that passes row-level security is found', async () => {
  const url = new URL(inject('postgres').adminUrl)
  url.pathname = new URL(database.url).pathname
  const above = createDb(url.href)
  expect(await result('role', above)).toMatchObject({
    state: 'failed',
    says: expect.stringContaining('which passes row-level security'),
  })
  await above.$disconnect()
})
