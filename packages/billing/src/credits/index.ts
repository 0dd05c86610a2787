/**
 * The ledger of credits: the functions of the default instance. An instance of `createBilling(…)` has the
 * same functions.
 */

import { type Billing, billing } from '../billing.ts'

export const grantCredits: Billing['grantCredits'] = (...args) => billing.grantCredits(...args)
export const deductCredits: Billing['deductCredits'] = (...args) => billing.deductCredits(...args)
export const refundCredits: Billing['refundCredits'] = (...args) => billing.refundCredits(...args)
export const adjustCredits: Billing['adjustCredits'] = (...args) => billing.adjustCredits(...args)
export const clawBackCredits: Billing['clawBackCredits'] = (...args) =>
  billing.clawBackCredits(...args)
export const restoreCredits: Billing['restoreCredits'] = (...args) =>
  billing.restoreCredits(...args)
export const holdCredits: Billing['holdCredits'] = (...args) => billing.holdCredits(...args)
export const captureHold: Billing['captureHold'] = (...args) => billing.captureHold(...args)
export const releaseHold: Billing['releaseHold'] = (...args) => billing.releaseHold(...args)
export const withCredits: Billing['withCredits'] = (...args) => billing.withCredits(...args)
export const getBalance: Billing['getBalance'] = (...args) => billing.getBalance(...args)
export const listTransactions: Billing['listTransactions'] = (...args) =>
  billing.listTransactions(...args)
export const expireCredits: Billing['expireCredits'] = (...args) => billing.expireCredits(...args)
export const releaseOverdueHolds: Billing['releaseOverdueHolds'] = (...args) =>
  billing.releaseOverdueHolds(...args)
export const reconcileCredits: Billing['reconcileCredits'] = (...args) =>
  billing.reconcileCredits(...args)

export { MAX_CREDITS } from '../credit-input.ts'
export { InsufficientCreditsError } from '../errors.ts'
export type {
  Balance,
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
