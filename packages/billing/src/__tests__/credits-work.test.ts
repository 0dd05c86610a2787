/** Promise 3: work under a key is done once, in whichever process, and paid once; calls that overlap share its answer. */

import { createDb, type Database } from '@repo/db'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { forgetEndedWork } from '../credits/work.ts'
import { type Billing, createBilling } from '../index.ts'
import { ledgerViolations } from '../testing.ts'
import { createLedger, type Ledger } from './credits-harness.ts'

let h: Ledger
/** As in processes of their own: nothing is shared but the database. */
const elsewhere: Billing[] = []
const pools: Database[] = []
beforeAll(async () => {
  h = await createLedger(inject('postgres'))
  for (let n = 0; n < 3; n += 1) {
    const db = createDb(h.databaseUrl, { maxConnections: 2 })
    pools.push(db)
    elsewhere.push(createBilling({ ...h.settings, db }))
  }
})
afterAll(async () => {
  expect(await ledgerViolations(h.db)).toEqual([])
  for (const db of pools) await db.$disconnect()
  await h.close()
})

const refused = (code: string, status: number) => expect.objectContaining({ code, status })

/** Work that waits until it is told how to end, and counts how often it began. */
function createWork<T>() {
  let finish: (value: T) => void = () => {}
  let fail: (error: unknown) => void = () => {}
  const end = new Promise<T>((resolve, reject) => {
    finish = resolve
    fail = reject
  })
  end.catch(() => {})
  const work = vi.fn(() => end)
  const begun = () => vi.waitFor(() => expect(work).toHaveBeenCalled())
  return { work, begun, finish, fail }
}

const film = <T>(billing: Billing, owner: string, work: () => Promise<T> | T, options = {}) =>
  billing.withCredits(owner, 5, 'a film', work, { idempotencyKey: 'film', ...options })

const passDeadline = (ownerId: string) => h.db.$executeRaw`
  UPDATE "CreditHold" SET "expiresAt" = clock_timestamp() - interval '1 ms'
  WHERE "ownerId" = ${ownerId} AND "status" = 'open'`

const left = (owner: string) => h.billing.getBalance(owner)

describe('calls that overlap', () => {
  test('in several processes do the work once, and all get its result', async () => {
    const owner = await h.owner(10)
    const { work, begun, finish } = createWork<object>()
    const calls = elsewhere.map((billing) => film(billing, owner, work))
    await begun()
    calls.push(film(elsewhere[0] as Billing, owner, work), film(h.billing, owner, work))
    finish({ film: 8, parts: ['a', null, 0.5], is: true })
    for (const call of calls) {
      expect(await call).toEqual({ film: 8, parts: ['a', null, 0.5], is: true })
    }
    expect(work).toHaveBeenCalledTimes(1)
    expect(await left(owner)).toMatchObject({ balance: 5, holds: 0 })
    await expect(film(h.billing, owner, work)).rejects.toEqual(refused('hold_settled', 409))
    expect(work).toHaveBeenCalledTimes(1)
  })

  test('do the work once, also with many keys at once and work that takes no time', async () => {
    const owner = await h.owner(100)
    const works = Array.from({ length: 10 }, () => vi.fn((): undefined => undefined))
    const calls = works.flatMap((work, n) =>
      elsewhere.map((billing) => film(billing, owner, work, { idempotencyKey: `quick ${n}` })),
    )
    expect(new Set(await Promise.all(calls))).toEqual(new Set([undefined]))
    for (const work of works) expect(work).toHaveBeenCalledTimes(1)
    expect(await left(owner)).toMatchObject({ balance: 50, holds: 0 })
  })

  test('get the work’s error, and a later call does the work again', async () => {
    const owner = await h.owner(10)
    const { work, begun, fail } = createWork()
    const calls = elsewhere.map((billing) => film(billing, owner, work))
    await begun()
    calls.push(film(h.billing, owner, work))
    fail(Object.assign(new TypeError('no film'), { code: 'no_film' }))
    const told = { name: 'TypeError', message: 'no film', code: 'no_film' }
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: 'rejected', reason: told })
    }
    expect(work).toHaveBeenCalledTimes(1)
    expect(await left(owner)).toMatchObject({ balance: 10, holds: 0 })
    expect(await film(h.billing, owner, () => 'a film')).toBe('a film')
    expect(await left(owner)).toMatchObject({ balance: 5, holds: 0 })
  })

  test('in one process share the same value and the same error', async () => {
    const owner = await h.owner(20)
    const found = new Map([[1n, new Date()]])
    const work = vi.fn(() => found)
    const both = await Promise.all([film(h.billing, owner, work), film(h.billing, owner, work)])
    expect(both.every((each) => each === found)).toBe(true)
    const error = new Error('no film')
    const fails = () =>
      film(h.billing, owner, () => Promise.reject(error), { idempotencyKey: 'other' }).catch(
        (thrown: unknown) => thrown,
      )
    expect(await Promise.all([fails(), fails()])).toEqual([error, error])
    expect(work).toHaveBeenCalledTimes(1)
  })

  test.each([
    ['a map', new Map([[1, 2]])],
    ['a date', { at: new Date() }],
    ['a big number', 1n],
    ['not a number', Number.NaN],
    ['much', 'x'.repeat(70_000)],
  ])(
    'in another process learn that %s was not kept, and do not repeat the work',
    async (_, result) => {
      const owner = await h.owner(10)
      const { work, begun, finish } = createWork<unknown>()
      const first = film(h.billing, owner, work)
      await begun()
      const second = film(elsewhere[0] as Billing, owner, work)
      await vi.waitFor(async () => expect(await h.db.creditWork.count()).toBeGreaterThan(0))
      finish(result)
      expect(await first).toBe(result)
      await expect(second).rejects.toEqual(refused('hold_settled', 409))
      expect(work).toHaveBeenCalledTimes(1)
      expect(await left(owner)).toMatchObject({ balance: 5, holds: 0 })
    },
  )

  test('hold no connection while they wait or work', async () => {
    const owner = await h.owner(100)
    const db = createDb(h.databaseUrl, { maxConnections: 1 })
    const billing = createBilling({ ...h.settings, db })
    const other = createBilling({ ...h.settings, db })
    const { work, begun, finish } = createWork<number>()
    const calls = [billing, other].map((each) => film(each, owner, work))
    await begun()
    expect(await billing.getBalance(owner)).toMatchObject({ balance: 95, holds: 5 })
    await billing.deductCredits(owner, 1, '')
    finish(1)
    expect(await Promise.all(calls)).toEqual([1, 1])
    await db.$disconnect()
  })
})

