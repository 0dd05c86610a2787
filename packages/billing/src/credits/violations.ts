/**
 * Whether the ledger holds together, asked in SQL that shares nothing with the function that writes it.
 * Each check is one statement and so sees one moment, however much is being written.
 *
 * @module
 */

import { optional, requireId } from '@repo/core'
import { atomically, type Database, type Db } from '@repo/db'

/** What is wrong, where it begins, and the two values that disagree. */
export interface LedgerViolation {
  check: LedgerCheck
  /** Null: not of an account. */
  ownerId: string | null
  creditType: string | null
  /** The first transaction that is wrong; null where none of them is. */
  transactionId: string | null
  /** What follows from the other rows. */
  expected: string | null
  found: string | null
}

/** The owners to look at, both ends included. Left out: all. */
export interface OwnerRange {
  from?: string
  to?: string
}

const ACCOUNT = `"ownerId", "creditType"`
const accountOf = (table: string) => `${table}."ownerId", ${table}."creditType"`
const within = (table: string) =>
  `${table}."ownerId" >= $1 AND ($2::text IS NULL OR ${table}."ownerId" <= $2)`

/** Of each account, the first row whose balance does not follow from the one before. */
const firstBreak = (where: string) => `
  SELECT DISTINCT ON (${ACCOUNT}) ${ACCOUNT}, "id", "before" + "amount" AS "expected", "balanceAfter" AS "found"
  FROM (SELECT ${ACCOUNT}, "id", "amount", "balanceAfter", "createdAt",
      coalesce(lag("balanceAfter") OVER w, 0) AS "before", lag("createdAt") OVER w AS "beforeAt"
    FROM "CreditTransaction" t WHERE ${where}
    WINDOW w AS (PARTITION BY ${ACCOUNT} ORDER BY "id")) chain
  WHERE "balanceAfter" <> "before" + "amount" OR "createdAt" < "beforeAt"
  ORDER BY ${ACCOUNT}, "id"`

/** Each selects `ownerId`, `creditType`, `id`, `expected`, `found`, and nothing where all is well. */
const CHECKS = {
  /** A balance is the sum of its transactions. */
  balance: `
    SELECT ${accountOf('a')}, coalesce(s."sum", 0) AS "expected", a."balance" AS "found",
      coalesce((SELECT "id" FROM (${firstBreak('t."ownerId" = a."ownerId" AND t."creditType" = a."creditType"')}) f), s."last") AS "id"
    FROM "CreditAccount" a
      LEFT JOIN (SELECT ${ACCOUNT}, sum("amount") AS "sum", max("id") AS "last" FROM "CreditTransaction" t
        WHERE ${within('t')} GROUP BY ${ACCOUNT}) s USING (${ACCOUNT})
    WHERE ${within('a')} AND a."balance" <> coalesce(s."sum", 0)`,
  /** A debt is the sum of what its transactions changed of it, and was never below 0. */
  debt: `
    SELECT ${accountOf('a')}, s."last" AS "id", coalesce(s."sum", 0) AS "expected", a."debt" AS "found"
    FROM "CreditAccount" a
      LEFT JOIN (SELECT ${ACCOUNT}, sum("debt") AS "sum", max("id") FILTER (WHERE "debt" <> 0) AS "last"
        FROM "CreditTransaction" t WHERE ${within('t')} GROUP BY ${ACCOUNT}) s USING (${ACCOUNT})
    WHERE ${within('a')} AND a."debt" <> coalesce(s."sum", 0)
    UNION ALL SELECT ${ACCOUNT}, "id", 0, "owed"
    FROM (SELECT ${ACCOUNT}, "id", sum("debt") OVER (PARTITION BY ${ACCOUNT} ORDER BY "id") AS "owed"
      FROM "CreditTransaction" t WHERE "debt" <> 0 AND ${within('t')}) owing
    WHERE "owed" < 0`,
  /** Each balance follows from the one before, and time never runs back. */
  chain: firstBreak(within('t')),
  /** Where there is debt there is no balance. */
  owing: `
    SELECT ${ACCOUNT}, NULL::bigint AS "id", 0 AS "expected", "balance" AS "found"
    FROM "CreditAccount" a WHERE ${within('a')} AND "balance" > 0 AND "debt" > 0`,
  /** A balance is what remains in the lots. */
  lots: `
    SELECT ${accountOf('a')}, NULL::bigint AS "id", coalesce(g."sum", 0) AS "expected", a."balance" AS "found"
    FROM "CreditAccount" a
      LEFT JOIN (SELECT ${ACCOUNT}, sum("remaining") AS "sum" FROM "CreditGrant" g
        WHERE "open" AND ${within('g')} GROUP BY ${ACCOUNT}) g USING (${ACCOUNT})
    WHERE ${within('a')} AND a."balance" <> coalesce(g."sum", 0)`,
  /** A transaction is the sum of what it did to lots. */
  provenance: `
    SELECT ${ACCOUNT}, "id", "amount" AS "expected", "sum" AS "found"
    FROM (SELECT ${ACCOUNT}, "id", "amount", CASE jsonb_array_length("lots")
        WHEN 1 THEN ("lots" -> 0 ->> 1)::bigint
        ELSE (SELECT coalesce(sum((e ->> 1)::bigint), 0) FROM jsonb_array_elements("lots") e) END AS "sum"
      FROM "CreditTransaction" t WHERE ${within('t')}) t
    WHERE "amount" <> "sum"`,
  /** What remains in a lot is what transactions did to it, and they are of its account. */
  lot: `
    SELECT coalesce(g."ownerId", s."ownerId") AS "ownerId", coalesce(g."creditType", s."creditType") AS "creditType",
      s."last" AS "id", coalesce(s."sum", 0) AS "expected", g."remaining" AS "found"
    FROM (SELECT ${ACCOUNT}, "id", "remaining" FROM "CreditGrant" g WHERE ${within('g')}) g
      FULL JOIN (SELECT (e ->> 0)::bigint AS "lot", sum((e ->> 1)::bigint) AS "sum", max(t."id") AS "last",
          min("ownerId") AS "ownerId", max("ownerId") AS "toOwner",
          min("creditType") AS "creditType", max("creditType") AS "toType"
        FROM "CreditTransaction" t CROSS JOIN LATERAL jsonb_array_elements(t."lots") e
        WHERE ${within('t')} GROUP BY 1) s ON s."lot" = g."id"
    WHERE g."remaining" IS DISTINCT FROM coalesce(s."sum", 0)
      OR (g."ownerId", g."ownerId", g."creditType", g."creditType")
        <> (s."ownerId", s."toOwner", s."creditType", s."toType")`,
  /** What gives back gives no more than was taken, and to whom it was taken from. */
  refunds: `
    SELECT ${accountOf('r')}, max(r."id") AS "id", max(t."debt" - t."amount") AS "expected",
      sum(r."amount" - r."debt") AS "found"
    FROM "CreditTransaction" r JOIN "CreditTransaction" t ON t."id" = r."refundOf"
    WHERE r."refundOf" IS NOT NULL AND ${within('r')}
    GROUP BY r."refundOf", r."ownerId", r."creditType"
    HAVING sum(r."amount" - r."debt") > max(t."debt" - t."amount")
      OR bool_or(t."ownerId" <> r."ownerId" OR t."creditType" <> r."creditType")`,
  /** A settled hold refunded what it did not keep; an open one refunded nothing. */
  holds: `
    SELECT ${accountOf('h')}, h."transactionId" AS "id",
      CASE WHEN h."status" = 'open' THEN 0 ELSE -t."amount" - h."captured" END AS "expected",
      coalesce(r."sum", 0) AS "found"
    FROM "CreditHold" h JOIN "CreditTransaction" t ON t."id" = h."transactionId"
      LEFT JOIN LATERAL (SELECT sum(r."amount") AS "sum" FROM "CreditTransaction" r
        WHERE r."refundOf" = t."id" AND (h."status" = 'open'
          OR r."ownerId" = h."ownerId" AND r."idempotencyKey" = 'ledger:hold:' || h."id")) r ON true
    WHERE ${within('h')} AND (t."type" <> 'deduction' OR coalesce(r."sum", 0) <>
      CASE WHEN h."status" = 'open' THEN 0 ELSE -t."amount" - h."captured" END)`,
} as const

