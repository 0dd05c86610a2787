/**
 * Checks that the database still guards the ledger: the triggers, constraints and unique indexes of its
 * tables, and the functions behind them, are as the migrations made them. The functions' texts are compared with
 * `prisma/sql`. A migration that changes another guard also changes the lists here, which a test enforces.
 *
 * @module
 */

import { type Database, type Db, functionSums } from '@repo/db'

/** The triggers: name, table, function, `tgtype` of pg_trigger, and whether the trigger has a WHEN condition. */
const TRIGGERS: [
  name: string,
  table: string,
  calls: string,
  type: number,
  isConditional: boolean,
][] = [
  ['CreditAccount_begins_empty', 'CreditAccount', 'CreditAccount_follows', 5, true],
  ['CreditAccount_follows', 'CreditAccount', 'CreditAccount_follows', 17, false],
  ['CreditAccount_no_truncate', 'CreditAccount', 'CreditAccount_stays', 34, false],
  ['CreditAccount_stays', 'CreditAccount', 'CreditAccount_stays', 11, false],
  ['CreditGrant_is_kept', 'CreditGrant', 'CreditGrant_keeps_its_terms', 11, false],
  ['CreditGrant_keeps_its_terms', 'CreditGrant', 'CreditGrant_keeps_its_terms', 19, false],
  ['CreditGrant_no_truncate', 'CreditGrant', 'CreditGrant_keeps_its_terms', 34, false],
  ['CreditHold_fits', 'CreditHold', 'CreditHold_fits', 21, false],
  ['CreditHold_gives_back', 'CreditHold', 'CreditHold_fits', 21, true],
  ['CreditHold_is_kept', 'CreditHold', 'CreditHold_fits', 11, true],
  ['CreditHold_no_truncate', 'CreditHold', 'CreditHold_fits', 34, false],
  ['CreditHold_settled_is_final', 'CreditHold', 'CreditHold_settled_is_final', 27, true],
  ['CreditTopUp_is_kept', 'CreditTopUp', 'CreditTopUp_is_kept', 27, false],
  ['CreditTopUp_no_truncate', 'CreditTopUp', 'CreditTopUp_is_kept', 34, false],
  [
    'CreditTransaction_append_only',
    'CreditTransaction',
    'CreditTransaction_append_only',
    27,
    false,
  ],
  ['CreditTransaction_applies', 'CreditTransaction', 'CreditTransaction_applies', 4, false],
  [
    'CreditTransaction_no_truncate',
    'CreditTransaction',
    'CreditTransaction_append_only',
    34,
    false,
  ],
]

/** The functions that the triggers call and the constraints ask. */
const FUNCTIONS = [
  'CreditAccount_follows',
  'CreditAccount_in_bounds',
  'CreditAccount_stays',
  'CreditGrant_in_bounds',
  'CreditGrant_keeps_its_terms',
  'CreditHold_fits',
  'CreditHold_in_bounds',
  'CreditHold_settled_is_final',
  'CreditTopUp_is_kept',
  'CreditTransaction_append_only',
  'CreditTransaction_applies',
  'CreditTransaction_in_bounds',
  'CreditTransaction_type_agrees',
] as const

/** Names of the constraints. */
const CONSTRAINTS = [
  'CreditAccount_bounds_check',
  'CreditAccount_pkey',
  'CreditGrant_bounds_check',
  'CreditGrant_ownerId_creditType_fkey',
  'CreditGrant_pkey',
  'CreditHold_bounds_check',
  'CreditHold_ownerId_creditType_fkey',
  'CreditHold_pkey',
  'CreditHold_status_check',
  'CreditHold_transactionId_fkey',
  'CreditTopUp_bounds_check',
  'CreditTopUp_number_check',
  'CreditTopUp_pkey',
  'CreditTransaction_bounds_check',
  'CreditTransaction_pkey',
  'CreditTransaction_refundOf_fkey',
  'CreditTransaction_type_check',
]

/** Names of the unique indexes that have no constraint. */
const UNIQUE = [
  'CreditHold_transactionId_key',
  'CreditTopUp_ownerId_creditType_day_number_key',
  'CreditTransaction_ownerId_idempotencyKey_key',
]

/** The ledger's tables. */
const TABLES = ['CreditAccount', 'CreditTransaction', 'CreditGrant', 'CreditHold', 'CreditTopUp']

/** A guard that is missing or changed, and how it differs. */
export interface WrongGuard {
  name: string
  found: string
}

