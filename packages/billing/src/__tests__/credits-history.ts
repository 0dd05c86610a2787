/** Histories of one owner, played on the real ledger and on the model side by side. */

import { randomUUID } from 'node:crypto'
import { isTollgateError } from '@repo/core'
import { createTestClock, createTestLogger } from '@repo/core/testing'
import type { Database } from '@repo/db'
import fc from 'fast-check'
import { type Billing, type BillingOptions, createBilling } from '../index.ts'
import { ledgerViolations } from '../testing.ts'
import { createModel, type Model, type Op } from './credits-model.ts'

const START = Date.parse('2030-01-01T00:00:00Z')
const DAY = 24 * 60 * 60 * 1000

const amount = fc.integer({ min: 1, max: 12 })
const key = fc.option(fc.nat({ max: 9 }), { nil: null, freq: 4 })
const at = fc.nat({ max: 5 })
const kind = <Name extends Op['op']>(op: Name) => fc.constant(op)

const step = fc.oneof<{ arbitrary: fc.Arbitrary<Op>; weight: number }[]>(
  {
    weight: 6,
    arbitrary: fc.record({
      op: kind('grant'),
      amount,
      key,
      days: fc.option(fc.integer({ min: -1, max: 4 }), { nil: null, freq: 2 }),
      priority: fc.constantFrom(40, 50, 50),
      paid: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ op: kind('deduct'), amount, key }) },
  { weight: 3, arbitrary: fc.record({ op: kind('hold'), amount, key }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: kind('settle'), hold: at, part: fc.integer({ min: 0, max: 12 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: kind('refund'),
      of: fc.option(at, { nil: null, freq: 2 }),
      amount: fc.integer({ min: 1, max: 6 }),
      key,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: kind('adjust'),
      amount: fc.integer({ min: -9, max: 9 }).filter((n) => n !== 0),
      key,
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: kind('clawBack'), amount, key, purchase: at }) },
  { weight: 2, arbitrary: fc.record({ op: kind('restore'), of: at }) },
  { weight: 4, arbitrary: fc.record({ op: kind('wait'), days: fc.integer({ min: -1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ op: kind('expire') }) },
)

export const history: fc.Arbitrary<Op[]> = fc.array(step, {
  minLength: 5,
  maxLength: 40,
  size: 'max',
})

const few = fc.integer({ min: 1, max: 4 })
const seldom = fc.oneof(
  { weight: 12, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.nat({ max: 3 }) },
)

const sudden = fc.oneof<{ arbitrary: fc.Arbitrary<Op>; weight: number }[]>(
  { weight: 12, arbitrary: fc.record({ op: kind('deduct'), amount: few, key: seldom }) },
  { weight: 1, arbitrary: fc.record({ op: kind('hold'), amount: few, key: seldom }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: kind('grant'),
      amount: fc.integer({ min: 10, max: 60 }),
      key: seldom,
      days: fc.option(fc.integer({ min: 1, max: 4 }), { nil: null, freq: 2 }),
      priority: fc.constantFrom(40, 50),
      paid: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: kind('adjust'),
      amount: fc.integer({ min: -4, max: 4 }).filter((n) => n !== 0),
      key: seldom,
    }),
  },
)

/** Calls that are made at once, and how many days pass after them. */
export interface Burst {
  ops: Op[]
  days: number
}

export const bursts: fc.Arbitrary<Burst[]> = fc.array(
  fc.record({
    ops: fc.array(sudden, { minLength: 1, maxLength: 12, size: 'max' }),
    days: fc.nat({ max: 2 }),
  }),
  { minLength: 2, maxLength: 12, size: 'max' },
)

/** Plays bursts in groups; throws where that is not as if one call came after the other. */
export async function playTogether(db: Database, together: readonly Burst[]): Promise<void> {
  const { ownerId, clock, billing, model } = begin(db, { groupCommit: true })
  let index = 0
  for (const { ops, days } of together) {
    const calls = ops.map((op, at) => prepare(db, billing, model, ownerId, index + at, op))
    const expected = ops.map((op, at) => model.apply(index + at, op))
    const answered = await Promise.all(calls.map(answerOf))
    index += ops.length
    const what = `until step ${index} ${JSON.stringify(ops)}`
    agree(`${what} answered`, answered, expected)
    agree(`after ${what}`, await stateOf(db, ownerId), model.state())
    model.apply(index, { op: 'wait', days })
    clock.set(new Date(model.now()))
  }
  agree('violations', await ledgerViolations(db, { from: ownerId, to: ownerId }), [])
}

function begin(db: Database, credits: BillingOptions['credits'] = {}) {
  const clock = createTestClock(new Date(START))
  const logger = createTestLogger()
  const billing = createBilling({ db, clock, logger, appUrl: 'http://localhost', credits })
  return { ownerId: randomUUID(), clock, billing, model: createModel(START) }
}

/** Plays one history; throws where the ledger and the model disagree. */
export async function play(db: Database, steps: readonly Op[]): Promise<void> {
  const { ownerId, clock, billing, model } = begin(db)
  for (const [index, op] of steps.entries()) {
    // What a step means is said by the state before it.
    const call = prepare(db, billing, model, ownerId, index, op)
    const expected = model.apply(index, op)
    clock.set(new Date(model.now()))
    const answered = await answerOf(call)
    agree(`step ${index} ${JSON.stringify(op)} answered`, answered, expected)
    agree(`after step ${index} ${JSON.stringify(op)}`, await stateOf(db, ownerId), model.state())
  }
  agree('violations', await ledgerViolations(db, { from: ownerId, to: ownerId }), [])
}

function agree(what: string, found: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${what}: ${is}, and the model says ${should}`)
}

type Call = () => Promise<unknown>

function prepare(
  db: Database,
  billing: Billing,
  model: Model,
  ownerId: string,
  index: number,
  op: Op,
): Call {
  const idempotencyKey = model.keyOf('key' in op ? op.key : null, index)
  switch (op.op) {
    case 'wait':
      return async () => ({ balance: '' })
    case 'expire':
      return async () => {
        await billing.expireCredits()
        return { balance: '' }
      }
    case 'grant': {
      const { priority } = op
      const expiresAt = op.days === null ? null : new Date(model.now() + op.days * DAY)
      const type = op.paid ? 'purchase' : 'grant'
      const options = { idempotencyKey, expiresAt, priority, type } as const
      return () => billing.grantCredits(ownerId, op.amount, options)
    }
    case 'deduct':
      return () => billing.deductCredits(ownerId, op.amount, '', { idempotencyKey })
    case 'hold':
      return () => billing.holdCredits(ownerId, op.amount, '', { idempotencyKey })
    case 'settle': {
      const which = model.hold(op.hold)
      return async () => {
        const held = await db.creditHold.findMany({ where: { ownerId }, orderBy: { id: 'asc' } })
        const holdId = `${held[which]?.id ?? 'none'}`
        if (op.part === 0) return billing.releaseHold(holdId)
        return billing.captureHold(holdId, op.part)
      }
    }
    case 'refund': {
      const row = op.of === null ? -1 : model.rowAt(model.deduction(op.of))
      return async () => {
        if (op.of === null) return billing.refundCredits(ownerId, op.amount, '', { idempotencyKey })
        const rows = await rowsOf(db, ownerId)
        const transactionId = `${rows[row]?.id ?? '999999999'}`
        const options = { idempotencyKey, transactionId }
        return billing.refundCredits(ownerId, op.amount, '', options)
      }
    }
    case 'adjust':
      return () =>
        billing.adjustCredits(ownerId, op.amount, '', { idempotencyKey, actor: 'somebody' })
    case 'clawBack': {
      const purchaseKey = model.purchaseKey(op.purchase)
      const options = { idempotencyKey, ...(purchaseKey ? { purchaseKey } : {}) }
      return () => billing.clawBackCredits(ownerId, op.amount, '', options)
    }
    case 'restore': {
      const clawBackKey = model.clawBackKey(op.of) ?? 'none'
      return () => billing.restoreCredits(ownerId, '', { clawBackKey })
    }
  }
}

const rowsOf = (db: Database, ownerId: string) =>
  db.creditTransaction.findMany({ where: { ownerId }, orderBy: { id: 'asc' } })

async function answerOf(call: Call): Promise<string> {
  try {
    const { success, balance } = (await call()) as { success?: boolean; balance: number }
    return success === false ? `insufficient ${balance}` : `${balance}`
  } catch (error) {
    if (!isTollgateError(error)) throw error
    const { code } = error
    const available = (error as { available?: number }).available
    return code === 'insufficient_credits' ? `insufficient ${available}` : code
  }
}

async function stateOf(db: Database, ownerId: string): Promise<ReturnType<Model['state']>> {
  const where = { ownerId }
  const orderBy = { id: 'asc' } as const
  const [account, lots, rows, holds] = await Promise.all([
    db.creditAccount.findFirst({ where }),
    db.creditGrant.findMany({ where, orderBy }),
    rowsOf(db, ownerId),
    db.creditHold.findMany({ where, orderBy }),
  ])
  return {
    debt: Number(account?.debt ?? 0),
    lots: lots.map((lot) => `${lot.remaining} until ${lot.expiresAt?.getTime() ?? 'ever'}`),
    rows: rows.map(
      ({ type, amount: n, debt, balanceAfter }) =>
        `${type} ${n} debt ${debt} after ${balanceAfter}`,
    ),
    holds: holds.map(({ captured }) => (captured === null ? null : Number(captured))),
  }
}
