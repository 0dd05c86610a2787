/**
 * Holds: credits set aside for work whose outcome or price is not known yet. A hold is a deduction with a
 * deadline; settling it keeps a part and refunds the rest to the lots it came from. Nobody's credits stay
 * held: what nobody settles is released when its deadline has passed.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { idOf, requireCredits, requireDescription, ttlOf } from '../credit-input.ts'
import { BillingError } from '../errors.ts'
import { requireOwner } from '../owner-id.ts'
import { isolated } from '../sweep.ts'
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

export interface HoldOptions extends CreditOptions {
  /** After how long it is released if nobody settles it; wall time. Default 900, at the most 30 days. */
  ttlSeconds?: number
}

export type Hold = ({ success: true; holdId: string } & CreditChange) | InsufficientCredits

export interface SettledHold {
  /** What was kept; 0 for a hold that was released. */
  captured: number
  /** As it is now. */
  balance: number
}

/**
 * Sets credits aside, if there are so many.
 *
 * @throws as `deductCredits`
 */
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

/** As `holdCredits`, with all that the ledger answered. */
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

/**
 * Keeps what was held, or `amount` of it, and gives the rest back. Again with the same amount it answers
 * the same.
 *
 * @throws `hold_not_found`, `hold_settled` (otherwise), `capture_exceeds_hold`, `credit_limit_exceeded` (the
 * account is so full that the rest does not fit; the hold stays open), `invalid_amount`, `credits_not_installed`
 */
export async function captureHold(
  ctx: BillingContext,
  holdId: string,
  amount?: number,
  options: Pick<CreditOptions, 'tx'> = {},
): Promise<SettledHold> {
  return settle(ctx, holdId, amount === undefined ? null : requireCredits(amount), options)
}

/**
 * Gives all of a hold back.
 *
 * @throws `hold_not_found`, `hold_settled`, `credit_limit_exceeded`, `credits_not_installed`
 */
export async function releaseHold(
  ctx: BillingContext,
  holdId: string,
  options: Pick<CreditOptions, 'tx'> = {},
): Promise<SettledHold> {
  return settle(ctx, holdId, 0, options)
}

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

/** What the ledger answered to the settling of a hold. @throws as `captureHold` */
export function settledOf(
  row: SettleRow | undefined,
  holdId: string,
  captured: number | null,
): SettledHold {
  if (!row || row.status === 'not_found') {
    throw new BillingError('hold_not_found', 'There is no such hold.')
  }
  if (row.status === 'over_capture') {
    throw new BillingError('capture_exceeds_hold', `Hold ${holdId} is for less than ${captured}.`)
  }
  if (row.status === 'over_limit') {
    throw new BillingError(
      'credit_limit_exceeded',
      `Hold ${holdId} stays open: with what it gives back the account would hold more than it may.`,
    )
  }
  if (row.status === 'conflict') {
    throw new BillingError('hold_settled', `Hold ${holdId} has been settled otherwise.`)
  }
  return { captured: toNumber(row.captured), balance: toNumber(row.balance) }
}

const PAGE = 200

/**
 * Releases holds whose deadline has passed, and returns how many. A hold that cannot be released is logged and stays
 * open; the others are released.
 */
export async function releaseOverdueHolds(
  ctx: BillingContext,
  options: { signal?: AbortSignal } = {},
): Promise<number> {
  let released = 0
  let after = 0n
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
        'an overdue hold was not released',
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
  // Another call settled it, or gave it more time.
  if (row?.status === 'conflict' || row?.status === 'not_due') return false
  settledOf(row, `${id}`, 0)
  return row?.status === 'posted'
}
