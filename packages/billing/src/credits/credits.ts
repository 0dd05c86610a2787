/**
 * The ledger's functions over one billing context.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import * as balance from './balance.ts'
import * as changes from './changes.ts'
import * as holds from './holds.ts'
import { grantMonthlyCredits } from './plan-credits.ts'
import { reconcileCredits } from './reconcile.ts'

type Rest<F> = F extends (ctx: BillingContext, ...args: infer Args) => infer R
  ? (...args: Args) => R
  : never

/** Each a function of its owner: `createBilling(…).deductCredits('user_1', 5, 'a picture')`. */
export function createCredits(ctx: BillingContext) {
  const given = <F extends (ctx: BillingContext, ...args: never[]) => unknown>(f: F) =>
    f.bind(null, ctx) as Rest<F>
  return {
    grantCredits: given(changes.grantCredits),
    deductCredits: given(changes.deductCredits),
    refundCredits: given(changes.refundCredits),
    adjustCredits: given(changes.adjustCredits),
    clawBackCredits: given(changes.clawBackCredits),
    restoreCredits: given(changes.restoreCredits),
    holdCredits: given(holds.holdCredits),
    captureHold: given(holds.captureHold),
    releaseHold: given(holds.releaseHold),
    releaseOverdueHolds: given(holds.releaseOverdueHolds),
    getBalance: given(balance.getBalance),
    listTransactions: given(balance.listTransactions),
    expireCredits: given(balance.expireCredits),
    grantMonthlyCredits: given(grantMonthlyCredits),
    reconcileCredits: given(reconcileCredits),
    /** Holds credits, does the work, keeps what it captured; see `withCredits`. */
    withCredits: <T>(...args: Parameters<Rest<typeof holds.withCredits<T>>>): Promise<T> =>
      holds.withCredits<T>(ctx, ...args),
  }
}
