/** Registers tests for each foreign key of each organization's table, written in every way there is. */

import { expect, test } from 'vitest'
import { sqlErrorOf } from '../query-named.ts'
import { type Key, keysOf, type Way, waysToWrite } from './reference-attacks.ts'
import { ALPHA, ownRows } from './two-organizations.ts'
import { outcome, threeWays, type Untyped, type Walls } from './walls.ts'

/** How a query is refused. A name that is taken, P2002, says that it was not. */
const REFUSALS = /^(P2018|P2025|foreign_organization|outside_organization)$/

/** Foreign and unknown rows are refused alike: whether another organization has a row cannot be told. */
async function isHeld(
  setup: Walls,
  { name, write }: Way,
  ask: (query: (alpha: Untyped) => PromiseLike<unknown>) => (() => Promise<unknown>)[],
  refusal: RegExp,
): Promise<void> {
  const own = await ownRows(setup.db)
  const answers: unknown[] = []
  for (const named of ['foreign', 'unknown'] as const) {
    for (const each of ask((alpha) => write(alpha, named))) answers.push(await each())
  }
  expect([name, ...new Set(answers)]).toEqual([name, expect.stringMatching(refusal)])
  await setup.unharmed(answers)
  expect(await ownRows(setup.db)).toEqual(own)
}

export function referencesAreHeld(setup: Walls, keys: Key[] = keysOf()): void {
  test.each(keys)(
    'promise 6: %s.%s leads to rows that the organization sees',
    async (model, relation) => {
      const ways = await waysToWrite(setup, [model, relation])
      expect(ways.length).toBeGreaterThan(15)
      for (const way of ways) await isHeld(setup, way, (query) => threeWays(setup, query), REFUSALS)
    },
  )

  test.each(keys)('%s.%s may lead to a row that the organization sees', async (model, relation) => {
    for (const { name, isClosed, write } of await waysToWrite(setup, [model, relation])) {
      if (isClosed) continue
      const work = setup.alpha.$transaction(async (tx) => {
        await write(tx, 'mine')
        throw new Error('taken back')
      })
      expect([name, await outcome(() => work)]).toEqual([
        name,
        expect.stringMatching(/taken back|P2002/),
      ])
    }
  })
}

/** The same of the database alone: a plain client's transaction, which names the organization. */
export function referencesAreHeldInSql(setup: Walls, keys: Key[] = keysOf()): void {
  const inSql = (query: (tx: Untyped) => PromiseLike<unknown>) => () =>
    setup.db
      .$transaction(async (tx) => {
        await tx.$queryRaw`SELECT set_config('tollgate.organization', ${ALPHA}, true)`
        await query(tx)
        throw new Error('taken back')
      })
      .catch((error: { code?: string; message: string }) => {
        return sqlErrorOf(error).state ?? error.code ?? error.message
      })

  test.each(keys)(
    'promise 6: in SQL, %s.%s leads to rows that the organization sees',
    async (model, relation) => {
      for (const way of await waysToWrite(setup, [model, relation])) {
        await isHeld(setup, way, (query) => [inSql(query)], /^(P2018|P2025|42501|23503)$/)
      }
    },
  )
}
