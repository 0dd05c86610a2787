/**
 * The functions of the ledger of credits.
 * The default instance's are exported here, and every instance has them as methods.
 *
 * @module
 */

import * as balance from '../credits/balance.ts'
import * as changes from '../credits/changes.ts'
import * as holds from '../credits/holds.ts'
import * as planCredits from '../credits/plan-credits.ts'
import * as reconcile from '../credits/reconcile.ts'
import * as work from '../credits/work.ts'
import { command, query } from './bind.ts'
import { ANY, filters, id, OWNER, object, text } from './checks.ts'

const HOLD = text('The hold id')
const OPTIONS = object('The options', {})
const REFUND = filters({
  transactionId: text('transactionId'),
  idempotencyKey: ANY,
  creditType: ANY,
  tx: ANY,
})
const LIST = filters({ cursor: ANY, limit: ANY, creditType: ANY })
const CLAW_BACK = object('The options', {}, { purchaseKey: id('purchaseKey') })

/**
 * Grants credits as a new lot. They first pay the owner's debt, and the balance grows by the rest.
 *
 * @throws `invalid_amount`, `invalid_input`, `owner_required`, `idempotency_conflict`,
 * `credit_limit_exceeded`, `credits_not_installed`.
 *
 * @example
 * ```ts
 * import { grantCredits } from '@repo/billing/credits'
 *
 * await grantCredits('user_1', 100, { idempotencyKey: 'welcome:user_1' })
 * ```
 */
export const grantCredits = command('grantCredits', changes.grantCredits, OWNER, ANY, OPTIONS)

/**
 * Spends credits if the balance suffices. Lots are spent by priority, then soonest expiry, then age. A
 * refusal is returned and stores nothing, so the same key may succeed later.
 *
 * @throws `invalid_amount`, `invalid_input`, `owner_required`, `idempotency_conflict`,
 * `credits_not_installed`
 *
 * @example
 * ```ts
 * import { deductCredits } from '@repo/billing/credits'
 *
 * const spent = await deductCredits('user_1', 5, 'picture 7', { idempotencyKey: 'picture:7' })
 * if (!spent.success) console.log(`${spent.required - spent.balance} credits are missing.`)
 * ```
 */
export const deductCredits = command('deductCredits', changes.deductCredits)

/**
 * Gives credits of a deduction back, all or a part, to the lots they came from. A lot that has expired
 * meanwhile gets seven more days. All refunds of a deduction together never exceed it.
 *
 * @throws `transaction_not_found`, `refund_exceeds_deduction`, `nothing_to_refund`, `hold_open`,
 * `credit_limit_exceeded`, `invalid_amount`, `invalid_input`, `owner_required`, `idempotency_conflict`,
 * `credits_not_installed`
 */
export const refundCredits = command(
  'refundCredits',
  changes.refundCredits,
  OWNER,
  ANY,
  ANY,
  REFUND,
)

/**
 * Changes a balance by hand and records who did it. A positive amount adds a lot.
 *
 * @throws `insufficient_credits`, `invalid_amount`, `invalid_input`, `owner_required`,
 * `idempotency_conflict`, `credit_limit_exceeded`, `credits_not_installed`
 */
export const adjustCredits = command(
  'adjustCredits',
  changes.adjustCredits,
  OWNER,
  ANY,
  ANY,
  OPTIONS,
)

/**
 * Claws credits back after a refund or dispute of their money. Takes what the balance has, and records the
 * rest as debt, which the next incoming credits pay.
 *
 * @throws `invalid_amount`, `invalid_input`, `owner_required`, `idempotency_conflict`,
 * `credit_limit_exceeded`, `credits_not_installed`
 */
export const clawBackCredits = command(
  'clawBackCredits',
  changes.clawBackCredits,
  OWNER,
  ANY,
  ANY,
  CLAW_BACK,
)

