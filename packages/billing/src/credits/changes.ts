/**
 * Credits in and out. Each call is one round trip, and the transaction it adds is there for good.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import {
  creditTypeOf,
  expiryOf,
  idOf,
  priorityOf,
  requireActor,
  requireCredits,
  requireDescription,
  requireKey,
  requireSignedCredits,
} from '../credit-input.ts'
import { BillingError } from '../errors.ts'
import { requireOwner } from '../owner-id.ts'
import {
  ask,
  type CreditOptions,
  domainNow,
  outcomeOf,
  post,
  required,
  thresholdOf,
} from './ledger.ts'
import type { Posted, PostRow } from './settings.ts'

/** A change that was made, now or by an earlier call under the same key. */
export interface CreditChange {
  transactionId: string
  /** What can be spent after it. */
  balance: number
}

export interface InsufficientCredits {
  success: false
  error: 'Insufficient credits'
  /** What there is. */
  balance: number
  required: number
}

export type Deduction = ({ success: true } & CreditChange) | InsufficientCredits

export interface LotOptions {
  /** Domain time. Default: never. */
  expiresAt?: Date | null
  /** 0 to 100; lower is spent first. Default 50. */
  priority?: number
}

export interface GrantOptions extends CreditOptions, LotOptions {
  /** `purchase` for what was paid for. Default `grant`. */
  type?: 'grant' | 'purchase'
  /** A grant has no second try without one: `order:<id>`, `invoice:<id>:credits`. */
  idempotencyKey: string
  /** For people, without personal data: it is never deleted. Up to 500 characters. */
  description?: string
  /** Who did it by hand, by id. */
  actor?: string
}

export interface RefundOptions extends CreditOptions {
  /**
   * Of a deduction. Default: the newest that has so much left to refund, among the account's last 10,000
   * transactions.
   */
  transactionId?: string
}

export interface AdjustOptions extends CreditOptions, LotOptions {
  /** Who does it, by id. */
  actor: string
}

export interface ClawBackOptions extends CreditOptions {
  /** `refund:<id>`, `dispute:<id>`. */
  idempotencyKey: string
  /** The key of the purchase that is undone: what is left of it is taken first. */
  purchaseKey?: string
  actor?: string
}

export interface ClawBack extends CreditChange {
  /** Of the amount, what was there and is gone. */
  taken: number
  /** The rest, which the owner owes now. */
  owed: number
}

export interface RestoreOptions extends CreditOptions {
  /** The key under which it was clawed back. */
  clawBackKey: string
  /** Default: the above with `:restored`. */
  idempotencyKey?: string
  actor?: string
}

export interface Restored extends CreditChange {
  /** Credits that came back. */
  given: number
  /** By how much the debt is less. */
  forgiven: number
}

const changeOf = ({ transactionId, balance }: Posted): CreditChange => ({ transactionId, balance })

/**
 * Gives credits, as a lot of their own. What the owner owes is paid first: the balance grows by the rest.
 *
 * @throws `invalid_amount`, `invalid_input`, `owner_required`, `idempotency_conflict`,
 * `credit_limit_exceeded`, `credits_not_installed`
 */
export async function grantCredits(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  options: GrantOptions,
): Promise<CreditChange> {
  const { type = 'grant', description = '' } = options
  if (type !== 'grant' && type !== 'purchase') {
    throw new BillingError('invalid_input', 'Credits come as a grant or a purchase.')
  }
  const change = {
    ownerId: requireOwner(ownerId),
    type,
    amount: requireCredits(amount),
    description: requireDescription(description),
    expiresAt: expiryOf(options.expiresAt),
    priority: priorityOf(options.priority),
    ...(options.actor === undefined ? {} : { actor: requireActor(options.actor) }),
  }
  const idempotencyKey = requireKey(options.idempotencyKey)
  return changeOf(required(await post(ctx, change, { ...options, idempotencyKey }), change))
}

/**
 * Spends credits, if there are so many: by priority, soonest expiry, age of their lots. A refusal is an
 * answer and leaves nothing behind, so the same key may succeed later.
 *
 * @throws `invalid_amount`, `invalid_input`, `owner_required`, `idempotency_conflict`,
 * `credits_not_installed`
 */
export async function deductCredits(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  description: string,
  options: CreditOptions = {},
): Promise<Deduction> {
  const change = {
    ownerId: requireOwner(ownerId),
    type: 'deduction' as const,
    amount: -requireCredits(amount),
    description: requireDescription(description),
  }
  const outcome = await post(ctx, change, options)
  if (!outcome.ok && outcome.status === 'insufficient') return insufficient(outcome, amount)
  return { success: true, ...changeOf(required(outcome, change)) }
}

export const insufficient = (
  { balance }: { balance: number },
  amount: number,
): InsufficientCredits => ({
  success: false,
  error: 'Insufficient credits',
  balance,
  required: amount,
})

