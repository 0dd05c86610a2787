/** Two organizations behind both walls, or behind the client alone, with the policies switched off. */

import { afterAll, beforeAll, beforeEach, expect, inject } from 'vitest'
import type { Database } from '../client.ts'
import { forOrganization, type OrganizationDb } from '../index.ts'
import { models } from '../tenancy/generated/models.ts'
import { createTestDatabase, type TestDatabase } from '../testing/database.ts'
import { ALPHA, everythingElse, ownRows, seedTwoOrganizations } from './two-organizations.ts'

export const WALLS = ['both walls', 'the client alone'] as const

/** What a caller from outside TypeScript may send. */
// biome-ignore lint/suspicious/noExplicitAny: attacks are not limited to what the types allow.
export type Untyped = any

/** A name, what the organization tries, and what comes of it: an answer, or the code of an error. */
export type Attack = [string, (alpha: Untyped) => PromiseLike<unknown>, unknown]

export interface Walls {
  db: Database
  alpha: OrganizationDb
  /** Everything else is as it was when the test began, or when `settle` was last called. */
  unharmed(answer: unknown): Promise<void>
  settle(): Promise<void>
}

/** `migrate` adds the tables of a host, whose rows come from `host-seed.ts`. */
export function setUpWalls(
  walls: (typeof WALLS)[number],
  migrate?: (url: string) => Promise<void>,
): Walls {
  const setup = {} as Walls
  let database: TestDatabase
  let others: string[]
  beforeAll(async () => {
    database = await createTestDatabase(inject('postgres'))
    const { db } = database
    await migrate?.(database.url)
    await seedTwoOrganizations(db)
    if (walls === 'the client alone') {
      for (const { table } of Object.values(models)) {
        await db.$executeRawUnsafe(`ALTER TABLE "${table}" DISABLE ROW LEVEL SECURITY`)
      }
      const triggers = await db.$queryRaw<{ table: string; name: string }[]>`
        SELECT relname AS table, tgname AS name FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE tgfoid = '"Tenancy_refers_inside"'::regproc`
      for (const { table, name } of triggers) {
        await db.$executeRawUnsafe(`ALTER TABLE "${table}" DISABLE TRIGGER "${name}"`)
      }
    }
    Object.assign(setup, {
      db,
      alpha: forOrganization(db, ALPHA),
      async unharmed(answer: unknown) {
        const text = JSON.stringify(answer, (_, value) =>
          typeof value === 'bigint' ? `${value}` : value,
        )
        expect(text ?? '').not.toContain('BETA')
        expect(await everythingElse(db)).toEqual(others)
      },
      async settle() {
        others = await everythingElse(db)
      },
    })
  })
  afterAll(() => database.drop())
  beforeEach(() => setup.settle())
  return setup
}

export const outcome = (query: () => PromiseLike<unknown>): Promise<unknown> =>
  (async () => query())().catch((error: { code?: string }) => error.code ?? String(error))

/** The three ways to ask: alone, in the organization's transaction, in one of the caller's. */
export function threeWays({ db, alpha }: Walls, query: Attack[1]): (() => Promise<unknown>)[] {
  return [
    () => outcome(() => query(alpha)),
    () => outcome(() => alpha.$transaction(async (tx) => query(tx))),
    () => outcome(() => db.$transaction(async (tx) => query(forOrganization(tx, ALPHA)))),
  ]
}

/** Asked in all three ways, it comes to `expected`, and no row of any organization has changed. */
export async function changesNothing(
  setup: Walls,
  query: Attack[1],
  expected: unknown,
): Promise<void> {
  const { db, unharmed } = setup
  const before = await ownRows(db)
  for (const ask of threeWays(setup, query)) {
    const answer = await ask()
    expect(answer).toEqual(expected)
    await unharmed(answer)
  }
  expect(await ownRows(db)).toEqual(before)
}