/**
 * Finds guards that are missing, switched off or changed, and anything that circumvents them: other triggers,
 * rules, inheriting tables, public functions.
 */
export async function wrongGuards(
  db: Pick<Db | Database, '$queryRawUnsafe'>,
): Promise<WrongGuard[]> {
  return db.$queryRawUnsafe<WrongGuard[]>(
    `WITH here AS (SELECT current_schema()::regnamespace AS oid),
      triggers AS (SELECT * FROM jsonb_to_recordset($1::jsonb)
        AS t("name" text, "table" text, "calls" text, "type" int, "isConditional" boolean)),
      functions AS (SELECT * FROM jsonb_to_recordset($2::jsonb) AS f("name" text, "sum" text)),
      tables AS (SELECT c.oid, c.relname, c.relowner, c.relhassubclass, c.relrowsecurity AND c.relforcerowsecurity AS "isForced"
        FROM pg_class c, here WHERE c.relnamespace = here.oid AND c.relname = ANY ($5::text[]))
    SELECT g."name", CASE WHEN t.oid IS NULL THEN 'missing'
        WHEN t.tgenabled NOT IN ('O', 'A') THEN 'switched off' ELSE 'not as it was made' END AS "found"
      FROM triggers g LEFT JOIN tables c ON c.relname = g."table"
        LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = g."name"
        LEFT JOIN pg_proc p ON p.oid = t.tgfoid
      WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A') OR p.proname <> g."calls" OR t.tgtype <> g."type"
        OR p.pronamespace <> (SELECT oid FROM here) OR (t.tgqual IS NOT NULL) <> g."isConditional"
    UNION ALL SELECT t.tgname::text, 'may change rows, and is not of the migrations'
      FROM pg_trigger t JOIN tables c ON c.oid = t.tgrelid
      WHERE NOT t.tgisinternal AND t.tgtype & 2 <> 0 AND NOT EXISTS (SELECT FROM triggers g WHERE g."name" = t.tgname AND g."table" = c.relname)
    UNION ALL SELECT f."name", CASE WHEN p.oid IS NULL THEN 'missing' ELSE 'not as it was made' END
      FROM functions f LEFT JOIN pg_proc p ON p.proname = f."name" AND p.pronamespace = (SELECT oid FROM here)
      WHERE p.oid IS NULL OR md5(p.prosrc) <> f."sum" OR p.prosecdef <> (f."name" = 'CreditTransaction_applies')
        OR NOT 'search_path=public, pg_temp' = ANY (coalesce(p.proconfig, '{}'))
        OR p.proowner <> (SELECT relowner FROM tables WHERE relname = 'CreditTransaction')
    UNION ALL SELECT DISTINCT p.proname::text, 'everybody may call it'
      FROM pg_proc p JOIN here ON p.pronamespace = here.oid
      WHERE p.proname LIKE 'Credit%' AND has_function_privilege('public', p.oid, 'EXECUTE')
    UNION ALL SELECT g."name", CASE WHEN c.oid IS NULL THEN 'missing' ELSE 'not validated' END
      FROM unnest($3::text[]) AS g("name")
        LEFT JOIN pg_constraint c ON c.conname = g."name" AND c.conrelid IN (SELECT oid FROM tables)
      WHERE c.oid IS NULL OR NOT c.convalidated
    UNION ALL SELECT g."name", CASE WHEN i.indexrelid IS NULL THEN 'missing' ELSE 'not valid' END
      FROM unnest($4::text[]) AS g("name")
        LEFT JOIN (pg_class c JOIN pg_index i ON i.indexrelid = c.oid AND i.indrelid IN (SELECT oid FROM tables))
          ON c.relname = g."name"
      WHERE i.indexrelid IS NULL OR NOT (i.indisunique AND i.indisvalid AND i.indpred IS NULL)
    UNION ALL SELECT c.relname::text, 'another table inherits from it'
      FROM tables c WHERE EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
    UNION ALL SELECT c.relname::text, 'row-level security is not forced' FROM tables c WHERE NOT c."isForced"
    UNION ALL SELECT c.relname::text, 'a rule rewrites what is written to it'
      FROM tables c WHERE EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)`,
    JSON.stringify(
      TRIGGERS.map(([name, table, calls, type, isConditional]) => ({
        name,
        table,
        calls,
        type,
        isConditional,
      })),
    ),
    JSON.stringify(FUNCTIONS.map((name) => ({ name, sum: functionSums[name] }))),
    CONSTRAINTS,
    UNIQUE,
    TABLES,
  )
}
