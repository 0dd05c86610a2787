/**
 * The checks of the ledger's rows, in SQL that shares nothing with the functions that write them.
 *
 * @module
 */

const ACCOUNT = `"ownerId", "creditType"`
const accountOf = (table: string) => `${table}."ownerId", ${table}."creditType"`
const sameAccount = (table: string, other: string) =>
  `${table}."ownerId" = ${other}."ownerId" AND ${table}."creditType" = ${other}."creditType"`
const within = (table: string) =>
  `${table}."ownerId" >= $1 AND ($2::text IS NULL OR ${table}."ownerId" <= $2)
    AND ($3::text IS NULL OR ${table}."ownerId" < $3)`

/** Whether a transaction's `lots` are pairs of lot and amount. Other content counts as no lots. */
const WELL_FORMED = `t."lots"::text ~ '^\\[(\\[[0-9]{1,18}, -?[0-9]{1,18}\\](, )?)*\\]$'`
const LOT = `'^[0-9]{1,18}$'`

/** The largest integer that a JavaScript number holds exactly. */
const MOST = '9007199254740991'
const finite = (time: string) =>
  `${time} >= '1970-01-01 00:00:00+00' AND ${time} <= '10001-01-01 00:00:00+00'`

/**
 * Whether a row does not follow from the row before. The amount is compared only between balances within the
 * bounds.
 */
const BREAKS = `("createdAt" < "beforeAt" OR NOT coalesce("balanceAfter" BETWEEN 0 AND ${MOST} AND "before" BETWEEN 0 AND ${MOST}
    AND "balanceAfter" - "before" = "amount", false))`

/** The first row of an account whose balance does not follow from the row before. */
const firstBreakOf = (account: string) => `
  SELECT "id", "before"::numeric + "amount" AS "expected", "balanceAfter" AS "found"
  FROM (SELECT "id", "amount", "balanceAfter", "createdAt",
      coalesce(lag("balanceAfter") OVER w, 0) AS "before", lag("createdAt") OVER w AS "beforeAt"
    FROM "CreditTransaction" t
    WHERE ${sameAccount('t', account)}
    WINDOW w AS (ORDER BY "id")) chain
  WHERE ${BREAKS} ORDER BY "id" LIMIT 1`

/** Whether a transaction is out of bounds, or its sign does not match its type. */
const WRONG_ROW = `(t."id" <= 0 OR t."balanceAfter" < 0 OR t."balanceAfter" > ${MOST}
      OR (CASE WHEN t."type" IN ('purchase', 'grant') THEN t."amount" > 0 AND t."debt" = 0 AND t."refundOf" IS NULL
        WHEN t."type" = 'refund' THEN t."amount" > 0 AND t."debt" = 0 AND t."refundOf" IS NOT NULL
        WHEN t."type" IN ('deduction', 'expiry') THEN t."amount" < 0 AND t."debt" = 0 AND t."refundOf" IS NULL
        WHEN t."type" = 'adjustment' THEN t."amount" <> 0 OR t."debt" <> 0 END) IS NOT TRUE)`
/** Whether a time is infinite or later than $4. */
const WRONG_TIME = `(NOT (${finite('t."createdAt"')}) OR t."createdAt" > $4::timestamptz
      OR NOT (${finite('t."expiresAt"')}))`

/** Accounts and lots of the page, read once for all checks of a statement. */
const PAGE_ROWS = `
  "pageAccounts" AS MATERIALIZED (SELECT * FROM "CreditAccount" a WHERE ${within('a')}),
  "pageGrants" AS MATERIALIZED (SELECT * FROM "CreditGrant" g WHERE ${within('g')})`

/**
 * The lot of a transaction that changed only one lot, as text. Null: the transaction changed several lots or
 * none.
 */
const ONE_LOT = `CASE WHEN t."lots"::text = '[[' || (t."lots" -> 0 ->> 0) || ', ' || t."amount" || ']]' THEN t."lots" -> 0 ->> 0 END`

/**
 * Reads the transactions once and sums them by account and lot. Nearly every transaction changes one lot. A
 * transaction that changes several lots, or that is wrong by itself, is `odd` and is read again alone.
 */
