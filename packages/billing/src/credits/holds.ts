/**
 * Holds: credits set aside for work whose result or price is not known yet. A hold is a deduction with a
 * deadline. Settling it captures a part and refunds the rest to the lots it came from. Promise: no credits
 * stay held, because a hold that nobody settles is released after its deadline.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { idOf, requireCredits, requireDescription, ttlOf } from '../credit-input.ts'
import { BillingError } from '../errors.ts'
import { requireOwner } from '../owner-id.ts'
import { isolated, type SweepOptions } from '../sweep.ts'
import { type CreditChange, type InsufficientCredits, insufficient } from './changes.ts'
import {
  ask,
  type CreditOptions,
  domainNow,
  post,
  required,
  thresholdsOf,
  toNumber,
} from './ledger.ts'
import type { Posted } from './settings.ts'

/** The options of `holdCredits`. */
export interface HoldOptions extends CreditOptions {
  /** How long the hold stays open unless it is settled, in seconds of wall time. Default 900, at the most 30 days. */
  ttlSeconds?: number
}

/** The answer of `holdCredits`. */
export type Hold = ({ success: true; holdId: string } & CreditChange) | InsufficientCredits

/** A captured or released hold. */
export interface SettledHold {
  /** The captured credits. 0: the hold was released. */
  captured: number
  /** The present balance. */
  balance: number
}

/** Sets credits aside if the balance suffices. The contract is in `functions/credits.ts`. */
export async function holdCredits(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  description: string,
  options: HoldOptions = {},
): Promise<Hold> {
  const held = await hold(ctx, ownerId, amount, description, options)
  if ('success' in held) return held
  const { transactionId, balance, holdId } = held
  return { success: true, holdId: holdId as string, transactionId, balance }
}

/** Like `holdCredits`, but returns the ledger's whole answer. */
export async function hold(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  description: string,
  options: HoldOptions,
): Promise<Posted | InsufficientCredits> {
  const change = {
    ownerId: requireOwner(ownerId),
    type: 'deduction' as const,
    amount: -requireCredits(amount),
    description: requireDescription(description),
    holdSeconds: ttlOf(options.ttlSeconds),
  }
  const outcome = await post(ctx, change, options)
  if (!outcome.ok && outcome.status === 'insufficient') return insufficient(outcome, amount)
  return required(outcome, change)
}

/** Captures a hold, all or `amount` of it, and gives the rest back. The contract is in `functions/credits.ts`. */
export async function captureHold(
  ctx: BillingContext,
  holdId: string,
  amount?: number,
  options: Pick<CreditOptions, 'tx'> = {},
): Promise<SettledHold> {
  return settle(ctx, holdId, amount === undefined ? null : requireCredits(amount), options)
}

/** Releases a hold and gives all its credits back. The contract is in `functions/credits.ts`. */
export async function releaseHold(
  ctx: BillingContext,
  holdId: string,
  options: Pick<CreditOptions, 'tx'> = {},
): Promise<SettledHold> {
  return settle(ctx, holdId, 0, options)
}

/** The answer of "Credit_settle". */
export interface SettleRow {
  status: string
  captured: bigint
  balance: bigint
}

const callSettle = (
  ctx: BillingContext,
  id: bigint,
  captured: number | null,
  options: Pick<CreditOptions, 'tx'> & { isOverdue?: boolean },
): Promise<SettleRow[]> =>
  ask(
    ctx,
    options.tx,
    'Credit_settle',
    Prisma.sql`SELECT * FROM "Credit_settle"(${id}::bigint, ${captured}::bigint,
      ${options.isOverdue ?? false}::boolean, ${JSON.stringify(thresholdsOf(ctx))}::jsonb,
      ${domainNow(ctx)}::timestamptz)`,
  )

async function settle(
  ctx: BillingContext,
  holdId: string,
  captured: number | null,
  options: Pick<CreditOptions, 'tx'>,
): Promise<SettledHold> {
  const id = idOf(holdId)
  const [row] = id === null ? [] : await callSettle(ctx, id, captured, options)
  return settledOf(row, holdId, captured)
}

/** Turns the answer of "Credit_settle" into a settled hold. @throws as `captureHold`. */
export function settledOf(
  row: SettleRow | undefined,
  holdId: string,
  captured: number | null,
): SettledHold {
  if (!row || row.status === 'not_found') {
    throw new BillingError('hold_not_found', 'There is no hold with this id.')
  }
  if (row.status === 'over_capture') {
    throw new BillingError(
      'capture_exceeds_hold',
      `Hold ${holdId} has fewer credits than ${captured}.`,
      { data: { required: captured ?? 0, available: null } },
    )
  }
  if (row.status === 'over_limit') {
    throw new BillingError(
      'credit_limit_exceeded',
      `Hold ${holdId} stays open: its credits would take the account above the limit. Spend credits first.`,
    )
  }
  if (row.status === 'conflict') {
    throw new BillingError('hold_settled', `Hold ${holdId} is already settled with another result.`)
  }
  return { captured: toNumber(row.captured), balance: toNumber(row.balance) }
}

/** Holds of one query. */
const PAGE = 200

/**
 * Releases holds whose deadline has passed, and returns their number.
 * The contract is in `functions/credits.ts`.
 */
export async function releaseOverdueHolds(
  ctx: BillingContext,
  options: SweepOptions = {},
): Promise<number> {
  let released = 0
  let after = BigInt(0)
  for (;;) {
    const due = await ctx.db.$queryRaw<{ id: bigint }[]>`
      SELECT "id" FROM "CreditHold"
      WHERE "status" = 'open' AND "expiresAt" <= now() AND "id" > ${after}
      ORDER BY "id" LIMIT ${PAGE}`
    for (const { id } of due) {
      if (options.signal?.aborted) return released
      after = id
      const isReleased = await isolated(
        ctx,
        'could not release an overdue hold',
        { holdId: `${id}` },
        () => releaseOverdue(ctx, id),
      )
      if (isReleased) released += 1
    }
    if (due.length < PAGE) break
  }
  if (released > 0) ctx.logger.info({ released }, 'overdue holds released')
  return released
}

async function releaseOverdue(ctx: BillingContext, id: bigint): Promise<boolean> {
  const [row] = await callSettle(ctx, id, 0, { isOverdue: true })
  // Another call has settled the hold or extended its deadline.
  if (row?.status === 'conflict' || row?.status === 'not_due') return false
  settledOf(row, `${id}`, 0)
  return row?.status === 'posted'
}
