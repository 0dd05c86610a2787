/**
 * The daily reconciliation of the ledger. Every account is checked, and each violation is reported with the
 * first wrong transaction. Nothing is corrected, because a person has to decide about that.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { inSpan, recordDrift } from '../telemetry.ts'
import { PASSES, type Pass } from './checks.ts'
import { checkGuards, checkLedger, type LedgerViolation, type Look } from './violations.ts'

/** When a reconciliation stops and what it reports on the way. */
export interface ReconcileCreditsOptions {
  /** Stops before the next page when aborted. */
  signal?: AbortSignal
  /** Called after each page with the number of owners checked. */
  onProgress?: (done: number, total: number) => void
}

/** The result of `reconcileCredits`. */
export interface CreditsReport {
  /** Number of accounts in the ledger. */
  accounts: number
  /** Number of transactions in the ledger. */
  transactions: number
  /** Number of accounts with a violation. */
  drifted: number
  /** `drifted` divided by `accounts`. Aim: below 0.01; above `limits.creditDrift` an alert is raised. */
  driftRate: number
  violations: LedgerViolation[]
}

/** Owners of one page. */
const PAGE = 10_000

/** Checks every account; see `ledgerViolations`. The contract is in `functions/credits.ts`. */
export function reconcileCredits(
  ctx: BillingContext,
  options: ReconcileCreditsOptions = {},
): Promise<CreditsReport> {
  return inSpan('credits.reconcile', {}, async (span) => {
    const { signal, onProgress } = options
    const { db } = ctx
    const [counted] = await db.$queryRaw<[{ accounts: number; transactions: number }]>`
      SELECT (SELECT count(*) FROM "CreditAccount")::float8 AS "accounts",
        (SELECT count(*) FROM "CreditTransaction")::float8 AS "transactions"`
    const violations = await checkGuards(db)
    let done = 0
    let from = ''
    for (;;) {
      const page = await db.$queryRaw<{ ownerId: string }[]>`
        SELECT DISTINCT "ownerId" FROM "CreditAccount" WHERE "ownerId" >= ${from}
        ORDER BY 1 LIMIT ${PAGE + 1}`
      const next = page[PAGE]?.ownerId
      if (signal?.aborted) break
      // A page reaches to the beginning of the next, so that rows without an account are checked,
      // too.
      const look = { from, ...(next === undefined ? {} : { before: next }) }
      violations.push(...(await checkPage(ctx, look)))
      done += Math.min(page.length, PAGE)
      onProgress?.(done, Math.max(done, counted.accounts))
      if (next === undefined) break
      from = next
    }
    const report = reportOf(counted, violations)
    span.setAttribute('tollgate.violations', violations.length)
    tell(ctx, report)
    return report
  })
}

/**
 * Checks one page with two statements at a time. The longest statement cannot use parallel workers and takes
 * as long as all others together.
 */
async function checkPage({ db }: BillingContext, look: Look): Promise<LedgerViolation[]> {
  const inTurn = async (passes: readonly Pass[]) => {
    const found: LedgerViolation[] = []
    for (const pass of passes) found.push(...(await checkLedger(db, pass, look)))
    return found
  }
  return (await Promise.all(PASSES.map(inTurn))).flat()
}

function reportOf(
  counted: { accounts: number; transactions: number },
  violations: LedgerViolation[],
): CreditsReport {
  const ofAccounts = violations.filter(({ ownerId }) => ownerId !== null)
  const drifted = new Set(
    ofAccounts.map(({ ownerId, creditType }) => JSON.stringify([ownerId, creditType])),
  ).size
  const driftRate = counted.accounts === 0 ? 0 : drifted / counted.accounts
  return { ...counted, drifted, driftRate, violations }
}

function tell(ctx: BillingContext, { violations, ...summary }: CreditsReport): void {
  recordDrift(summary.driftRate)
  for (const violation of violations) ctx.logger.error(violation, 'the ledger has a violation')
  ctx.logger.info(summary, 'credits reconciled')
  const { creditDrift: threshold } = ctx.limits
  if (summary.driftRate > threshold) {
    ctx.alert({ code: 'credits_drifted', rate: summary.driftRate, threshold })
  }
}
