/**
 * Options and totals of a comparison with the provider.
 *
 * @module
 */

import type { RunOptions } from '../sync/repair-run.ts'

/** Which payments are compared, and for whom. */
export interface ReconcileOrdersOptions extends RunOptions {
  /** Compares payments since this time. Default: the last 48 hours. */
  since?: Date
  /** Id or name of the person who asked, written beside corrections. Default: none. */
  operator?: string
  /** Called with the number of payments compared so far. */
  onProgress?: (done: number) => void
}

/** Sums of payments. */
export interface Totals {
  /** Number of payments. */
  payments: number
  /** Minor units. */
  paid: number
  /** Minor units. */
  refunded: number
}

/** A payment as the provider has it. */
export interface Theirs extends Totals {
  provider: string
  paymentId: string
  currency: string
  day: string
  /** The provider's id of the customer. `subscriptionId` is the provider's, too. */
  customerId: string | null
  subscriptionId: string | null
  /** Id of our order. Null: the payment has no order here. */
  orderId: string | null
  /** The provider's id of the dispute that counts. Null: the payment is not disputed. */
  disputeId: string | null
  disputeStatus: string | null
}
