/** Group commit: changes that share a statement are answered as if each were alone. */

import { until } from '@repo/core/testing'
import { asSystem, atomically } from '@repo/db'
import { countLockWaits, WITHOUT_HURRY } from '@repo/db/testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { createContext } from '../create-context.ts'
import type { Deduction } from '../credits/changes.ts'
import { post } from '../credits/ledger.ts'
import { type Billing, createBilling } from '../index.ts'
import { createLedger, type Ledger } from './credits-harness.ts'

// Every test of the ledger once more: each call in a group with another's.
vi.mock('./credits-harness.ts', async (original) => {
  const harness = await original<typeof import('./credits-harness.ts')>()
  const createLedger: typeof harness.createLedger = async (postgres, options = {}) => {
    const credits = { ...options.credits, groupCommit: true }
    const ledger = await harness.createLedger(postgres, { ...options, credits })
    return { ...ledger, billing: inCompany(ledger.billing) }
  }
  return { ...harness, createLedger }
})

/** `billing`, each of whose calls meets another owner's on the way. */
const inCompany = (billing: Billing): Billing =>
  new Proxy(billing, {
    get(target, name) {
      const method = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        void target.deductCredits('company', 1, '').catch(() => {})
        return method(...args)
      }
    },
  })

// Other files of this process test the ledger as it is.
afterAll(() => vi.doUnmock('./credits-harness.ts'))

await import('./credits.test.ts')
await import('./credits-debt.test.ts')
await import('./credits-holds.test.ts')

