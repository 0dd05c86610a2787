/**
 * Adjusts a plan's credits to refunds and disputes of their payment, at every provider. A refund claws back
 * its share of the credits. A dispute claws back the rest, which is restored if the dispute is won. Earlier
 * clawbacks are read from the ledger. Each step has a key of its own, so it is taken once however often it is
 * reported. Expired credits are not clawed back.
 *
 * @module
 */

import { isTollgateError, monthsAfter } from '@repo/core'
import type { Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { clawBackCredits, restoreCredits } from './changes.ts'
import { type ClawedBack, clawbackOf, type Paid } from './clawback.ts'
import { monthKey } from './months.ts'

/** A payment of a plan, with its refunds and disputes. */
export interface PlanPayment extends Paid {
  ownerId: string
  /** The key under which the credits of a single month were granted. */
  key: string
  /**
   * For a year's payment: the subscription's name in keys, and when the payment was made. Null: a month's
   * payment.
   */
  year: { subscription: string; paidAt: Date } | null
}

/** How many steps of one grant are looked up at a time. */
const STEPS = 8
const DAY_MS = 24 * 60 * 60 * 1000

/**
 * Claws back or restores credits of the payment's grants. `tx` is the transaction that records the payment.
 * Call it after the grants.
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
      // The account has the largest possible debt. A retry would not change that.
      if (!isTollgateError(error) || error.status >= 500) throw error
      const { idempotencyKey: key } = grant
      ctx.logger.error({ ownerId, key, code: error.code }, 'could not claw back plan credits')
    }
  }
}

/** The keys of the payment's grants. A year's months begin on the day of the payment or on a day next to it. */
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
  if (clawbackOf({ ...before, lapsed: 0 }, payment).steps.length === 0) return
  const lapsed = await lapsedOf(tx, grant)
  for (const step of clawbackOf({ ...before, lapsed }, payment).steps) {
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

/** The clawbacks of a grant so far, read from the ledger. */
async function takenOf(tx: Db, { ownerId, amount, idempotencyKey }: Grant): Promise<ClawedBack> {
  const refunds = await stepsOf(tx, ownerId, `${idempotencyKey}:refund`)
  const disputes = await stepsOf(tx, ownerId, `${idempotencyKey}:dispute`)
  return {
    credits: Number(amount),
    creditsRefunded: refunds,
    creditsDisputed: disputes.reduce((sum, taken) => sum + taken, 0),
    disputes: disputes.length,
    disputeSteps: disputes,
    // A dispute is named by its number, so any id will do here.
    disputeId: disputes.length > 0 ? idempotencyKey : null,
  }
}

/** The credits that each numbered step took, in order. 0: the step was restored. */
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

/** How many credits of a grant have expired, at its end or because they were not rolled over. */
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
