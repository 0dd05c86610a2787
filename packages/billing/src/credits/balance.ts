/**
 * What an owner has, and how it came to that.
 *
 * @module
 */

import { type CreditTransaction, Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { creditTypeOf, idOf } from '../credit-input.ts'
import { BillingError } from '../errors.ts'
import { requireOwner } from '../owner-id.ts'
import { isolated } from '../sweep.ts'
import { ask, domainNow, post, required, toNumber } from './ledger.ts'
import { type LoggedType, loggedType } from './logged-type.ts'

export interface Balance {
  /** What can be spent now: what has lapsed is not in it, nor what is held. */
  balance: number
  /** What is owed, and paid by whatever comes in next. */
  debt: number
  /** What open holds set aside. */
  holds: number
  /** What lapses within 30 days, the soonest first. */
  expiring: { amount: number; expiresAt: Date }[]
}

interface BalanceRow {
  balance: bigint
  debt: bigint
  holds: bigint
  expiring: [amount: number, expiresAt: string][]
}

/** What `ownerId` has of one credit type; nothing, where there has never been a transaction. */
export async function getBalance(
  ctx: BillingContext,
  ownerId: string,
  options: { creditType?: string } = {},
): Promise<Balance> {
  const owner = requireOwner(ownerId)
  const creditType = creditTypeOf(options.creditType)
  const [row] = await ask<BalanceRow>(
    ctx,
    undefined,
    'Credit_balance',
    Prisma.sql`
      WITH account AS (
        SELECT *, greatest(coalesce(${domainNow(ctx)}::timestamptz, clock_timestamp()), "updatedAt") AS "now"
        FROM "CreditAccount" WHERE "ownerId" = ${owner} AND "creditType" = ${creditType}
      ), lots AS (
        SELECT g."expiresAt", sum(g."remaining")::bigint AS "amount", g."expiresAt" <= a."now" AS "lapsed"
        FROM account a JOIN "CreditGrant" g USING ("ownerId", "creditType")
        WHERE g."open" AND g."expiresAt" <= a."now" + interval '720 hours' GROUP BY 1, 3
      )
      SELECT a."debt",
        (a."balance" - coalesce((SELECT sum("amount") FROM lots WHERE "lapsed"), 0))::bigint AS "balance",
        (SELECT coalesce(-sum(t."amount"), 0)::bigint
          FROM "CreditHold" h JOIN "CreditTransaction" t ON t."id" = h."transactionId"
          WHERE h."ownerId" = a."ownerId" AND h."creditType" = a."creditType" AND h."status" = 'open') AS "holds",
        (SELECT coalesce(json_agg(json_build_array("amount", "expiresAt") ORDER BY "expiresAt"), '[]')
          FROM lots WHERE NOT "lapsed") AS "expiring"
      FROM account a`,
  )
  if (!row) return { balance: 0, debt: 0, holds: 0, expiring: [] }
  return {
    balance: toNumber(row.balance),
    debt: toNumber(row.debt),
    holds: toNumber(row.holds),
    expiring: row.expiring.map(([amount, at]) => ({ amount, expiresAt: new Date(at) })),
  }
}

export interface LedgerEntry {
  id: string
  /** `refund`, with a negative amount, also where credits were taken because money went back. */
  type: LoggedType
  /** Positive: came in. 0: only the debt changed. */
  amount: number
  balanceAfter: number
  /** By how much the debt changed. */
  debt: number
  description: string
  idempotencyKey: string
  /** The transaction that this one gives back. */
  refundOf: string | null
  /** Of the lot it made; null where that never expires, and where it made none. */
  expiresAt: Date | null
  /** Who did it by hand. */
  actor: string | null
  createdAt: Date
}

export interface TransactionPage {
  /** The newest first. */
  transactions: LedgerEntry[]
  /** For the next page; null on the last. */
  nextCursor: string | null
}

export interface ListOptions {
  /** `nextCursor` of the page before. */
  cursor?: string
  /** 1 to 200. Default 50. */
  limit?: number
  /** Default `credits`. */
  creditType?: string
}

/** @throws `invalid_input`, `owner_required` */
export async function listTransactions(
  ctx: BillingContext,
  ownerId: string,
  options: ListOptions = {},
): Promise<TransactionPage> {
  const { cursor, limit = 50 } = options
  const owner = requireOwner(ownerId)
  const creditType = creditTypeOf(options.creditType)
  const before = cursor === undefined ? undefined : idOf(cursor)
  if (before === null) throw new BillingError('invalid_input', 'The cursor is not one of ours.')
  if (!Number.isInteger(limit) || limit < 1 || limit > 200) {
    throw new BillingError('invalid_input', 'limit is a whole number from 1 to 200.')
  }
  const rows = await ctx.db.creditTransaction.findMany({
    where: { ownerId: owner, creditType, ...(before === undefined ? {} : { id: { lt: before } }) },
    orderBy: { id: 'desc' },
    take: limit + 1,
  })
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    transactions: page.map(entryOf),
    nextCursor: rows.length > limit && last ? `${last.id}` : null,
  }
}

const entryOf = (row: CreditTransaction): LedgerEntry => ({
  id: `${row.id}`,
  type: loggedType(row),
  amount: toNumber(row.amount),
  balanceAfter: toNumber(row.balanceAfter),
  debt: toNumber(row.debt),
  description: row.description,
  idempotencyKey: row.idempotencyKey,
  refundOf: row.refundOf === null ? null : `${row.refundOf}`,
  expiresAt: row.expiresAt,
  actor: row.actor,
  createdAt: row.createdAt,
})

const PAGE = 200

/**
 * Takes what has lapsed out of every account, and returns from how many. Nothing depends on it: each
 * change does so first. It makes the rows that people read agree with the day. An account that fails is logged, and
 * the others go on.
 */
export async function expireCredits(
  ctx: BillingContext,
  options: { signal?: AbortSignal } = {},
): Promise<number> {
  const domain = domainNow(ctx)
  // By now(), for which the planner takes an index; clock_timestamp() may be another for each row.
  const now = domain === null ? Prisma.sql`now()` : Prisma.sql`${domain}::timestamptz`
  let after = { ownerId: '', creditType: '' }
  let accounts = 0
  for (;;) {
    const due = await ctx.db.$queryRaw<(typeof after)[]>`
      SELECT DISTINCT "ownerId", "creditType" FROM "CreditGrant"
      WHERE "open" AND "expiresAt" <= ${now}
        AND ("ownerId", "creditType") > (${after.ownerId}, ${after.creditType})
      ORDER BY 1, 2 LIMIT ${PAGE}`
    for (const account of due) {
      if (options.signal?.aborted) return accounts
      after = account
      const isSwept = await isolated(
        ctx,
        'lapsed credits were not taken out',
        account,
        async () => {
          const { ownerId, creditType } = account
          const sweep = { ownerId, type: 'expiry' as const, amount: 0, description: '' }
          required(await post(ctx, sweep, { creditType }), sweep)
          return true
        },
      )
      if (isSwept) accounts += 1
    }
    if (due.length < PAGE) break
  }
  if (accounts > 0) ctx.logger.info({ accounts }, 'credits expired')
  return accounts
}
