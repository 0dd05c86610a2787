/**
 * Functions that add and take credits. Each call is one round trip and adds one transaction, which is never
 * changed.
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

/** A change that was made, by this call or by an earlier call with the same key. */
export interface CreditChange {
  transactionId: string
  /** The balance after the change. */
  balance: number
}

/** The answer where the balance is too low. Nothing was changed. */
export interface InsufficientCredits {
  success: false
  error: 'Insufficient credits'
  /** The present balance. */
  balance: number
  /** The credits that the call needed. */
  required: number
}

/** The answer of `deductCredits`. */
export type Deduction = ({ success: true } & CreditChange) | InsufficientCredits

/** When credits expire and in which order they are spent. */
export interface LotOptions {
  /** When the credits expire, in domain time. Default: never. */
  expiresAt?: Date | null
  /** From 0 to 100. Lots with a lower priority are spent first. Default 50. */
  priority?: number
}

/** The options of `grantCredits`. */
export interface GrantOptions extends CreditOptions, LotOptions {
  /** `purchase` for credits that were paid for. Default `grant`. */
  type?: 'grant' | 'purchase'
  /** Required, so that a repeated call grants once. Make it of the fact: `order:<id>`, `invoice:<id>:credits`. */
  idempotencyKey: string
  /** A text for people, up to 500 characters. It is never deleted, so write no personal data into it. */
  description?: string
  /** Id of the person who makes the change by hand. */
  actor?: string
}

/** The options of `refundCredits`. */
export interface RefundOptions extends CreditOptions {
  /**
   * Id of the deduction to refund. Default: the newest deduction with at least this much left to refund,
   * among the account's last 10,000 transactions.
   */
  transactionId?: string
}

/** The options of `adjustCredits`. */
export interface AdjustOptions extends CreditOptions, LotOptions {
  /** Id of the person who makes the change. */
  actor: string
}

/** The options of `clawBackCredits`. */
export interface ClawBackOptions extends CreditOptions {
  /** Made of the fact, such as `refund:<id>` or `dispute:<id>`. */
  idempotencyKey: string
  /** The key of the purchase that is undone. Credits left of that purchase are taken first. */
  purchaseKey?: string
  /** Id of the person who makes the change by hand. Default: nobody. */
  actor?: string
}

/** The answer of `clawBackCredits`. */
export interface ClawBack extends CreditChange {
  /** Credits that were taken from the balance. */
  taken: number
  /** The rest of the amount, which became debt. */
  owed: number
}

/** The options of `restoreCredits`. */
export interface RestoreOptions extends CreditOptions {
  /** The idempotency key of the clawback. */
  clawBackKey: string
  /** Default: `<clawBackKey>:restored`. */
  idempotencyKey?: string
  /** Id of the person who makes the change by hand. Default: nobody. */
  actor?: string
}

/** The answer of `restoreCredits`. */
export interface Restored extends CreditChange {
  /** Credits that came back. */
  given: number
  /** How much lower the debt is. */
  forgiven: number
}

const changeOf = ({ transactionId, balance }: Posted): CreditChange => ({ transactionId, balance })

/** Grants credits as a new lot. The contract is in `functions/credits.ts`. */
export async function grantCredits(
  ctx: BillingContext,
  ownerId: string,
  amount: number,
  options: GrantOptions,
): Promise<CreditChange> {
  const { type = 'grant', description = '' } = options
  if (type !== 'grant' && type !== 'purchase') {
    throw new BillingError('invalid_input', 'type must be grant or purchase.')
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

/** Spends credits if the balance suffices. The contract is in `functions/credits.ts`. */
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

/** The answer for a balance that is too low. */
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
 * Gives credits of a deduction back, all or a part, to the lots they came from.
 * The contract is in `functions/credits.ts`.
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
    throw new BillingError(
      'transaction_not_found',
      `The owner ${ownerId} has no transaction with this id.`,
    )
  }
  const outcome = await post(ctx, { ...change, refundOf }, options)
  return changeOf(required(outcome, change))
}

/** Changes a balance by hand and records who did it. The contract is in `functions/credits.ts`. */
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

/** Claws credits back after a refund or dispute of their money. The contract is in `functions/credits.ts`. */
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

/** Reverses a whole clawback, for example after a won dispute. The contract is in `functions/credits.ts`. */
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
