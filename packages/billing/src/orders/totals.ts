/**
 * What a comparison with the provider adds up.
 *
 * @module
 */

import type { RunOptions } from '../sync/repair-run.ts'

export interface ReconcileOrdersOptions extends RunOptions {
  /** Payments from when on are compared with the provider. Default: the last 48 hours. */
  since?: Date
  /** Who asks for it, by id or name: stands beside what is mended. Default: nobody. */
  operator?: string
  /** Told of payments compared. */
  onProgress?: (done: number) => void
}

export interface Totals {
  payments: number
  /** Minor units. */
  paid: number
  refunded: number
}

export interface Theirs extends Totals {
  provider: string
  paymentId: string
  currency: string
  day: string
  /** The provider's, as the next. */
  customerId: string | null
  subscriptionId: string | null
  /** Of an order of ours that is there; null: of none. */
  orderId: string | null
}
