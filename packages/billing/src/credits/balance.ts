/**
 * Reads an owner's balance and transactions, and expires credits.
 *
 * @module
 */

import { type CreditTransaction, Prisma } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { creditTypeOf, idOf } from '../credit-input.ts'
import { BillingError } from '../errors.ts'
import { requireOwner } from '../owner-id.ts'
import { isolated, type SweepOptions } from '../sweep.ts'
import { ask, domainNow, post, required, toNumber } from './ledger.ts'
import { type LoggedType, loggedType } from './logged-type.ts'

/** Credits that expire together. */
export interface ExpiringCredits {
  /** Whole credits. */
  amount: number
  /** When they expire, in domain time. */
  expiresAt: Date
}

/** An owner's credits of one type. */
export interface Balance {
  /** Credits that can be spent now, without expired and held credits. */
  balance: number
  /** Credits that the owner owes. The next incoming credits pay them. */
  debt: number
  /** Credits that open holds set aside. */
  holds: number
  /** Credits that expire within 30 days, the soonest first. */
  expiring: ExpiringCredits[]
}

interface BalanceRow {
  balance: bigint
  debt: bigint
  holds: bigint
  expiring: [amount: number, expiresAt: string][]
}

/** The owner's balance of one credit type. The contract is in `functions/credits.ts`. */
export async function getBalance(
  ctx: BillingContext,
  ownerId: string,
  options: BalanceOptions = {},
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

/** Which account `getBalance` reads. */
export interface BalanceOptions {
  /** Default `credits`. */
  creditType?: string
}

/** A transaction as readers of the ledger see it. */
export interface LedgerEntry {
  id: string
  /** The kind of change. `refund` with a negative amount: credits were clawed back for refunded money. */
  type: LoggedType
  /** Positive: credits came in. Negative: credits went out. 0: only the debt changed. */
  amount: number
  /** The account's balance after this transaction, in whole credits. */
  balanceAfter: number
  /** The change of the debt. */
  debt: number
  description: string
  idempotencyKey: string
  /** Id of the transaction that this transaction gives back. Null: none. */
  refundOf: string | null
  /** When the lot of this transaction expires. Null: never, or the transaction made no lot. */
  expiresAt: Date | null
  /** Id of the person who made the change by hand. Null: nobody. */
  actor: string | null
  /** When the transaction was made. In one account it never runs back. */
  createdAt: Date
}

/** One page of transactions. */
export interface TransactionPage {
  /** The newest first. */
  transactions: LedgerEntry[]
  /** The cursor of the next page. Null: this is the last page. */
  nextCursor: string | null
}

/** Which transactions `listTransactions` returns. */
export interface ListOptions {
  /** `nextCursor` of the previous page. Default: the first page. */
  cursor?: string
  /** The most transactions to return, from 1 to 200. Default 50. */
  limit?: number
  /** Default `credits`. */
  creditType?: string
}

/** The owner's transactions of one credit type, the newest first. The contract is in `functions/credits.ts`. */
export async function listTransactions(
  ctx: BillingContext,
  ownerId: string,
  options: ListOptions = {},
): Promise<TransactionPage> {
  const { cursor, limit = 50 } = options
  const owner = requireOwner(ownerId)
  const creditType = creditTypeOf(options.creditType)
  const before = cursor === undefined ? undefined : idOf(cursor)
  if (before === null)
    throw new BillingError('invalid_input', 'cursor must be the nextCursor of an earlier page.')
  if (!Number.isInteger(limit) || limit < 1 || limit > 200) {
    throw new BillingError('invalid_input', 'limit must be a whole number from 1 to 200.')
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

/** Accounts of one query. */
const PAGE = 200

/**
 * Takes expired credits out of every account, and returns the number of accounts.
 * The contract is in `functions/credits.ts`.
 */
export async function expireCredits(
  ctx: BillingContext,
  options: SweepOptions = {},
): Promise<number> {
  const domain = domainNow(ctx)
  // The planner can use an index with now(), but not with clock_timestamp(), which may differ for
  // each row.
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
        'could not expire credits of an account',
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
