/**
 * Checks that the database still guards the ledger: the triggers, constraints and unique indexes of its
 * tables, and the functions behind them, are as the migrations made them. A migration that changes a guard
 * also changes the lists here, which a test enforces.
 *
 * @module
 */

import type { Database, Db } from '@repo/db'

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

/** The functions' names, with the MD5 sums of their bodies. */
const FUNCTIONS: Record<string, string> = {
  CreditAccount_follows: '012d07a243077a3c3caa23643b20aa89',
  CreditAccount_in_bounds: '9db59b019e50ce167723d6dab49ce0ca',
  CreditAccount_stays: 'c5939ca0394e653b2b99c8cf6b13cca4',
  CreditGrant_in_bounds: '880fd213affc1199d67ad311451f5c16',
  CreditGrant_keeps_its_terms: '174e378c6425a00fbc9c107c2b7e2496',
  CreditHold_fits: '762da0166b6c79d35c22c09e4a88212b',
  CreditHold_in_bounds: '946c3a97a5c0928e9f82ac8a33388111',
  CreditHold_settled_is_final: '6e83004aca7443982abeda4992fe1563',
  CreditTopUp_is_kept: 'a48f1ab8a5a7ea76efbba9f94d584d11',
  CreditTransaction_append_only: '5f597c88894a09aef6140132dd1bba88',
  CreditTransaction_applies: '826edff780b407993c0153b6a3ed33f0',
  CreditTransaction_in_bounds: 'e333f503d61f2874b8b79fb4a739ebdd',
  CreditTransaction_type_agrees: '946dbb61ace3fbba820d6bf818942196',
}

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

/** A guard that is missing or changed, and what is wrong with it. */
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
    JSON.stringify(Object.entries(FUNCTIONS).map(([name, sum]) => ({ name, sum }))),
    CONSTRAINTS,
    UNIQUE,
    TABLES,
  )
}
