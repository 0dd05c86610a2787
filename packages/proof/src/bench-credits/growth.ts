/**
 * Measures whether a deduction costs the same as the log grows, and how long the reconciliation of the whole
 * log takes. SQL fills the logs with rows as the ledger writes them, with all indexes. The run requires that
 * the reconciliation finds no violation.
 *
 * @module
 */

import { createBilling } from '@repo/billing'
import { createDb, migrate } from '@repo/db'
import { migrateJobs } from '@repo/jobs'
import pg from 'pg'
import { say } from '../harness/command.ts'
import { atMost, type Report, row } from '../harness/report.ts'
import { silent } from '../harness/silent.ts'
import {
  ACCOUNTS,
  anyOf,
  CONNECTIONS,
  calling,
  type Setting,
  takeTurns,
  type Way,
} from './turns.ts'
import { CREDITS } from './ways.ts'

const SMALLEST = 1_000
const CALLERS = 16
const MILLION = 1_000_000
/** Smaller logs are not reconciled, because their time says nothing about a million rows. */
const LEAST_RECONCILED = 100_000

/** Measures deductions in logs of growing size, and one reconciliation. */
export async function measureGrowth(setting: Setting): Promise<Report> {
  const { options } = setting
  const sizes: number[] = []
  for (let rows = SMALLEST; rows <= options.rows; rows *= 10) sizes.push(rows)
  const logs = []
  for (const rows of sizes) logs.push(await createLog(setting, rows))
  const checked = logs[sizes.indexOf(MILLION)] ?? logs.at(-1)
  const isLarge = options.rows >= LEAST_RECONCILED
  const reconciled = isLarge && checked ? [await checked.reconcile()] : []
  const rounds = await takeTurns('the log grows', logs, CALLERS, options)
  const smallest = nameOf(SMALLEST)
  const costs = sizes.map((rows) => rounds.ratio(smallest, nameOf(rows)))
  return {
    rows: [
      ...sizes.flatMap((rows) => [
        row(`${nameOf(rows)}: ours, ${CALLERS} callers`, rounds.of(nameOf(rows)).perSecond, '/s'),
        row(`${nameOf(rows)}: ours, p99`, rounds.of(nameOf(rows)).p99, 'ms'),
      ]),
      ...reconciled.map((seconds) => row('reconciliation of a million rows', seconds, 's')),
    ],
    targets: [
      atMost(
        `cost of a deduction in a log of ${sizes.at(-1)?.toLocaleString('en')} / of ${SMALLEST.toLocaleString('en')}`,
        1.25,
        Math.max(...costs),
      ),
      ...reconciled.map((seconds) => atMost('reconciliation, by million rows', 4, seconds, ' s')),
    ],
  }
}

const nameOf = (rows: number) => `${rows.toLocaleString('en')} rows`

async function createLog(
  { postgres, scope }: Setting,
  rows: number,
): Promise<Way & { reconcile(): Promise<number> }> {
  say(`filling a log of ${rows.toLocaleString('en')} rows`)
  const database = `log_${rows}`
  const url = await postgres.createDatabase(database)
  await migrate(url)
  await migrateJobs(url)
  await fill(postgres.adminUrl, database, rows)
  const db = createDb(url, { maxConnections: CONNECTIONS })
  scope.add(() => db.$disconnect())
  const billing = createBilling({ db, logger: silent })
  return {
    name: nameOf(rows),
    run: calling(() => billing.deductCredits(`user_${anyOf(ACCOUNTS)}`, 1, 'one')),
    /** Seconds that a reconciliation takes for a million rows. */
    async reconcile() {
      say(`reconciling ${rows.toLocaleString('en')} rows`)
      const began = performance.now()
      const { violations, transactions } = await billing.reconcileCredits()
      if (violations.length > 0) {
        const found = JSON.stringify(violations.slice(0, 3))
        throw new Error(
          `The benchmark filled the log with rows that violate the ledger's promises: ${found}`,
        )
      }
      return ((performance.now() - began) / 1000) * (MILLION / transactions)
    },
  }
}

/** Fills the log: each account has one grant and then deductions of 1, alternating with the other accounts. */
async function fill(adminUrl: string, database: string, rows: number): Promise<void> {
  const url = new URL(adminUrl)
  url.pathname = `/${database}`
  const admin = new pg.Client({ connectionString: url.href })
  admin.on('error', () => {})
  await admin.connect()
  const deductions = rows / ACCOUNTS - 1
  const indexes = await admin.query<{ name: string; definition: string }>(
    `SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index WHERE indrelid = '"CreditTransaction"'::regclass AND NOT indisprimary`,
  )
  for (const statement of [
    // No triggers, including those of foreign keys, because each row would look up the row before.
    `SET session_replication_role = replica`,
    `SET maintenance_work_mem = '512MB'`,
    ...indexes.rows.map(({ name }) => `DROP INDEX ${name}`),
    `INSERT INTO "CreditAccount" ("ownerId", "balance", "updatedAt")
      SELECT 'user_' || n, ${CREDITS - deductions}, now() FROM generate_series(0, ${ACCOUNTS - 1}) n`,
    `INSERT INTO "CreditGrant" ("ownerId", "creditType", "amount", "remaining", "priority")
      SELECT 'user_' || n, 'credits', ${CREDITS}, ${CREDITS - deductions}, 50
      FROM generate_series(0, ${ACCOUNTS - 1}) n`,
    `INSERT INTO "CreditTransaction" ("ownerId", "creditType", "type", "amount", "balanceAfter",
        "idempotencyKey", "lots", "priority", "description", "createdAt")
      SELECT 'user_' || account, 'credits', CASE WHEN at = 0 THEN 'grant' ELSE 'deduction' END,
        CASE WHEN at = 0 THEN ${CREDITS} ELSE -1 END, ${CREDITS} - at, gen_random_uuid(),
        jsonb_build_array(jsonb_build_array(account + 1, CASE WHEN at = 0 THEN ${CREDITS} ELSE -1 END)),
        CASE WHEN at = 0 THEN 50 END, 'one', date_trunc('milliseconds', now() - interval '1 hour')
      FROM generate_series(0, ${deductions}) at, generate_series(0, ${ACCOUNTS - 1}) account`,
    ...indexes.rows.map(({ definition }) => definition),
    // An account refers to its newest transaction.
    `UPDATE "CreditAccount" a SET ("lastTransactionId", "updatedAt") = (
      SELECT max(t."id"), max(t."createdAt") FROM "CreditTransaction" t
      WHERE t."ownerId" = a."ownerId" AND t."creditType" = a."creditType")`,
    `VACUUM (ANALYZE) "CreditTransaction"`,
    `VACUUM (ANALYZE) "CreditGrant"`,
    `VACUUM (ANALYZE) "CreditAccount"`,
    `CHECKPOINT`,
  ]) {
    await admin.query(statement)
  }
  await admin.end()
}
