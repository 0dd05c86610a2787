import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, inject } from 'vitest'
import type { AuthOptions } from '../index.ts'
import { createTestAuth, type TestAuth } from '../testing.ts'

export interface Setup {
  auth: TestAuth
  db: TestDatabase['db']
  /** Of the database. */
  url: string
}

/** Auth on a database of its own, there from `beforeAll` to `afterAll`. */
export function setUpAuth(options: Partial<AuthOptions> = {}): Setup {
  const setup = {} as Setup
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase(inject('postgres'))
    setup.db = database.db
    setup.url = database.url
    setup.auth = createTestAuth({ db: database.db, ...options })
    // So that the tests can list the endpoints.
    await setup.auth.load()
  })
  afterAll(async () => {
    await setup.auth.settled()
    setup.auth.close()
    await database.drop()
  })
  return setup
}
