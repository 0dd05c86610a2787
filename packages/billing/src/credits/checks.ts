/**
 * What must hold among the rows of the ledger, in SQL that shares nothing with the functions that write it.
 *
 * @module
 */

const ACCOUNT = `"ownerId", "creditType"`
const accountOf = (table: string) => `${table}."ownerId", ${table}."creditType"`
const within = (table: string) =>
  `${table}."ownerId" >= $1 AND ($2::text IS NULL OR ${table}."ownerId" <= $2)
    AND ($3::text IS NULL OR ${table}."ownerId" < $3)`

/** What a transaction did to lots is pairs of a lot and an amount; what is written otherwise is read as nothing. */
const WELL_FORMED = `t."lots"::text ~ '^\\[(\\[[0-9]{1,18}, -?[0-9]{1,18}\\](, )?)*\\]$'`
const LOTS = `CASE WHEN ${WELL_FORMED} THEN t."lots" ELSE '[]' END`

const finite = (time: string) =>
  `${time} >= '1970-01-01 00:00:00+00' AND ${time} <= '10001-01-01 00:00:00+00'`

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
export const CHECKS = {
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
    FROM (SELECT ${ACCOUNT}, "id", "amount", CASE WHEN NOT ${WELL_FORMED} THEN NULL
        WHEN jsonb_array_length("lots") = 1 THEN ("lots" -> 0 ->> 1)::bigint
        ELSE (SELECT coalesce(sum((e ->> 1)::bigint), 0) FROM jsonb_array_elements("lots") e) END AS "sum"
      FROM "CreditTransaction" t WHERE ${within('t')}) t
    WHERE "amount" IS DISTINCT FROM "sum"`,
  /** What remains in a lot is what transactions did to it, and they are of its account. */
  lot: `
    SELECT coalesce(g."ownerId", s."ownerId") AS "ownerId", coalesce(g."creditType", s."creditType") AS "creditType",
      s."last" AS "id", coalesce(s."sum", 0) AS "expected", g."remaining" AS "found"
    FROM (SELECT ${ACCOUNT}, "id", "remaining" FROM "CreditGrant" g WHERE ${within('g')}) g
      FULL JOIN (SELECT (e ->> 0)::bigint AS "lot", sum((e ->> 1)::bigint) AS "sum", max(t."id") AS "last",
          min("ownerId") AS "ownerId", max("ownerId") AS "toOwner",
          min("creditType") AS "creditType", max("creditType") AS "toType"
        FROM "CreditTransaction" t CROSS JOIN LATERAL jsonb_array_elements(${LOTS}) e
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
      OR bool_or(t."ownerId" <> r."ownerId" OR t."creditType" <> r."creditType" OR t."id" >= r."id"
        OR t."type" <> CASE r."type" WHEN 'refund' THEN 'deduction' ELSE 'adjustment' END)
    UNION ALL SELECT ${accountOf('r')}, r."id", r."refundOf", NULL
    FROM "CreditTransaction" r
    WHERE r."refundOf" IS NOT NULL AND ${within('r')}
      AND NOT EXISTS (SELECT FROM "CreditTransaction" t WHERE t."id" = r."refundOf")`,
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
      CASE WHEN h."status" = 'open' THEN 0 ELSE -t."amount" - h."captured" END
      OR (h."ownerId", h."creditType") <> (t."ownerId", t."creditType")
      OR (CASE h."status" WHEN 'open' THEN h."captured" IS NULL AND h."settledAt" IS NULL
        WHEN 'captured' THEN h."captured" BETWEEN 1 AND -t."amount" AND ${finite('h."settledAt"')}
        WHEN 'released' THEN h."captured" = 0 AND ${finite('h."settledAt"')} END) IS NOT TRUE)
    UNION ALL SELECT ${accountOf('h')}, h."transactionId", h."transactionId", NULL
    FROM "CreditHold" h
    WHERE ${within('h')} AND NOT EXISTS (SELECT FROM "CreditTransaction" t WHERE t."id" = h."transactionId")
    UNION ALL SELECT ${accountOf('t')}, t."id", 1, 0
    FROM "CreditTransaction" t
    WHERE t."held" AND ${within('t')}
      AND NOT EXISTS (SELECT FROM "CreditHold" h WHERE h."transactionId" = t."id")
    UNION ALL SELECT ${accountOf('t')}, t."id", t."refundOf", h."transactionId"
    FROM "CreditTransaction" t LEFT JOIN "CreditHold" h ON t."idempotencyKey" = 'ledger:hold:' || h."id"
    WHERE t."idempotencyKey" LIKE 'ledger:hold:%' AND ${within('t')}
      AND h."transactionId" IS DISTINCT FROM t."refundOf"`,
  /** Whatever is of an account has one, which stands at its newest transaction. */
  accounts: `
    SELECT ${accountOf('s')}, s."last" AS "id", s."last" AS "expected", a."lastTransactionId" AS "found"
    FROM (SELECT ${ACCOUNT}, max("id") AS "last" FROM (
        SELECT ${ACCOUNT}, "id" FROM "CreditTransaction" t WHERE ${within('t')}
        UNION ALL SELECT ${ACCOUNT}, NULL FROM "CreditGrant" g WHERE ${within('g')}
        UNION ALL SELECT ${ACCOUNT}, NULL FROM "CreditHold" h WHERE ${within('h')}
        UNION ALL SELECT ${ACCOUNT}, NULL FROM "CreditAccount" a WHERE ${within('a')}) every GROUP BY ${ACCOUNT}) s
      LEFT JOIN "CreditAccount" a USING (${ACCOUNT})
      LEFT JOIN "CreditTransaction" t ON t."id" = s."last"
    WHERE a."ownerId" IS NULL OR a."lastTransactionId" IS DISTINCT FROM s."last" OR a."updatedAt" <> t."createdAt"`,
  /** Each row is within its bounds: no balance, debt or id below 0, sign and type agree, a lot holds what is left of it. */
  rows: `
    SELECT ${ACCOUNT}, "id", NULL::bigint AS "expected", "balanceAfter" AS "found"
    FROM "CreditTransaction" t
    WHERE ${within('t')} AND (t."id" <= 0 OR t."balanceAfter" < 0 OR t."balanceAfter" > 9007199254740991
      OR (CASE WHEN t."type" IN ('purchase', 'grant') THEN t."amount" > 0 AND t."debt" = 0 AND t."refundOf" IS NULL
        WHEN t."type" = 'refund' THEN t."amount" > 0 AND t."debt" = 0 AND t."refundOf" IS NOT NULL
        WHEN t."type" IN ('deduction', 'expiry') THEN t."amount" < 0 AND t."debt" = 0 AND t."refundOf" IS NULL
        WHEN t."type" = 'adjustment' THEN t."amount" <> 0 OR t."debt" <> 0 END) IS NOT TRUE)
    UNION ALL SELECT ${ACCOUNT}, NULL, NULL, least("balance", "debt")
    FROM "CreditAccount" a
    WHERE ${within('a')} AND (a."balance" NOT BETWEEN 0 AND 9007199254740991
      OR a."debt" NOT BETWEEN 0 AND 9007199254740991)
    UNION ALL SELECT ${ACCOUNT}, NULL, "amount", "remaining"
    FROM "CreditGrant" g
    WHERE ${within('g')} AND (g."id" <= 0 OR g."amount" <= 0 OR g."remaining" NOT BETWEEN 0 AND g."amount"
      OR g."open" <> (g."remaining" > 0) OR g."priority" NOT BETWEEN 0 AND 100)
    UNION ALL SELECT ${ACCOUNT}, "transactionId", NULL, "id"
    FROM "CreditHold" h WHERE ${within('h')} AND h."id" <= 0`,
  /** One key, one transaction; one deduction, one hold. */
  keys: `
    SELECT "ownerId", min("creditType") AS "creditType", max("id") AS "id", 1 AS "expected", count(*) AS "found"
    FROM "CreditTransaction" t WHERE ${within('t')} GROUP BY "ownerId", "idempotencyKey" HAVING count(*) > 1
    UNION ALL SELECT "ownerId", min("creditType"), "transactionId", 1, count(*)
    FROM "CreditHold" h WHERE ${within('h')} GROUP BY "ownerId", "transactionId" HAVING count(*) > 1`,
  /** No time lies further ahead than the clock may be; $4 is that moment. A hold is open for 30 days at the most. */
  times: `
    SELECT ${ACCOUNT}, "id", extract(epoch FROM $4::timestamptz) AS "expected", extract(epoch FROM "createdAt") AS "found"
    FROM "CreditTransaction" t
    WHERE ${within('t')} AND (NOT (${finite('t."createdAt"')}) OR t."createdAt" > $4::timestamptz
      OR NOT (${finite('t."expiresAt"')}))
    UNION ALL SELECT ${ACCOUNT}, NULL, extract(epoch FROM $4::timestamptz), extract(epoch FROM greatest("createdAt", "updatedAt"))
    FROM "CreditAccount" a
    WHERE ${within('a')} AND (NOT (${finite('a."createdAt"')} AND ${finite('a."updatedAt"')})
      OR greatest(a."createdAt", a."updatedAt") > $4::timestamptz)
    UNION ALL SELECT ${ACCOUNT}, NULL, extract(epoch FROM $4::timestamptz), extract(epoch FROM "createdAt")
    FROM "CreditGrant" g
    WHERE ${within('g')} AND (NOT (${finite('g."createdAt"')}) OR g."createdAt" > $4::timestamptz
      OR NOT (${finite('g."expiresAt"')}))
    UNION ALL SELECT ${ACCOUNT}, "transactionId", extract(epoch FROM clock_timestamp() + interval '31 days'), extract(epoch FROM "expiresAt")
    FROM "CreditHold" h
    WHERE ${within('h')} AND (NOT (${finite('h."expiresAt"')})
      OR h."status" = 'open' AND h."expiresAt" > clock_timestamp() + interval '31 days')`,
} as const
