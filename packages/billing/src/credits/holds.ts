/**
 * Holds: credits set aside for work whose outcome or price is not known yet. A hold is a deduction with a
 * deadline; settling it keeps a part and refunds the rest to the lots it came from. Nobody's credits stay
 * held: what nobody settles is released when its deadline has passed.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { BillingError, InsufficientCreditsError } from '../errors.ts'
import { requireOwner } from '../owner-id.ts'
import { type CreditChange, type InsufficientCredits, insufficient } from './changes.ts'
import { idOf, requireCredits, requireDescription, requireKey, ttlOf } from './input.ts'
import {
  ask,
  type CreditOptions,
  domainNow,
  type Posted,
  post,
  required,
  thresholdsOf,
  toNumber,
} from './ledger.ts'

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

async function hold(
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

interface SettleRow {
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

/** What work under a hold is given. */
export interface HeldCredits {
  holdId: string
  /** How much of it is kept when the work is done, up to all. Not called: all of it. */
  capture(amount: number): void
}

/**
 * Holds credits, does `work`, keeps what it captured and returns what it returned. If it throws, all is
 * released; if the process dies, the deadline does it. With a key, work that was done is not done again
 * (`hold_settled`), and work that threw may be.
 *
 * @throws `insufficient_credits`, and as `deductCredits` and `captureHold`; and what `work` throws.
 */
export async function withCredits<T>(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  description: string,
  work: (held: HeldCredits) => Promise<T> | T,
  options: Omit<HoldOptions, 'tx'> = {},
): Promise<T> {
  const holdId = await holdForWork(ctx, ownerId, amount, description, options)
  let captured = amount
  const capture = (part: number): void => {
    captured = part === 0 ? 0 : requireCredits(part)
    if (captured > amount) {
      throw new BillingError('capture_exceeds_hold', `The hold is for ${amount}, not ${part}.`)
    }
  }
  let result: T
  try {
    result = await work({ holdId, capture })
  } catch (error) {
    await releaseHold(ctx, holdId).catch((cause: unknown) => {
      ctx.logger.warn({ holdId, error: cause }, 'a hold was not released; its deadline will do it')
    })
    throw error
  }
  await settle(ctx, holdId, captured, {})
  return result
}

const MAX_TRIES = 100

/** A hold under the key; where earlier work under it threw, one of its next try. */
async function holdForWork(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  description: string,
  options: HoldOptions,
): Promise<string> {
  const { idempotencyKey } = options
  const key = idempotencyKey === undefined ? randomUUID() : requireKey(idempotencyKey)
  for (let attempt = 1; attempt <= MAX_TRIES; attempt += 1) {
    const held = await hold(ctx, ownerId, amount, description, {
      ...options,
      idempotencyKey: attempt === 1 ? key : `${key}:${attempt}`,
    })
    if ('success' in held) throw new InsufficientCreditsError(ownerId, amount, held.balance)
    if (held.holdStatus === 'open') return held.holdId as string
    if (held.holdStatus === 'captured') break
  }
  throw new BillingError('hold_settled', `The work under ${key} has been done.`)
}

const PAGE = 200

/** Releases holds whose deadline has passed, and returns how many. */
export async function releaseOverdueHolds(
  ctx: BillingContext,
  options: { signal?: AbortSignal } = {},
): Promise<number> {
  let released = 0
  let after = 0n
  for (;;) {
    const due = await ctx.db.$queryRaw<{ id: bigint }[]>`
      SELECT "id" FROM "CreditHold"
      WHERE "status" = 'open' AND "expiresAt" <= clock_timestamp() AND "id" > ${after}
      ORDER BY "id" LIMIT ${PAGE}`
    for (const { id } of due) {
      if (options.signal?.aborted) return released
      const [row] = await callSettle(ctx, id, 0, { isOverdue: true })
      if (row?.status === 'posted') released += 1
      after = id
    }
    if (due.length < PAGE) break
  }
  if (released > 0) ctx.logger.info({ released }, 'overdue holds released')
  return released
}