describe('a group', () => {
  let h: Ledger
  let admin: pg.Client
  beforeAll(async () => {
    h = await createLedger(inject('postgres'))
    admin = new pg.Client({ connectionString: asSystem(h.databaseUrl) })
    admin.on('error', () => {})
    await admin.connect()
  })
  afterAll(async () => {
    await admin.end()
    await h.close()
  })

  const times = <T>(count: number, make: (at: number) => T): T[] =>
    Array.from({ length: count }, (_, at) => make(at))
  const commits = async (owners: unknown[]) => {
    const { rows } = await admin.query(
      `SELECT count(DISTINCT xmin::text)::int AS commits FROM "CreditTransaction"
      WHERE "ownerId" = ANY($1) AND "type" = 'deduction'`,
      [owners],
    )
    return rows[0].commits
  }
  const balanceOf = async (owner: string) => (await h.billing.getBalance(owner)).balance

  test('promise 1: of 1,500 tries by 64 callers at 500 credits 500 succeed, in few commits', async () => {
    const owner = await h.owner(500)
    let left = 1_500
    let taken = 0
    const caller = async () => {
      while (left > 0) {
        left -= 1
        const answer = await h.billing.deductCredits(owner, 1, '')
        if (answer.success) taken += 1
        else expect(answer).toMatchObject({ balance: 0, required: 1 })
      }
    }
    await Promise.all(times(64, caller))
    expect(taken).toBe(500)
    expect(await balanceOf(owner)).toBe(0)
    expect(await commits([owner])).toBeLessThan(60)
    expect(await h.db.creditTransaction.count({ where: { ownerId: owner } })).toBe(501)
  })

  test('promise 2: many calls with one key in one group make one change, and all return it', async () => {
    const owner = await h.owner(100)
    const answers = await Promise.all(
      times(50, () => h.billing.deductCredits(owner, 7, '', { idempotencyKey: 'same' })),
    )
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(await balanceOf(owner)).toBe(93)
  })

  test('a lot of a series replaces the last lot in a group, too', async () => {
    const [owner, other] = [await h.owner(), await h.owner()]
    const ctx = createContext(h.settings)
    const grant = (ownerId: string, idempotencyKey: string) => {
      const change = { ownerId, type: 'grant', amount: 10, description: '', priority: 50 } as const
      return post(ctx, { ...change, series: 'plan', rollover: 3 }, { idempotencyKey })
    }
    await Promise.all([grant(owner, '1'), grant(owner, '2'), grant(other, '1')])
    expect(await h.rows(owner)).toEqual(['grant 10', 'expiry -7', 'grant 10'])
  })

  test('a change that the database refuses fails alone', async () => {
    const owners = await Promise.all(times(20, () => h.owner(10)))
    const [bad] = owners as [string]
    await admin.query('UPDATE "CreditGrant" SET "remaining" = 2 WHERE "ownerId" = $1', [bad])
    const answers = await Promise.allSettled(
      owners.flatMap((owner) => [
        h.billing.deductCredits(owner, 3, ''),
        h.billing.deductCredits(owner, 11, ''),
        h.billing.grantCredits(owner, 1, { idempotencyKey: 'first' }),
      ]),
    )
    for (const [at, owner] of owners.entries()) {
      const [first, second, conflict] = answers.slice(at * 3, at * 3 + 3)
      expect(conflict).toMatchObject({ reason: { code: 'idempotency_conflict', status: 409 } })
      expect(second).toMatchObject({ value: { success: false, required: 11 } })
      if (owner === bad) expect(first).toMatchObject({ status: 'rejected' })
      else expect(first).toMatchObject({ value: { success: true, balance: 7 } })
      expect(await h.rows(owner)).toEqual(
        owner === bad ? ['grant 10'] : ['grant 10', 'deduction -3'],
      )
    }
  })

  test('promise 2: lost connections double no change and lose none', async () => {
    const owner = await h.owner(14_000)
    const acknowledged = new Map<string, string>()
    let calls = 0
    let cuts = 0
    let isOver = false
    const caller = async () => {
      while (calls < 5_000 || cuts <= 5) {
        calls += 1
        const idempotencyKey = `call-${calls}`
        let answer: Deduction | null = null
        while (!answer) {
          answer = await h.billing.deductCredits(owner, 1, '', { idempotencyKey }).catch(() => null)
        }
        if (!answer.success) throw new Error('The credits ran out before enough cuts were made.')
        acknowledged.set(idempotencyKey, answer.transactionId)
      }
    }
    // Each cut waits for calls that got through since the last one: however slow a statement is
    // here, the test makes progress, and however fast it is, it is cut.
    const cutting = async () => {
      for (let next = 100; !isOver; next = acknowledged.size + 100) {
        await until(() => isOver || acknowledged.size >= next, 1)
        let hit = 0
        while (hit === 0 && !isOver) {
          const { rowCount } = await admin.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`,
          )
          hit = rowCount ?? 0
        }
        cuts += hit
      }
    }
    const calling = Promise.all(times(64, caller)).finally(() => {
      isOver = true
    })
    await Promise.all([calling, cutting()])
    expect(cuts).toBeGreaterThan(5)
    expect(calls).toBeGreaterThanOrEqual(5_000)
    expect(acknowledged.size).toBe(calls)
    expect(await balanceOf(owner)).toBe(14_000 - calls)
    const rows = await h.db.creditTransaction.findMany({
      where: { ownerId: owner, type: 'deduction' },
    })
    expect(new Map(rows.map(({ idempotencyKey, id }) => [idempotencyKey, `${id}`]))).toEqual(
      acknowledged,
    )
    expect(rows).toHaveLength(calls)
  })

  test('a locked account delays the other accounts of a group by a second at the most', async () => {
    const [locked, free] = [await h.owner(5), await h.owner(5)]
    let blocked: Promise<unknown> = Promise.resolve()
    await atomically(
      h.db,
      async (tx) => {
        await h.billing.deductCredits(locked, 1, '', { tx })
        blocked = h.billing.deductCredits(locked, 1, '')
        // The two meet in one group, and this transaction waits for its end.
        expect(await h.billing.deductCredits(free, 1, '')).toMatchObject({ balance: 4 })
      },
      WITHOUT_HURRY,
    )
    expect(await blocked).toMatchObject({ success: true, balance: 3 })
  })

  test('a change in a host’s transaction joins it and is not grouped', async () => {
    const owner = await h.owner(5)
    const failing = atomically(h.db, async (tx) => {
      const both = [1, 2].map((amount) => h.billing.deductCredits(owner, amount, '', { tx }))
      await Promise.all(both)
      throw new Error('after it')
    })
    await expect(failing).rejects.toThrow('after it')
    expect(await balanceOf(owner)).toBe(5)
  })

  test('groups of two processes lock the same owners in the same order', async () => {
    const other = createBilling(h.settings)
    const round = async () => {
      const all = (await Promise.all(times(3, () => h.owner(10)))).sort()
      const groups: Promise<unknown>[] = []
      let began = 0
      await atomically(
        h.db,
        async (tx) => {
          await h.billing.deductCredits(all[1] as string, 1, '', { tx })
          began = performance.now()
          for (const [billing, owners] of [
            [h.billing, all],
            [other, all.toReversed()],
          ] as const) {
            groups.push(...owners.map((owner) => billing.deductCredits(owner, 1, '')))
            await until(async () => (await countLockWaits(h.db)) >= groups.length / 3)
          }
        },
        WITHOUT_HURRY,
      )
      const heldMs = performance.now() - began
      await Promise.all(groups)
      expect(await Promise.all(all.map(balanceOf))).toEqual([8, 7, 8])
      return { all, heldMs }
    }
    // A group waits a second for a lock and is then tried again one by one. On a slow machine the test
    // may hold the lock for longer, and such a round shows nothing.
    let last = await round()
    while (last.heldMs > 900) last = await round()
    // Neither had to be tried again: one commit for each, and one for the transaction.
    expect(await commits(last.all)).toBe(3)
  })
})
