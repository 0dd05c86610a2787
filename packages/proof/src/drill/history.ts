/**
 * Histories of customers as data. Each step is valid in every state, so any part of a history is a history,
 * and a property test can shrink it.
 *
 * @module
 */

import { createRandom } from './random.ts'

/** What can happen to a customer, with weights. */
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

/** The name of an act. */
export type DrillAct = keyof typeof ACTS

/**
 * One step of a history. A step without effect in the present state, such as a renewal without a
 * subscription, does nothing.
 */
export interface DrillStep {
  /** The customer's number. A new customer signs up first. */
  who: number
  /** What the customer does. */
  does: DrillAct
  /** Chooses between variants: the price, the card, or one of several subscriptions. */
  pick: number
}

/** Seed and size of a history. */
export interface HistoryOptions {
  /** The same seed gives the same history. */
  seed: number
  /** How many steps. */
  steps: number
  /** How many customers. */
  customers: number
}

/**
 * Draws a history from the seed. A few customers do most of the steps, and a longer history begins like a
 * shorter one.
 */
export function drillHistory({ seed, steps, customers }: HistoryOptions): DrillStep[] {
  const random = createRandom(seed, 1)
  return Array.from({ length: steps }, () => ({
    who: Math.floor(random.next() ** 3 * customers),
    does: random.weighted(ACTS),
    pick: random.whole(1_000),
  }))
}