const LOG = `
  "log" AS MATERIALIZED (
    SELECT ${ACCOUNT}, "lot", sum("amount") AS "sum", sum("debt") AS "debt", max("id") AS "last",
      max("id") FILTER (WHERE "debt" <> 0) AS "lastDebt",
      array_agg("id") FILTER (WHERE "lot" IS NULL OR ${WRONG_ROW} OR ${WRONG_TIME}) AS "odd"
    FROM (SELECT *, ${ONE_LOT} AS "lot" FROM "CreditTransaction" t WHERE ${within('t')}) t
    GROUP BY ${ACCOUNT}, "lot"),
  "sums" AS MATERIALIZED (
    SELECT ${ACCOUNT}, sum("sum") AS "sum", sum("debt") AS "debt", max("last") AS "last", max("lastDebt") AS "lastDebt"
    FROM "log" GROUP BY ${ACCOUNT}),
  "odd" AS MATERIALIZED (
    SELECT t.*, l."lot" IS NULL AS "isOther", ${WELL_FORMED} AS "isWellFormed"
    FROM "log" l CROSS JOIN LATERAL unnest(l."odd") o("id")
      CROSS JOIN LATERAL (SELECT * FROM "CreditTransaction" t WHERE t."id" = o."id" OFFSET 0) t
    UNION ALL SELECT t.*, true, false
    FROM "log" l CROSS JOIN LATERAL (SELECT * FROM "CreditTransaction" t WHERE ${sameAccount('t', 'l')}
        AND t."lots" -> 0 ->> 0 = l."lot" OFFSET 0) t
    WHERE l."lot" !~ ${LOT})`

/**
 * Checks of the transactions. Each selects `check`, `ownerId`, `creditType`, `id`, `expected`, `found` for
 * each violation.
 */
const OF_THE_LOG = {
  /** A balance is the sum of its transactions. */
  balance: `
    SELECT 'balance' AS "check", ${accountOf('a')}, coalesce((SELECT "id" FROM (${firstBreakOf('a')}) f), s."last") AS "id",
      coalesce(s."sum", 0)::text AS "expected", a."balance"::text AS "found"
    FROM "pageAccounts" a LEFT JOIN "sums" s USING (${ACCOUNT})
    WHERE a."balance" <> coalesce(s."sum", 0)`,
  /** A debt is the sum of its changes, and was never below 0. */
  debt: `
    SELECT 'debt', ${accountOf('a')}, s."lastDebt", coalesce(s."debt", 0)::text, a."debt"::text
    FROM "pageAccounts" a LEFT JOIN "sums" s USING (${ACCOUNT})
    WHERE a."debt" <> coalesce(s."debt", 0)
    UNION ALL SELECT 'debt', ${ACCOUNT}, "id", '0', "owed"::text
    FROM (SELECT ${accountOf('t')}, t."id", sum(t."debt") OVER (PARTITION BY ${accountOf('t')} ORDER BY t."id") AS "owed"
      FROM "sums" s CROSS JOIN LATERAL (SELECT * FROM "CreditTransaction" t
        WHERE ${sameAccount('t', 's')} AND t."debt" <> 0 OFFSET 0) t
      WHERE s."lastDebt" IS NOT NULL) owing
    WHERE "owed" < 0`,
  /** A transaction's amount is the sum of its changes of lots. */
  provenance: `
    SELECT 'provenance', ${ACCOUNT}, "id", "amount"::text, "sum"::text
    FROM (SELECT ${ACCOUNT}, "id", "amount", CASE WHEN "isWellFormed" THEN (
        SELECT coalesce(sum((e ->> 1)::bigint), 0) FROM jsonb_array_elements("lots") e) END AS "sum"
      FROM "odd" WHERE "isOther") o
    WHERE "amount" IS DISTINCT FROM "sum"`,
  /** The remainder of a lot is the sum of the changes of it, all by transactions of its account. */
  lot: `
    SELECT 'lot', coalesce(g."ownerId", s."ownerId"), coalesce(g."creditType", s."creditType"),
      s."last", coalesce(s."sum", 0)::text, g."remaining"::text
    FROM "pageGrants" g
      FULL JOIN (SELECT "lot", sum("sum") AS "sum", max("last") AS "last",
          min("ownerId") AS "ownerId", max("ownerId") AS "toOwner",
          min("creditType") AS "creditType", max("creditType") AS "toType"
        FROM (SELECT ${ACCOUNT}, CASE WHEN "lot" ~ ${LOT} THEN "lot"::bigint END AS "lot", "sum", "last"
          FROM "log" WHERE "lot" ~ ${LOT}
          UNION ALL SELECT ${ACCOUNT}, (e ->> 0)::bigint, (e ->> 1)::bigint, "id" FROM "odd"
            CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN "isWellFormed" THEN "lots" ELSE '[]' END) e
          WHERE "isOther") each
        GROUP BY 1) s ON s."lot" = g."id"
    WHERE g."remaining" IS DISTINCT FROM coalesce(s."sum", 0)
      OR (g."ownerId", g."ownerId", g."creditType", g."creditType")
        <> (s."ownerId", s."toOwner", s."creditType", s."toType")`,
  /** Every transaction, lot and hold has an account, and the account is at its newest transaction. */
  accounts: `
    SELECT 'accounts', ${accountOf('s')}, s."last", s."last"::text, a."lastTransactionId"::text
    FROM (SELECT ${ACCOUNT}, max("last") AS "last" FROM (
        SELECT ${ACCOUNT}, "last" FROM "sums"
        UNION ALL SELECT ${ACCOUNT}, NULL FROM "pageGrants"
        UNION ALL SELECT ${ACCOUNT}, NULL FROM "CreditHold" h WHERE ${within('h')}
        UNION ALL SELECT ${ACCOUNT}, NULL FROM "pageAccounts") every GROUP BY ${ACCOUNT}) s
      LEFT JOIN "pageAccounts" a USING (${ACCOUNT})
    WHERE a."ownerId" IS NULL OR a."lastTransactionId" IS DISTINCT FROM s."last"
      OR a."updatedAt" <> (SELECT t."createdAt" FROM "CreditTransaction" t WHERE t."id" = s."last")`,
  /** Each transaction is within its bounds: no negative balance, no id below 1, and the sign matches the type. */
  rows: `
    SELECT 'rows', ${accountOf('t')}, t."id", NULL, t."balanceAfter"::text
    FROM "odd" t WHERE ${WRONG_ROW}`,
  /** No time of a transaction is later than $4, a century from now. */
  times: `
    SELECT 'times', ${accountOf('t')}, t."id", extract(epoch FROM $4::timestamptz)::text, extract(epoch FROM t."createdAt")::text
    FROM "odd" t WHERE ${WRONG_TIME}`,
}