test('consecutive calls, in any process, each repeat work that threw', async () => {
  const owner = await h.owner(10)
  let runs = 0
  for (const billing of [...elsewhere, ...elsewhere, h.billing]) {
    const fails = film(billing, owner, () => {
      runs += 1
      throw new Error('no film')
    })
    await expect(fails).rejects.toThrow('no film')
    expect(await left(owner)).toMatchObject({ balance: 10, holds: 0 })
  }
  expect(runs).toBe(7)
  expect(await film(h.billing, owner, () => 'done')).toBe('done')
  for (const billing of elsewhere) {
    await expect(film(billing, owner, () => 'again')).rejects.toEqual(refused('hold_settled', 409))
  }
})

describe('a key', () => {
  test('of a second try cannot collide with a key of the caller', async () => {
    const owner = await h.owner(100)
    const fails = () => Promise.reject(new Error('no film'))
    const options = (idempotencyKey: string) => ({ idempotencyKey })
    await expect(film(h.billing, owner, fails)).rejects.toThrow('no film')
    expect(await film(h.billing, owner, () => 2)).toBe(2)
    expect(await film(h.billing, owner, () => 'other', options('film:2'))).toBe('other')
    await film(h.billing, owner, () => 'first', options('next:2'))
    await expect(film(h.billing, owner, fails, options('next'))).rejects.toThrow('no film')
    expect(await film(h.billing, owner, () => 'next', options('next'))).toBe('next')
    expect(await left(owner)).toMatchObject({ balance: 80, holds: 0 })
    await expect(film(h.billing, owner, () => 1, options('ledger:work:2:film'))).rejects.toEqual(
      refused('invalid_input', 400),
    )
  })

  test('belongs to one amount, one credit type and one kind of change', async () => {
    const owner = await h.owner(100)
    const { work, begun, finish } = createWork<number>()
    const first = film(h.billing, owner, work)
    await begun()
    const conflict = refused('idempotency_conflict', 409)
    for (const billing of [h.billing, elsewhere[0] as Billing]) {
      const more = billing.withCredits(owner, 6, '', work, { idempotencyKey: 'film' })
      await expect(more).rejects.toEqual(conflict)
      await expect(film(billing, owner, work, { creditType: 'other' })).rejects.toEqual(conflict)
    }
    finish(1)
    await first
    await h.billing.deductCredits(owner, 5, '', { idempotencyKey: 'spent' })
    await h.billing.holdCredits(owner, 5, '', { idempotencyKey: 'held' })
    for (const idempotencyKey of ['spent', 'held']) {
      await expect(film(h.billing, owner, work, { idempotencyKey })).rejects.toEqual(conflict)
    }
    expect(work).toHaveBeenCalledTimes(1)
  })

  test('can be used by another owner, too', async () => {
    const owners = [await h.owner(10), await h.owner(10)]
    const done = await Promise.all(owners.map((owner) => film(h.billing, owner, () => owner)))
    expect(done).toEqual(owners)
  })

  test('used again inside its own work is refused instead of waiting', async () => {
    const owner = await h.owner(10)
    const work = () => film(h.billing, owner, () => 1)
    await expect(film(h.billing, owner, work)).rejects.toEqual(refused('idempotency_conflict', 409))
    expect(await left(owner)).toMatchObject({ balance: 10, holds: 0 })
  })
})

