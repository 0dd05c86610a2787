/**
 * The ledger's functions over one billing context.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { given } from '../given.ts'
import * as balance from './balance.ts'
import * as changes from './changes.ts'
import * as holds from './holds.ts'
import { grantMonthlyCredits } from './plan-credits.ts'
import { reconcileCredits } from './reconcile.ts'

/** Each a function of its owner: `createBilling(…).deductCredits('user_1', 5, 'a picture')`. */
export function createCredits(ctx: BillingContext) {
  return {
    grantCredits: given(ctx, changes.grantCredits),
    deductCredits: given(ctx, changes.deductCredits),
    refundCredits: given(ctx, changes.refundCredits),
    adjustCredits: given(ctx, changes.adjustCredits),
    clawBackCredits: given(ctx, changes.clawBackCredits),
    restoreCredits: given(ctx, changes.restoreCredits),
    holdCredits: given(ctx, holds.holdCredits),
    captureHold: given(ctx, holds.captureHold),
    releaseHold: given(ctx, holds.releaseHold),
    releaseOverdueHolds: given(ctx, holds.releaseOverdueHolds),
    getBalance: given(ctx, balance.getBalance),
    listTransactions: given(ctx, balance.listTransactions),
    expireCredits: given(ctx, balance.expireCredits),
    grantMonthlyCredits: given(ctx, grantMonthlyCredits),
    reconcileCredits: given(ctx, reconcileCredits),
    /** Holds credits, does the work, keeps what it captured; see `withCredits`. */
    withCredits: <T>(
      ownerId: string,
      amount: number,
      description: string,
      work: (held: holds.HeldCredits) => Promise<T> | T,
      options?: Omit<holds.HoldOptions, 'tx'>,
    ): Promise<T> => holds.withCredits(ctx, ownerId, amount, description, work, options),
  }
}