export type LedgerCheck = keyof typeof CHECKS | 'guards'

/** The names of the checks, in the order in which they are made. */
export const LEDGER_CHECKS = [...Object.keys(CHECKS), 'guards'] as LedgerCheck[]

/** What makes the promises true whoever writes. */
const GUARDS = [
  'CreditTransaction_append_only',
  'CreditTransaction_no_truncate',
  'CreditTransaction_applies',
  'CreditAccount_follows',
  'CreditAccount_begins_empty',
  'CreditAccount_stays',
  'CreditAccount_no_truncate',
  'CreditHold_settled_is_final',
]

type Asks = Db | Database

interface Row {
  ownerId: string
  creditType: string
  id: bigint | null
  expected: string | null
  found: string | null
}

/** Makes one check. */
export async function checkLedger(
  db: Asks,
  check: LedgerCheck,
  { from = '', to }: OwnerRange = {},
): Promise<LedgerViolation[]> {
  if (check === 'guards') return missingGuards(db)
  const rows = await atomically(
    db,
    async (tx) => {
      // Sorting a million rows on disk takes three times as long.
      await tx.$executeRaw`SELECT set_config('work_mem', '256MB', true)`
      return tx.$queryRawUnsafe<Row[]>(
        `SELECT "ownerId", "creditType", "id"::bigint AS "id", "expected"::text AS "expected", "found"::text AS "found"
     FROM (${CHECKS[check]}) violations`,
        from,
        to ?? null,
      )
    },
    { timeoutMs: 60 * 60 * 1000 },
  )
  return rows.map(({ id, ...row }) => ({
    check,
    ...row,
    transactionId: id === null ? null : `${id}`,
  }))
}

async function missingGuards(db: Asks): Promise<LedgerViolation[]> {
  const rows = await db.$queryRawUnsafe<{ name: string }[]>(
    `SELECT "name" FROM unnest($1::text[]) AS "name"
     WHERE NOT EXISTS (SELECT FROM pg_trigger
       WHERE tgname = "name" AND tgenabled <> 'D' AND tgrelid IN (
         SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace))`,
    GUARDS,
  )
  const nowhere = { ownerId: null, creditType: null, transactionId: null, found: null }
  return rows.map(({ name }) => ({ check: 'guards' as const, ...nowhere, expected: name }))
}

/** Everything that is wrong with the ledger; nothing, as long as the promises hold. */
export async function ledgerViolations(
  db: Asks,
  range: OwnerRange = {},
): Promise<LedgerViolation[]> {
  optional(range, 'from', requireId)
  optional(range, 'to', requireId)
  const found: LedgerViolation[] = []
  for (const check of LEDGER_CHECKS) found.push(...(await checkLedger(db, check, range)))
  return found
}