/** Checks of accounts, lots and holds. */
const OF_THE_STATE = {
  /** An account with debt has no balance. */
  owing: `
    SELECT 'owing' AS "check", ${ACCOUNT}, NULL::bigint AS "id", '0' AS "expected", "balance"::text AS "found"
    FROM "pageAccounts" WHERE "balance" > 0 AND "debt" > 0`,
  /** A balance is the sum of the lots' remainders. */
  lots: `
    SELECT 'lots', ${accountOf('a')}, NULL::bigint, coalesce(g."sum", 0)::text, a."balance"::text
    FROM "pageAccounts" a
      LEFT JOIN (SELECT ${ACCOUNT}, sum("remaining") AS "sum" FROM "pageGrants"
        WHERE "open" GROUP BY ${ACCOUNT}) g USING (${ACCOUNT})
    WHERE a."balance" <> coalesce(g."sum", 0)`,
  /**
   * Each row is within its bounds: no negative balance or debt, no id below 1, and a lot's remainder is at
   * most its amount.
   */
  rows: `
    SELECT 'rows', ${ACCOUNT}, NULL::bigint, NULL, least("balance", "debt")::text
    FROM "pageAccounts" a
    WHERE (a."balance" NOT BETWEEN 0 AND ${MOST} OR a."debt" NOT BETWEEN 0 AND ${MOST})
    UNION ALL SELECT 'rows', ${ACCOUNT}, NULL, "amount"::text, "remaining"::text
    FROM "pageGrants" g
    WHERE (g."id" <= 0 OR g."amount" <= 0 OR g."remaining" NOT BETWEEN 0 AND g."amount"
      OR g."open" <> (g."remaining" > 0) OR g."priority" NOT BETWEEN 0 AND 100)
    UNION ALL SELECT 'rows', ${ACCOUNT}, "transactionId", NULL, "id"::text
    FROM "CreditHold" h WHERE ${within('h')} AND h."id" <= 0`,
  /** No time is later than $4, a century from now. A hold is open for 30 days at the most. */
  times: `
    SELECT 'times', ${ACCOUNT}, NULL::bigint, extract(epoch FROM $4::timestamptz)::text, extract(epoch FROM greatest("createdAt", "updatedAt"))::text
    FROM "pageAccounts" a
    WHERE (NOT (${finite('a."createdAt"')} AND ${finite('a."updatedAt"')})
      OR greatest(a."createdAt", a."updatedAt") > $4::timestamptz)
    UNION ALL SELECT 'times', ${ACCOUNT}, NULL, extract(epoch FROM $4::timestamptz)::text, extract(epoch FROM "createdAt")::text
    FROM "pageGrants" g
    WHERE (NOT (${finite('g."createdAt"')}) OR g."createdAt" > $4::timestamptz
      OR NOT (${finite('g."expiresAt"')}))
    UNION ALL SELECT 'times', ${ACCOUNT}, "transactionId", extract(epoch FROM clock_timestamp() + interval '31 days')::text, extract(epoch FROM "expiresAt")::text
    FROM "CreditHold" h
    WHERE ${within('h')} AND (NOT (${finite('h."expiresAt"')})
      OR h."status" = 'open' AND h."expiresAt" > clock_timestamp() + interval '31 days')`,
}