describe('where a process dies', () => {
  test('the next call waits until the deadline and does the work again, and the first try costs nothing', async () => {
    const owner = await h.owner(10)
    const { work, begun, finish } = createWork<string>()
    const first = film(elsewhere[0] as Billing, owner, work)
    await begun()
    const anew = vi.fn(() => 'anew')
    const others = [h.billing, elsewhere[1] as Billing].map((each) => film(each, owner, anew))
    // Another call goes all the way through the ledger meanwhile, and the others still wait.
    await h.billing.deductCredits(owner, 1, '')
    expect(anew).not.toHaveBeenCalled()
    await passDeadline(owner)
    expect(await Promise.all(others)).toEqual(['anew', 'anew'])
    expect(anew).toHaveBeenCalledTimes(1)
    finish('too late')
    await expect(first).rejects.toEqual(refused('hold_settled', 409))
    expect(await left(owner)).toMatchObject({ balance: 4, holds: 0 })
  })

  test('after the hold was released, the next call does the work again', async () => {
    const owner = await h.owner(10)
    const { work, begun, fail } = createWork()
    const first = film(elsewhere[0] as Billing, owner, work)
    await begun()
    await passDeadline(owner)
    expect(await h.billing.releaseOverdueHolds()).toBe(1)
    expect(await film(h.billing, owner, () => 'anew')).toBe('anew')
    fail(new Error('too late'))
    await expect(first).rejects.toThrow('too late')
    await expect(film(h.billing, owner, () => 'again')).rejects.toEqual(
      refused('hold_settled', 409),
    )
    expect(await left(owner)).toMatchObject({ balance: 5, holds: 0 })
  })

  test('no call waits for work whose end its process could not store', async () => {
    const owner = await h.owner(10)
    const away = film(h.billing, owner, async () => {
      await h.db.$executeRaw`ALTER FUNCTION "Credit_end_work" RENAME TO "Credit_away"`
    })
    await expect(away).rejects.toEqual(refused('credits_not_installed', 500))
    await h.db.$executeRaw`ALTER FUNCTION "Credit_away" RENAME TO "Credit_end_work"`
    expect(await left(owner)).toMatchObject({ balance: 5, holds: 5 })
    expect(await film(h.billing, owner, () => 'anew')).toBe('anew')
    expect(await left(owner)).toMatchObject({ balance: 5, holds: 0 })
  })
})

test('the result of work is kept for an hour, and the work still counts as done', async () => {
  const owner = await h.owner(20)
  const ctx = { db: h.db } as Parameters<typeof forgetEndedWork>[0]
  await expect(film(h.billing, owner, () => Promise.reject(new Error('once')))).rejects.toThrow()
  await film(h.billing, owner, () => 'secret')
  const { work, begun, finish } = createWork<number>()
  const going = film(h.billing, owner, work, { idempotencyKey: 'going' })
  await begun()
  await forgetEndedWork(ctx)
  const mine = { where: { ownerId: owner }, orderBy: { idempotencyKey: 'asc' } } as const
  expect(await h.db.creditWork.findMany(mine)).toMatchObject([
    { idempotencyKey: 'film', outcome: '{"value":"secret"}' },
    { idempotencyKey: 'going' },
  ])
  await h.db.$executeRaw`
    UPDATE "CreditWork" SET "finishedAt" = "finishedAt" - interval '2 hours' WHERE "ownerId" = ${owner}`
  await forgetEndedWork(ctx)
  expect(await h.db.creditWork.findMany(mine)).toMatchObject([{ idempotencyKey: 'going' }])
  finish(1)
  await going
  await expect(film(h.billing, owner, () => 'again')).rejects.toEqual(refused('hold_settled', 409))
})
