/**
 * The daily reconciliation of the ledger: every account is checked, what drifted is named with the first
 * transaction that is wrong, and nothing is mended, which is for a person to decide.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { inSpan, recordDrift } from '../telemetry.ts'
import { PASSES, type Pass } from './checks.ts'
import { checkGuards, checkLedger, type LedgerViolation, type Look } from './violations.ts'

export interface ReconcileCreditsOptions {
  signal?: AbortSignal
  /** Told of accounts. */
  onProgress?: (done: number, total: number) => void
}

export interface CreditsReport {
  /** Accounts checked. */
  accounts: number
  transactions: number
  /** Accounts with a violation. */
  drifted: number
  /** Of all accounts. Aim: below 0.01; an alert is raised above `limits.creditDrift`. */
  driftRate: number
  violations: LedgerViolation[]
}

const PAGE = 10_000

/** Checks every account; see `ledgerViolations`. */
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
      // Up to the next page, so that rows whose account is gone are between no two pages.
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

/** Two statements at a time: the longest cannot be divided among workers, and takes as long as all others. */
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
  for (const violation of violations)
    ctx.logger.error(violation, 'the ledger does not hold together')
  ctx.logger.info(summary, 'credits reconciled')
  const { creditDrift: threshold } = ctx.limits
  if (summary.driftRate > threshold) {
    ctx.alert({ code: 'credits_drifted', rate: summary.driftRate, threshold })
  }
}
