/**
 * The way into the ledger: one statement, which calls the function that writes it. A connection that was
 * lost is followed by one more try under the same key, so that what the first did is not done twice.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { systemClock } from '@repo/core'
import { type Db, Prisma, queryInLine, queryNamed, sqlErrorOf } from '@repo/db'
import { isConnectionLost } from '../connection-lost.ts'
import type { BillingContext } from '../context.ts'
import { creditTypeOf, requireKey } from '../credit-input.ts'
import { BillingError, InsufficientCreditsError } from '../errors.ts'
import type { Post, PostCall, Posted, PostRow } from './settings.ts'

export interface CreditOptions {
  /**
   * Names the fact: again with the same facts it returns the first result, with others it is refused.
   * Default: one of its own for each call.
   */
  idempotencyKey?: string
  /** Default `credits`. */
  creditType?: string
  /**
   * A transaction to join. The account stays locked until it ends, so change credits last; two accounts
   * in one, lowest owner id first.
   */
  tx?: Db
}

/** `posted` now or before; else why not, with the balance as it is. */
export type Outcome = { ok: true; posted: Posted } | { ok: false; status: string; balance: number }

/**
 * Domain time for the database. Null where that is the machine's: the database then reads its own clock
 * under the lock, so that the clocks of many processes need not agree.
 */
export const domainNow = (ctx: BillingContext): Date | null =>
  ctx.clock === systemClock ? null : ctx.clock.now()

/** By credit type, below which balance somebody is told. */
export const thresholdsOf = ({ credits }: BillingContext): Readonly<Record<string, number>> =>
  (credits.onLowBalance || credits.topUp) && credits.lowBalance ? credits.lowBalance : {}

export const thresholdOf = (ctx: BillingContext, creditType: string): number | null =>
  thresholdsOf(ctx)[creditType] ?? null

/** Makes one change. @throws `idempotency_conflict`, `credits_not_installed` */
export async function post(
  ctx: BillingContext,
  change: Post,
  options: CreditOptions,
): Promise<Outcome> {
  const creditType = creditTypeOf(options.creditType)
  const key =
    options.idempotencyKey === undefined ? randomUUID() : requireKey(options.idempotencyKey)
  const threshold = thresholdOf(ctx, creditType)
  const call = { change, creditType, key, threshold, now: domainNow(ctx) }
  const { tx } = options
  return outcomeOf(await (tx ? postAlone(ctx, tx, call) : ctx.postCredits(call)), key)
}

export async function postAlone(
  ledger: Ledger,
  tx: Db | undefined,
  { change, creditType, key, threshold, now }: PostCall,
): Promise<PostRow> {
  const { ownerId, type, amount, description, actor, priority, refundOf, holdSeconds } = change
  const [row] = await ask<PostRow>(
    ledger,
    tx,
    'Credit_post',
    Prisma.sql`SELECT * FROM "Credit_post"(${ownerId}::text, ${creditType}::text, ${type}::text,
      ${amount}::bigint, ${key}::text, ${description}::text, ${actor ?? null}::text,
      ${change.expiresAt ?? null}::timestamptz, ${priority ?? null}::int,
      ${refundOf ?? null}::bigint, ${change.owing ?? false}::boolean,
      ${change.purchaseKey ?? null}::text, ${holdSeconds ?? null}::int,
      ${threshold}::bigint, ${now}::timestamptz,
      ${change.series ?? null}::text, ${change.rollover ?? null}::bigint)`,
    accountOf(ownerId, creditType),
  )
  return row as PostRow
}

export const accountOf = (ownerId: string, creditType: string) => `${creditType}:${ownerId}`

/** What the functions answer, in our words. */
export function outcomeOf(row: PostRow, key: string): Outcome {
  const { status } = row
  if (status === 'conflict') throw conflict(key)
  if (status !== 'posted' && status !== 'replayed') {
    return { ok: false, status, balance: toNumber(row.balance ?? 0n) }
  }
  const posted = {
    transactionId: `${row.id}`,
    balance: toNumber(row.balance),
    amount: toNumber(row.amount ?? 0n),
    debt: toNumber(row.debt ?? 0n),
    holdId: row.hold_id ? `${row.hold_id}` : null,
    holdStatus: row.hold_status ?? null,
  }
  return { ok: true, posted }
}

/** The result of a change that only succeeds or throws. */
export function required(outcome: Outcome, change: Pick<Post, 'ownerId' | 'amount'>): Posted {
  if (outcome.ok) return outcome.posted
  const { status, balance } = outcome
  const { ownerId, amount } = change
  if (status === 'insufficient') throw new InsufficientCreditsError(ownerId, -amount, balance)
  throw refusal(status, `${ownerId}, ${amount} credits`)
}

const REFUSALS = {
  not_found: [
    'transaction_not_found',
    'there is no such transaction of this owner and credit type',
  ],
  hold_open: ['hold_open', 'the hold is open; settle it instead'],
  over_refund: ['refund_exceeds_deduction', 'that is more than is left of the transaction'],
  nothing_to_refund: ['nothing_to_refund', 'no deduction has so much left to refund'],
  over_limit: ['credit_limit_exceeded', 'the account would hold more than it may'],
  expired: ['invalid_input', 'expiresAt has passed'],
} as const

function refusal(status: string, what: string): BillingError {
  const [code, why] = REFUSALS[status as keyof typeof REFUSALS] ?? REFUSALS.not_found
  return new BillingError(code, `${what}: ${why}.`)
}

const conflict = (key: string) =>
  new BillingError('idempotency_conflict', `The key ${key} was used for something else.`)

/** @throws RangeError for what a number does not hold exactly, which the checks of the tables exclude. */
export function toNumber(value: bigint): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new RangeError('A balance is beyond exact numbers.')
  return number
}

/** The part of the context that statements need. */
export type Ledger = Pick<BillingContext, 'db' | 'logger'>

/**
 * The rows that one statement answers, in `tx` or by itself; by itself it is kept under its name, behind
 * the others of its `line`, and where the connection is lost, asked once more.
 *
 * @throws `credits_not_installed` where the functions are missing, `idempotency_conflict` where a key is
 * used for two credit types at once.
 */
export async function ask<Row>(
  ctx: Ledger,
  tx: Db | undefined,
  name: string,
  sql: Prisma.Sql,
  line?: string,
): Promise<Row[]> {
  const once = () =>
    tx || line === undefined
      ? queryNamed<Row>(tx ?? ctx.db, name, sql)
      : queryInLine<Row>(ctx.db, line, name, sql)
  try {
    return await once()
  } catch (error) {
    if (tx || !isConnectionLost(error)) throw named(error)
    ctx.logger.warn({ error }, 'lost the connection to the ledger, trying once more')
  }
  return once().catch((error: unknown) => {
    throw named(error)
  })
}

function named(error: unknown): unknown {
  const { state, message } = sqlErrorOf(error)
  // Unknown function, table, column or schema.
  if (/^(42883|42P01|42703|3F000)$/.test(state ?? '')) {
    return new BillingError(
      'credits_not_installed',
      'The database lacks what the ledger is made of: run db:migrate. db push does not create it.',
      { cause: error },
    )
  }
  if (state === '23505' && message.includes('CreditTransaction_ownerId_idempotency')) {
    return new BillingError('idempotency_conflict', 'The key was used for another credit type.')
  }
  return error
}
