/**
 * The lives of customers as data: plain steps that mean something in every state, so that any part
 * of a history is a history, and a property test can make it smaller.
 *
 * @module
 */

import { createRandom } from './random.ts'

/** What can happen to a customer, and how often it does. */
export const ACTS = {
  subscribe: 12,
  subscribeDeclined: 2,
  subscribeWithFailingCard: 3,
  abandonCheckout: 2,
  startTrial: 3,
  buyOnce: 6,
  buyOnceDeclined: 2,
  renew: 16,
  failPayment: 8,
  recover: 8,
  changePrice: 8,
  changeQuantity: 6,
  changeToForeignPrice: 0.5,
  scheduleEnd: 6,
  scheduleEndOnDate: 3,
  keep: 5,
  cancelNow: 4,
  giveUp: 2,
  subscribeAgain: 2,
  refund: 6,
  describe: 2,
  comeBack: 4,
  deleteCustomer: 0.3,
} as const

export type DrillAct = keyof typeof ACTS

/** One thing that happens. It does nothing where it makes no sense, e.g. a renewal of nothing. */
export interface DrillStep {
  /** Which customer. Whoever is new signs up first. */
  who: number
  does: DrillAct
  /** Decides between variants: which price, which card, which of several subscriptions. */
  pick: number
}

export interface HistoryOptions {
  seed: number
  steps: number
  customers: number
}

/** A history. A few customers are busy, as in life; a longer one begins like a shorter one. */
export function drillHistory({ seed, steps, customers }: HistoryOptions): DrillStep[] {
  const random = createRandom(seed, 1)
  return Array.from({ length: steps }, () => ({
    who: Math.floor(random.next() ** 3 * customers),
    does: random.weighted(ACTS),
    pick: random.whole(1_000),
  }))
}
