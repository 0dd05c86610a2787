/**
 * The credits of a plan follow the money of their payment, at every provider: a refund takes its share of
 * them, a dispute takes the rest and gives it back when it is won. What was taken before is read from the
 * ledger, where each step has a key of its own, so a step that is told twice is taken once. Credits that have
 * lapsed are gone already and are not taken again.
 *
 * @module
 */

import { isTollgateError } from '@repo/core'
import type { Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { monthsAfter } from '../months.ts'
import { clawBackCredits, restoreCredits } from './changes.ts'
import { monthKey } from './months.ts'
import { type Paid, type Taken, takingOf } from './taking.ts'

/** A payment of a plan, and how much of its money went back. */
export interface PlanPayment extends Paid {
  ownerId: string
  /** The key under which the credits of a single month were granted. */
  key: string
  /** Where the payment is for a year: whose months, and when it was made. */
  year: { subscription: string; paidAt: Date } | null
}

/** How many steps of one grant are looked up at a time. */
const STEPS = 8
const DAY_MS = 24 * 60 * 60 * 1000

/**
 * Takes back, or gives back, credits of the grants that the payment paid for. Joins the transaction that
 * records the payment, and is called after the grants.
 */
export async function followMoney(
  ctx: BillingContext,
  tx: Db,
  payment: PlanPayment,
): Promise<void> {
  const { ownerId } = payment
  const grants = await tx.creditTransaction.findMany({
    where: { ownerId, idempotencyKey: { in: keysOf(payment) }, type: 'grant' },
    orderBy: { id: 'asc' },
  })
  for (const grant of grants) {
    try {
      await follow(ctx, tx, payment, grant)
    } catch (error) {
      // The account owes as much as it may: nothing another try would change.
      if (!isTollgateError(error) || error.status >= 500) throw error
      const { idempotencyKey: key } = grant
      ctx.logger.error({ ownerId, key, code: error.code }, 'plan credits were not taken back')
    }
  }
}

/** The months of a year have the day on which the year began, which may be the payment's or one beside it. */
function keysOf({ key, year }: PlanPayment): string[] {
  if (!year) return [key]
  const starts = [-1, 0, 1].map((days) => new Date(year.paidAt.getTime() + days * DAY_MS))
  const months = starts.flatMap((start) =>
    Array.from({ length: 12 }, (_, month) =>
      monthKey(year.subscription, monthsAfter(start, month)),
    ),
  )
  return [key, ...new Set(months)]
}

type Grant = Awaited<ReturnType<Db['creditTransaction']['findMany']>>[number]

async function follow(
  ctx: BillingContext,
  tx: Db,
  payment: PlanPayment,
  grant: Grant,
): Promise<void> {
  const { ownerId } = payment
  const { idempotencyKey: purchaseKey, creditType } = grant
  const before = await takenOf(tx, grant)
  if (takingOf({ ...before, lapsed: 0 }, payment).steps.length === 0) return
  const lapsed = await lapsedOf(tx, grant)
  for (const step of takingOf({ ...before, lapsed }, payment).steps) {
    const name = 'number' in step ? `refund:${step.number}` : `dispute:${step.disputeNumber}`
    const key = `${purchaseKey}:${name}`
    if (step.kind === 'refund' || step.kind === 'dispute') {
      const how = { idempotencyKey: key, purchaseKey, creditType, tx }
      await clawBackCredits(ctx, ownerId, step.credits, step.kind, how)
    } else {
      const why = step.kind === 'refund_failed' ? 'refund failed' : 'dispute won'
      await restoreCredits(ctx, ownerId, why, { clawBackKey: key, creditType, tx })
    }
  }
}

/** What refunds and disputes have taken of a grant, by the ledger. */
async function takenOf(tx: Db, { ownerId, amount, idempotencyKey }: Grant): Promise<Taken> {
  const refunds = await stepsOf(tx, ownerId, `${idempotencyKey}:refund`)
  const disputes = await stepsOf(tx, ownerId, `${idempotencyKey}:dispute`)
  return {
    credits: Number(amount),
    creditsRefunded: refunds,
    creditsDisputed: disputes.at(-1) ?? 0,
    disputes: disputes.length,
    // The number names it; the provider's id is not needed.
    disputeId: disputes.length > 0 ? idempotencyKey : null,
  }
}

/** The credits that each numbered step took, from the first; 0 for one that was given back. */
async function stepsOf(tx: Db, ownerId: string, prefix: string): Promise<number[]> {
  const taken: number[] = []
  for (;;) {
    const keys = Array.from(
      { length: STEPS },
      (_, index) => `${prefix}:${taken.length + index + 1}`,
    )
    const rows = await tx.creditTransaction.findMany({
      where: { ownerId, idempotencyKey: { in: keys.flatMap((key) => [key, `${key}:restored`]) } },
      select: { idempotencyKey: true, amount: true, debt: true },
    })
    const byKey = new Map(rows.map((row) => [row.idempotencyKey, row]))
    for (const key of keys) {
      const row = byKey.get(key)
      if (!row) return taken
      taken.push(byKey.has(`${key}:restored`) ? 0 : Number(row.debt - row.amount))
    }
  }
}

/** How much of a grant has lapsed, at the end of its time or because it was not rolled over. */
async function lapsedOf(tx: Db, { id, ownerId, creditType, lots }: Grant): Promise<number> {
  const [[lot] = []] = lots as [number | string, number][]
  if (lot === undefined) return 0
  const [row] = await tx.$queryRaw<[{ lapsed: bigint }]>`
    SELECT coalesce(-sum((part ->> 1)::bigint), 0)::bigint AS "lapsed"
    FROM "CreditTransaction" t, jsonb_array_elements(t."lots") AS part
    WHERE t."ownerId" = ${ownerId} AND t."creditType" = ${creditType} AND t."id" > ${id}
      AND t."type" = 'expiry' AND (part ->> 0)::bigint = ${BigInt(lot)}`
  return Number(row.lapsed)
}