/**
 * Reverses a whole clawback, for example after a won dispute. Lowers the debt of the clawback, gives the
 * taken credits back to the same lots, and returns what was paid of that debt since.
 *
 * @throws `transaction_not_found`, `refund_exceeds_deduction` (the clawback was restored under another key),
 * `credit_limit_exceeded`, `invalid_input`, `owner_required`, `idempotency_conflict`, `credits_not_installed`
 */
export const restoreCredits = command('restoreCredits', changes.restoreCredits, OWNER, ANY, OPTIONS)

/**
 * Holds credits, runs `work`, captures what the work used and returns its result. If the work throws, the
 * hold is released. If the process dies, the hold is released after its deadline.
 *
 * With a key the work runs once over all processes. A call that comes while the work runs waits and gets the
 * same result or error. In this process it gets the same value. In another process it gets a copy if JSON
 * keeps the result unchanged in up to 65,536 characters, and otherwise `hold_settled`. A call that comes
 * after the work is done gets `hold_settled`. A call that comes after the work threw runs it again.
 *
 * @throws `insufficient_credits`, `hold_settled` (the work was already done, or took longer than `ttlSeconds`
 * and is not paid), and as `deductCredits` and `captureHold`; and what `work` throws.
 *
 * @example
 * ```ts
 * import { withCredits } from '@repo/billing/credits'
 *
 * // Holds 50 credits, and takes one for each second of the film.
 * const film = await withCredits('user_1', 50, 'film 8', async ({ capture }) => {
 *   const made = { url: 'https://films.example/8', seconds: 32 }
 *   capture(made.seconds)
 *   return made
 * })
 * console.log(film.url)
 * ```
 */
export const withCredits = command('withCredits', work.withCredits)

/**
 * Sets credits aside if the balance suffices.
 *
 * @throws as `deductCredits`.
 */
export const holdCredits = command('holdCredits', holds.holdCredits)

/**
 * Captures a hold, all or `amount` of it, and gives the rest back. A repeated call with the same amount
 * returns the same result.
 *
 * @throws `hold_not_found`, `hold_settled` (with another result), `capture_exceeds_hold`,
 * `credit_limit_exceeded` (the rest would take the account above its limit; the hold stays open),
 * `invalid_amount`, `credits_not_installed`
 */
export const captureHold = command('captureHold', holds.captureHold, HOLD)

/**
 * Releases a hold and gives all its credits back.
 *
 * @throws `hold_not_found`, `hold_settled`, `credit_limit_exceeded`, `credits_not_installed`
 */
export const releaseHold = command('releaseHold', holds.releaseHold, HOLD)

/**
 * Releases holds whose deadline has passed, and returns their number. A hold that cannot be released is
 * logged, stays open and does not stop the others.
 */
export const releaseOverdueHolds = command('releaseOverdueHolds', holds.releaseOverdueHolds)

/**
 * The owner's balance of one credit type. All zero if there has never been a transaction.
 */
export const getBalance = query('getBalance', balance.getBalance)

/**
 * The owner's transactions of one credit type, the newest first. @throws `invalid_input`, `owner_required`, and
 * `invalid_argument` for an unknown option.
 */
export const listTransactions = query('listTransactions', balance.listTransactions, OWNER, LIST)

/**
 * Takes expired credits out of every account, and returns the number of accounts. No balance depends on this,
 * because each change of an account first takes expired credits out. It keeps the stored rows up to date. An
 * account that fails is logged and does not stop the others.
 */
export const expireCredits = command('expireCredits', balance.expireCredits)

/**
 * Grants the current month of subscriptions that are paid by the year. A subscription that fails is logged
 * and does not stop the others.
 */
export const grantMonthlyCredits = command('grantMonthlyCredits', planCredits.grantMonthlyCredits)

/**
 * Checks every account; see `ledgerViolations`.
 */
export const reconcileCredits = command('reconcileCredits', reconcile.reconcileCredits)