/**
 * Each balance follows from the balance before, and time never goes back. Rows are sorted by a hash of their
 * account, which takes two thirds of the time of sorting by owner and type. An account with a break is then
 * read by owner and type.
 */
const CHAIN = `
  SELECT 'chain' AS "check", ${accountOf('a')}, f."id", f."expected"::text AS "expected", f."found"::text AS "found"
  FROM (SELECT DISTINCT ${ACCOUNT}
    FROM (SELECT ${ACCOUNT}, "id", "amount", "balanceAfter", "createdAt",
        coalesce(lag("balanceAfter") OVER w, 0) AS "before", lag("createdAt") OVER w AS "beforeAt"
      FROM (SELECT *, hashtextextended("ownerId", hashtext("creditType")) AS "account"
        FROM "CreditTransaction" t WHERE ${within('t')}) t
      WINDOW w AS (PARTITION BY "account" ORDER BY "id")) chain
    WHERE ${BREAKS}) a
    CROSS JOIN LATERAL (${firstBreakOf('a')}) f`

/** A refund gives back no more than was taken, and to the account it was taken from. */
const REFUNDS = `
    SELECT 'refunds' AS "check", ${accountOf('r')}, max(r."id") AS "id", max(t."debt" - t."amount")::text AS "expected",
      sum(r."amount" - r."debt")::text AS "found"
    FROM "CreditTransaction" r JOIN "CreditTransaction" t ON t."id" = r."refundOf"
    WHERE r."refundOf" IS NOT NULL AND ${within('r')}
    GROUP BY r."refundOf", r."ownerId", r."creditType"
    HAVING sum(r."amount" - r."debt") > max(t."debt" - t."amount")
      OR bool_or(t."ownerId" <> r."ownerId" OR t."creditType" <> r."creditType" OR t."id" >= r."id"
        OR t."type" <> CASE r."type" WHEN 'refund' THEN 'deduction' ELSE 'adjustment' END)
    UNION ALL SELECT 'refunds', ${accountOf('r')}, r."id", r."refundOf"::text, NULL
    FROM "CreditTransaction" r
    WHERE r."refundOf" IS NOT NULL AND ${within('r')}
      AND NOT EXISTS (SELECT FROM "CreditTransaction" t WHERE t."id" = r."refundOf")`

