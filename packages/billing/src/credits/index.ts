/**
 * The ledger of credits: the functions of the default instance. An instance of `createBilling(…)` has the
 * same functions.
 */

export { MAX_CREDITS } from '../credit-input.ts'
export { InsufficientCreditsError } from '../errors.ts'
export * from '../functions/credits.ts'
export type { SweepOptions } from '../sweep.ts'
export type {
  Balance,
  BalanceOptions,
  ExpiringCredits,
  LedgerEntry,
  ListOptions,
  TransactionPage,
} from './balance.ts'
export type {
  AdjustOptions,
  ClawBack,
  ClawBackOptions,
  CreditChange,
  Deduction,
  GrantOptions,
  InsufficientCredits,
  LotOptions,
  RefundOptions,
  Restored,
  RestoreOptions,
} from './changes.ts'
export type { Hold, HoldOptions, SettledHold } from './holds.ts'
export type { CreditOptions } from './ledger.ts'
export type { CreditsReport, ReconcileCreditsOptions } from './reconcile.ts'
export type { CreditSettings, LowBalance } from './settings.ts'
export {
  type LedgerCheck,
  type LedgerViolation,
  ledgerViolations,
  type OwnerRange,
} from './violations.ts'
export type { HeldCredits, WorkOptions } from './work.ts'
