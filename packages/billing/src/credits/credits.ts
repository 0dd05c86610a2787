/**
 * The functions of the ledger, bound to one billing context.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { ANY, filters, given, id, OWNER, object, text } from '../given.ts'
import * as balance from './balance.ts'
import * as changes from './changes.ts'
import * as holds from './holds.ts'
import { grantMonthlyCredits } from './plan-credits.ts'
import { reconcileCredits } from './reconcile.ts'
import { type HeldCredits, type WorkOptions, withCredits } from './work.ts'

const HOLD = text('The hold id')
const OPTIONS = object('The options', {})
const REFUND = filters({
  transactionId: text('transactionId'),
  idempotencyKey: ANY,
  creditType: ANY,
  tx: ANY,
})
const CLAW_BACK = object('The options', {}, { purchaseKey: id('purchaseKey') })

/**
 * Binds the functions of the ledger to `ctx`, with checked arguments:
 * `createBilling(…).deductCredits('user_1', 5, 'a picture')`.
 */
export function createCredits(ctx: BillingContext) {
  return {
    grantCredits: given(ctx, changes.grantCredits, OWNER, ANY, OPTIONS),
    deductCredits: given(ctx, changes.deductCredits),
    refundCredits: given(ctx, changes.refundCredits, OWNER, ANY, ANY, REFUND),
    adjustCredits: given(ctx, changes.adjustCredits, OWNER, ANY, ANY, OPTIONS),
    clawBackCredits: given(ctx, changes.clawBackCredits, OWNER, ANY, ANY, CLAW_BACK),
    restoreCredits: given(ctx, changes.restoreCredits, OWNER, ANY, OPTIONS),
    holdCredits: given(ctx, holds.holdCredits),
    captureHold: given(ctx, holds.captureHold, HOLD),
    releaseHold: given(ctx, holds.releaseHold, HOLD),
    releaseOverdueHolds: given(ctx, holds.releaseOverdueHolds),
    getBalance: given(ctx, balance.getBalance),
    listTransactions: given(ctx, balance.listTransactions),
    expireCredits: given(ctx, balance.expireCredits),
    grantMonthlyCredits: given(ctx, grantMonthlyCredits),
    reconcileCredits: given(ctx, reconcileCredits),
    /** Holds credits, runs the work and captures what it used; see `withCredits`. */
    withCredits: <T>(
      ownerId: string,
      amount: number,
      description: string,
      work: (held: HeldCredits) => Promise<T> | T,
      options?: WorkOptions,
    ): Promise<T> => withCredits(ctx, ownerId, amount, description, work, options),
  }
}