/** A settled hold has refunded what it did not keep, and an open hold has refunded nothing. */
const HOLDS = `
    WITH "ofHolds" AS MATERIALIZED (
      SELECT ${ACCOUNT}, "id", "refundOf", "idempotencyKey", "held", "idempotencyKey" LIKE 'ledger:hold:%' AS "settles"
      FROM "CreditTransaction" t
      WHERE ${within('t')} AND ("held" OR "idempotencyKey" LIKE 'ledger:hold:%'))
    SELECT 'holds' AS "check", ${accountOf('h')}, h."transactionId" AS "id",
      (CASE WHEN h."status" = 'open' THEN 0 ELSE -t."amount" - h."captured" END)::text AS "expected",
      coalesce(r."sum", 0)::text AS "found"
    FROM "CreditHold" h JOIN "CreditTransaction" t ON t."id" = h."transactionId"
      LEFT JOIN LATERAL (SELECT sum(r."amount") AS "sum" FROM "CreditTransaction" r
        WHERE r."refundOf" = t."id" AND (h."status" = 'open'
          OR r."ownerId" = h."ownerId" AND r."idempotencyKey" = 'ledger:hold:' || h."id")) r ON true
    WHERE ${within('h')} AND (t."type" <> 'deduction' OR coalesce(r."sum", 0) <>
      CASE WHEN h."status" = 'open' THEN 0 ELSE -t."amount" - h."captured" END
      OR (h."ownerId", h."creditType") <> (t."ownerId", t."creditType")
      OR (CASE h."status" WHEN 'open' THEN h."captured" IS NULL AND h."settledAt" IS NULL
        WHEN 'captured' THEN h."captured" BETWEEN 1 AND -t."amount" AND ${finite('h."settledAt"')}
        WHEN 'released' THEN h."captured" = 0 AND ${finite('h."settledAt"')} END) IS NOT TRUE)
    UNION ALL SELECT 'holds', ${accountOf('h')}, h."transactionId", h."transactionId"::text, NULL
    FROM "CreditHold" h
    WHERE ${within('h')} AND NOT EXISTS (SELECT FROM "CreditTransaction" t WHERE t."id" = h."transactionId")
    UNION ALL SELECT 'holds', ${accountOf('t')}, t."id", '1', '0'
    FROM "ofHolds" t
    WHERE t."held" AND NOT EXISTS (SELECT FROM "CreditHold" h WHERE h."transactionId" = t."id")
    UNION ALL SELECT 'holds', ${accountOf('t')}, t."id", t."refundOf"::text, h."transactionId"::text
    FROM "ofHolds" t LEFT JOIN "CreditHold" h ON t."idempotencyKey" = 'ledger:hold:' || h."id"
    WHERE t."settles" AND h."transactionId" IS DISTINCT FROM t."refundOf"`

/** A key has one transaction, and a deduction has one hold. Hashes of the keys are compared first. */
const KEYED = `hashtextextended(t."idempotencyKey", hashtextextended(t."ownerId", 0))`
const KEYS = `
    WITH "twice" AS MATERIALIZED (
      SELECT ${KEYED} AS "key" FROM "CreditTransaction" t WHERE ${within('t')} GROUP BY 1 HAVING count(*) > 1)
    SELECT 'keys' AS "check", "ownerId", min("creditType") AS "creditType", max("id") AS "id", '1' AS "expected", count(*)::text AS "found"
    FROM "CreditTransaction" t
    WHERE EXISTS (SELECT FROM "twice") AND ${within('t')} AND ${KEYED} IN (SELECT "key" FROM "twice")
    GROUP BY "ownerId", "idempotencyKey" HAVING count(*) > 1
    UNION ALL SELECT 'keys', "ownerId", min("creditType"), "transactionId", '1', count(*)::text
    FROM "CreditHold" h WHERE ${within('h')} GROUP BY "ownerId", "transactionId" HAVING count(*) > 1`

const together = (checks: Record<string, string>) => Object.values(checks).join('\n    UNION ALL')

/**
 * One query and the checks that it makes. The query selects `check`, `ownerId`, `creditType`, `id`,
 * `expected`, `found`.
 */
export interface Part {
  checks: readonly CheckName[]
  sql: string
}

/** The name of a check of the rows. */
export type CheckName =
  | keyof typeof OF_THE_LOG
  | keyof typeof OF_THE_STATE
  | 'chain'
  | 'refunds'
  | 'holds'
  | 'keys'

/** Queries that run as one statement, and so see one snapshot. They return a row for each violation. */
export interface Pass {
  parts: readonly Part[]
  /**
   * True: sorting is switched off. The planner overestimates the number of groups a hundredfold and would
   * sort all transactions.
   */
  isHashed?: boolean
}

/** The checks of `OF_THE_LOG`. */
const LOG_CHECKS = ['balance', 'debt', 'provenance', 'lot', 'accounts', 'rows', 'times'] as const

/** All statements, in two groups that take about the same time. */
export const PASSES: readonly (readonly Pass[])[] = [
  [{ parts: [{ checks: ['chain'], sql: CHAIN }] }],
  [
    {
      parts: [{ checks: LOG_CHECKS, sql: `WITH ${PAGE_ROWS}, ${LOG} ${together(OF_THE_LOG)}` }],
      isHashed: true,
    },
    {
      parts: [
        {
          checks: ['owing', 'lots', 'rows', 'times'],
          sql: `WITH ${PAGE_ROWS} ${together(OF_THE_STATE)}`,
        },
        { checks: ['refunds'], sql: REFUNDS },
        { checks: ['holds'], sql: HOLDS },
        { checks: ['keys'], sql: KEYS },
      ],
    },
  ],
]
