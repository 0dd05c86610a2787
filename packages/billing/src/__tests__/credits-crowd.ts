/** Many callers at once on few accounts; each check throws where the ledger gives way. */

import { randomUUID } from 'node:crypto'
import { isTollgateError } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { createDb, type Database } from '@repo/db'
import { type Billing, createBilling } from '../index.ts'
import { ledgerViolations } from '../testing.ts'

export interface Crowd {
  db: Database
  /** As so many processes: each has one line to an account. */
  billings: readonly [Billing, ...Billing[]]
  close(): Promise<void>
}

export function createCrowd(url: string): Crowd {
  const clients = Array.from({ length: 8 }, () => createDb(url, { maxConnections: 2 }))
  const billings = clients.map((db) =>
    createBilling({ db, logger: createTestLogger(), appUrl: 'http://localhost' }),
  )
  return {
    db: clients[0] as Database,
    billings: billings as [Billing, ...Billing[]],
    async close() {
      await Promise.all(clients.map((db) => db.$disconnect()))
    },
  }
}

/** Runs `count` tasks, `callers` at a time, over all instances. */
async function crowd<T>(
  { billings }: Crowd,
  count: number,
  task: (billing: Billing, at: number) => Promise<T>,
  callers = 64,
): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const caller = async (own: number) => {
    for (let at = next; at < count; at = next) {
      next += 1
      results[at] = await task(billings[own % billings.length] as Billing, at)
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, own) => caller(own)))
  return results
}

function must(is: boolean, what: string): void {
  if (!is) throw new Error(what)
}

async function mustHold({ db }: Crowd, ownerId: string): Promise<void> {
  const violations = await ledgerViolations(db, { from: ownerId, to: ownerId })
  must(violations.length === 0, JSON.stringify(violations))
}

async function owner({ billings }: Crowd, credits: number): Promise<string> {
  const ownerId = randomUUID()
  await billings[0].grantCredits(ownerId, credits, { idempotencyKey: 'first' })
  return ownerId
}

/** 1,500 tries to take one of 500. */
export async function overspend(c: Crowd, tries = 1500, credits = 500): Promise<void> {
  const ownerId = await owner(c, credits)
  const results = await crowd(c, tries, (billing) => billing.deductCredits(ownerId, 1, ''))
  const taken = results.filter(({ success }) => success).length
  must(taken === credits, `${taken} of ${credits} were taken`)
  must((await c.billings[0].getBalance(ownerId)).balance === 0, 'the balance is not 0')
  await mustHold(c, ownerId)
}

/** Each of so many keys eight times at once. */
export async function duplicates(c: Crowd, keys = 100): Promise<void> {
  const ownerId = await owner(c, 10 * keys)
  const results = await crowd(c, keys * 8, async (billing, at) => {
    const idempotencyKey = `key-${Math.floor(at / 8)}`
    return JSON.stringify(await billing.deductCredits(ownerId, 1, '', { idempotencyKey }))
  })
  must(new Set(results).size === keys, `${new Set(results).size} answers to ${keys} keys`)
  const { balance } = await c.billings[0].getBalance(ownerId)
  must(balance === 9 * keys, `${balance} of ${10 * keys} are left after ${keys}`)
  await mustHold(c, ownerId)
}

/** The first grant of an account that nobody has, many times at once. */
export async function beginnings(c: Crowd, owners = 20): Promise<void> {
  for (let round = 0; round < owners; round += 1) {
    const ownerId = randomUUID()
    const grant = (billing: Billing, at: number) =>
      billing.grantCredits(ownerId, 3, { idempotencyKey: `key-${at % 4}` })
    await crowd(c, 16, grant, 16)
    const { balance } = await c.billings[0].getBalance(ownerId)
    must(balance === 12, `the balance is ${balance} after four grants of 3`)
  }
}

