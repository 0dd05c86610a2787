/**
 * Calls the database functions that write the ledger, with one statement for each change. After a lost
 * connection the statement is tried once more with the same key, so that the change is made once.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { systemClock } from '@repo/core'
import { type Db, Prisma, pipelineQuery, queryNamed, sqlErrorOf } from '@repo/db'
import { isConnectionLost } from '../connection-lost.ts'
import type { BillingContext } from '../context.ts'
import { creditTypeOf, requireKey } from '../credit-input.ts'
import { BillingError, InsufficientCreditsError } from '../errors.ts'
import type { Post, PostCall, Posted, PostRow } from './settings.ts'

/** Options of every change. */
export interface CreditOptions {
  /**
   * Identifies the change. A repeated call with the same facts returns the first result, and a call with
   * other facts is refused. Default: a new key for each call.
   */
  idempotencyKey?: string
  /** Default `credits`. */
  creditType?: string
  /**
   * A transaction to join. The account stays locked until the transaction ends, so change credits last, and
   * change several accounts in the order of their owner ids.
   */
  tx?: Db
}

/** A change that was made, now or before; or the status of a refusal with the present balance. */
export type Outcome = { ok: true; posted: Posted } | { ok: false; status: string; balance: number }

/**
 * Domain time for the database. Null if domain time is the machine's time: the database then reads its own
 * clock under the lock, so that the clocks of processes need not agree.
 */
export const domainNow = (ctx: BillingContext): Date | null =>
  ctx.clock === systemClock ? null : ctx.clock.now()

/** The thresholds of low balances, by credit type. Empty if the host has no hook for them. */
export const thresholdsOf = ({ credits }: BillingContext): Readonly<Record<string, number>> =>
  (credits.onLowBalance || credits.topUp) && credits.lowBalance ? credits.lowBalance : {}

/** The threshold of one credit type, or null. */
export const thresholdOf = (ctx: BillingContext, creditType: string): number | null =>
  thresholdsOf(ctx)[creditType] ?? null

/** Makes one change. @throws `idempotency_conflict`, `credits_not_installed`. */
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

/** Makes one change by a call of "Credit_post", in `tx` or by itself. */
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

/** The name of an account, by which its statements queue up. */
export const accountOf = (ownerId: string, creditType: string) => `${creditType}:${ownerId}`

/** Turns the answer of a database function into an outcome. @throws `idempotency_conflict`. */
export function outcomeOf(row: PostRow, key: string): Outcome {
  const { status } = row
  if (status === 'conflict') throw conflict(key)
  if (status !== 'posted' && status !== 'replayed') {
    return { ok: false, status, balance: toNumber(row.balance ?? BigInt(0)) }
  }
  const posted = {
    transactionId: `${row.id}`,
    balance: toNumber(row.balance),
    amount: toNumber(row.amount ?? BigInt(0)),
    debt: toNumber(row.debt ?? BigInt(0)),
    holdId: row.hold_id ? `${row.hold_id}` : null,
    holdStatus: row.hold_status ?? null,
  }
  return { ok: true, posted }
}

/** The result of a change. Throws the error of a refusal. */
export function required(outcome: Outcome, change: Pick<Post, 'ownerId' | 'amount'>): Posted {
  if (outcome.ok) return outcome.posted
  const { status, balance } = outcome
  const { ownerId, amount } = change
  if (status === 'insufficient') throw new InsufficientCreditsError(ownerId, -amount, balance)
  throw refusal(status, `${amount} credits of the owner ${ownerId}`)
}

const REFUSALS = {
  not_found: ['transaction_not_found', 'the owner has no such transaction of this credit type'],
  hold_open: ['hold_open', 'the hold is open; settle it instead'],
  over_refund: ['refund_exceeds_deduction', 'the transaction has less than that left to give back'],
  nothing_to_refund: [
    'nothing_to_refund',
    'none of the last deductions has that much left to refund',
  ],
  over_limit: ['credit_limit_exceeded', 'the account would exceed its limit'],
  expired: ['invalid_input', 'expiresAt is in the past'],
} as const

function refusal(status: string, what: string): BillingError {
  const [code, why] = REFUSALS[status as keyof typeof REFUSALS] ?? REFUSALS.not_found
  return new BillingError(code, `The change of ${what} was refused: ${why}.`)
}

const conflict = (key: string) =>
  new BillingError('idempotency_conflict', `The key ${key} was already used for another change.`)

/**
 * @throws RangeError for a value that a JavaScript number cannot hold exactly. The CHECKs of the tables
 * exclude such values.
 */
export function toNumber(value: bigint): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number))
    throw new RangeError('A balance is larger than a JavaScript number can hold exactly.')
  return number
}

/** The part of the billing context that statements need. */
export type Ledger = Pick<BillingContext, 'db' | 'logger'>

/**
 * Runs one statement, in `tx` or by itself, and returns its rows. By itself it queues behind the other
 * statements of its `line`, and is tried once more after a lost connection.
 *
 * @throws `credits_not_installed` where the functions are missing, `idempotency_conflict` where two
 * concurrent calls use a key for two credit types.
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
      : pipelineQuery<Row>(ctx.db, line, name, sql)
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
  // An unknown function, table, column or schema.
  if (/^(42883|42P01|42703|3F000)$/.test(state ?? '')) {
    return new BillingError(
      'credits_not_installed',
      'The database lacks the functions of the ledger. Run db:migrate; db push does not create them.',
      { cause: error },
    )
  }
  if (state === '23505' && message.includes('CreditTransaction_ownerId_idempotency')) {
    return new BillingError(
      'idempotency_conflict',
      'The key was already used for another credit type.',
    )
  }
  return error
}