/**
 * Gives back what a deduction took, all or a part, to the lots it came from. One that has lapsed
 * meanwhile lives seven days more. All refunds of a deduction together never exceed it.
 *
 * @throws `transaction_not_found`, `refund_exceeds_deduction`, `nothing_to_refund`, `hold_open`,
 * `credit_limit_exceeded`, `invalid_amount`, `invalid_input`, `owner_required`, `idempotency_conflict`,
 * `credits_not_installed`
 */
export async function refundCredits(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  description: string,
  options: RefundOptions = {},
): Promise<CreditChange> {
  const change = {
    ownerId: requireOwner(ownerId),
    type: 'refund' as const,
    amount: requireCredits(amount),
    description: requireDescription(description),
  }
  const { transactionId } = options
  if (transactionId === undefined)
    return changeOf(required(await post(ctx, change, options), change))
  const refundOf = idOf(transactionId)
  if (refundOf === null) {
    throw new BillingError('transaction_not_found', `${ownerId} has no such transaction.`)
  }
  const outcome = await post(ctx, { ...change, refundOf }, options)
  return changeOf(required(outcome, change))
}

/**
 * Changes a balance by hand; the row says who did it. What is added is a lot like any other.
 *
 * @throws `insufficient_credits`, `invalid_amount`, `invalid_input`, `owner_required`,
 * `idempotency_conflict`, `credit_limit_exceeded`, `credits_not_installed`
 */
export async function adjustCredits(
  ctx: BillingContext,
  ownerId: string,
  signedAmount: number,
  description: string,
  options: AdjustOptions,
): Promise<CreditChange> {
  const amount = requireSignedCredits(signedAmount)
  const lot = { expiresAt: expiryOf(options.expiresAt), priority: priorityOf(options.priority) }
  const change = {
    ownerId: requireOwner(ownerId),
    type: 'adjustment' as const,
    amount,
    description: requireDescription(description),
    actor: requireActor(options.actor),
    ...(amount > 0 ? lot : {}),
  }
  return changeOf(required(await post(ctx, change, options), change))
}

/**
 * Takes credits back for money that went back: what is there at once, the rest as debt, which is paid
 * by whatever comes in next. For a refund of the money or a dispute.
 *
 * @throws `invalid_amount`, `invalid_input`, `owner_required`, `idempotency_conflict`,
 * `credit_limit_exceeded`, `credits_not_installed`
 */
export async function clawBackCredits(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  description: string,
  options: ClawBackOptions,
): Promise<ClawBack> {
  const { purchaseKey, actor } = options
  const change = {
    ownerId: requireOwner(ownerId),
    type: 'adjustment' as const,
    amount: -requireCredits(amount),
    description: requireDescription(description),
    owing: true,
    ...(actor === undefined ? {} : { actor: requireActor(actor) }),
    ...(purchaseKey === undefined ? {} : { purchaseKey: requireKey(purchaseKey) }),
  }
  const idempotencyKey = requireKey(options.idempotencyKey)
  const posted = required(await post(ctx, change, { ...options, idempotencyKey }), change)
  return { ...changeOf(posted), taken: 0 - posted.amount, owed: posted.debt }
}

/**
 * Takes a clawback back, whole, as for a dispute that was won: lowers the debt it made, then gives back
 * what it took, to the very lots, and what has been paid of the debt since.
 *
 * @throws `transaction_not_found`, `refund_exceeds_deduction` (it was restored under another key),
 * `credit_limit_exceeded`, `invalid_input`, `owner_required`, `idempotency_conflict`, `credits_not_installed`
 */
export async function restoreCredits(
  ctx: BillingContext,
  ownerId: string,
  description: string,
  options: RestoreOptions,
): Promise<Restored> {
  const owner = requireOwner(ownerId)
  const of = requireKey(options.clawBackKey)
  const key = requireKey(options.idempotencyKey ?? `${of}:restored`)
  const text = requireDescription(description)
  const actor = options.actor === undefined ? null : requireActor(options.actor)
  const creditType = creditTypeOf(options.creditType)
  const [row] = await ask<PostRow>(
    ctx,
    options.tx,
    'Credit_restore',
    Prisma.sql`SELECT *, NULL::bigint AS hold_id, NULL AS hold_status
      FROM "Credit_restore"(${owner}::text, ${creditType}::text, ${of}::text, ${key}::text,
        ${text}::text, ${actor}::text, ${thresholdOf(ctx, creditType)}::bigint,
        ${domainNow(ctx)}::timestamptz)`,
  )
  const outcome = outcomeOf(row as PostRow, key)
  const posted = required(outcome, { ownerId: owner, amount: 0 })
  return { ...changeOf(posted), given: posted.amount, forgiven: 0 - posted.debt }
}