/** One key for two credit types at once: one has it, the other is refused. */
export async function twoTypes(c: Crowd, rounds = 20): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const ownerId = randomUUID()
    const results = await crowd(
      c,
      8,
      async (billing, at) => {
        const creditType = at % 2 === 0 ? 'credits' : 'seconds'
        const options = { idempotencyKey: 'k', creditType }
        try {
          await billing.grantCredits(ownerId, 5, options)
          return 'granted'
        } catch (error) {
          if (isTollgateError(error)) return error.code
          throw error
        }
      },
      8,
    )
    must(results.filter((r) => r === 'granted').length === 4, `round ${round}: ${results}`)
    must(results.filter((r) => r === 'idempotency_conflict').length === 4, `${results}`)
  }
}

/** Holds that are captured, released and overdue at the same moment. */
export async function settlements(c: Crowd, rounds = 25): Promise<void> {
  const ownerId = await owner(c, 1000)
  for (let round = 0; round < rounds; round += 1) {
    const held = await c.billings[0].holdCredits(ownerId, 10, '')
    if (!held.success) throw new Error('not so much')
    await crowd(c, 8, (billing, at) => settle(billing, held.holdId, at % 3), 8)
  }
  await mustHold(c, ownerId)
}

const settle = (billing: Billing, holdId: string, part: number) =>
  (part === 0 ? billing.releaseHold(holdId) : billing.captureHold(holdId, part)).catch(
    (error: unknown) => {
      if (!isTollgateError(error, 'hold_settled')) throw error
    },
  )

/**
 * Everything at once on three accounts, with a third of the keys used again. What was answered must be
 * in the log, once, and the log is its own proof: along an account, ids are the order of the locks.
 */
export async function mixture(c: Crowd, count = 1500): Promise<void> {
  const owners = [await owner(c, 300), await owner(c, 300), await owner(c, 300)]
  const transactions: string[] = []
  const holds: string[] = []
  const random = (below: number) => Math.floor(Math.random() * below)
  const pick = (list: string[]) => list[random(list.length)] ?? '999999999'
  const answered = await crowd(
    c,
    count,
    async (billing, at) => {
      const ownerId = pick(owners)
      const idempotencyKey = random(3) === 0 ? `key-${random(40)}` : `own-${at}`
      const n = 1 + random(5)
      try {
        const result = await act(billing, {
          ownerId,
          idempotencyKey,
          n,
          transactions,
          holds,
          pick,
          random,
        })
        return result ? { ownerId, idempotencyKey, ...result } : null
      } catch (error) {
        if (isTollgateError(error) && error.status < 500) return null
        throw error
      }
    },
    24,
  )
  for (const ownerId of owners) {
    await mustHold(c, ownerId)
    const rows = await c.db.creditTransaction.findMany({ where: { ownerId } })
    const ids = new Map(rows.map((row) => [row.idempotencyKey, `${row.id}`]))
    for (const ack of answered) {
      if (ack?.ownerId !== ownerId) continue
      must(ids.get(ack.idempotencyKey) === ack.transactionId, `${ack.idempotencyKey} is not there`)
    }
  }
}

interface Act {
  ownerId: string
  idempotencyKey: string
  n: number
  transactions: string[]
  holds: string[]
  pick(list: string[]): string
  random(below: number): number
}

async function act(
  billing: Billing,
  { ownerId, idempotencyKey, n, transactions, holds, pick, random }: Act,
): Promise<{ transactionId: string } | null> {
  const key = { idempotencyKey }
  switch (random(9)) {
    case 0:
      return billing.grantCredits(ownerId, n, { ...key, type: 'purchase' })
    case 1: {
      const expiresAt = new Date(Date.now() + 20 + random(200))
      return billing.grantCredits(ownerId, n, { ...key, expiresAt })
    }
    case 2:
    case 3:
    case 4: {
      const done = await billing.deductCredits(ownerId, n, '', key)
      if (done.success) transactions.push(done.transactionId)
      return done.success ? done : null
    }
    case 5: {
      const held = await billing.holdCredits(ownerId, n, '', key)
      if (held.success) holds.push(held.holdId)
      return held.success ? held : null
    }
    case 6:
      await (random(2) === 0 ? billing.releaseHold(pick(holds)) : billing.captureHold(pick(holds)))
      return null
    case 7:
      return billing.refundCredits(ownerId, n, '', { ...key, transactionId: pick(transactions) })
    default:
      return billing.clawBackCredits(ownerId, n, '', key)
  }
}
