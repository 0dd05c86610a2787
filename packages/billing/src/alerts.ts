/**
 * What somebody should be told at once. The default writes a warning; a host sends a message.
 *
 * @module
 */

import type { Logger } from '@repo/core'

export type Alert =
  /** Something at the provider a person has to decide about; see `pnpm billing subscriptions`. */
  | { code: Problem['reason']; ownerId: string; id: string }
  /** An event's tries are used up. */
  | { code: 'event_dead'; provider: string; eventId: string; type: string; reason: string | null }
  /** The database refuses to let anybody take an event. */
  | { code: 'event_stuck'; provider: string; eventId: string }
  /** The key at Stripe is of another account than the customers, or of the other mode. Null: not known. */
  | { code: 'other_account'; account: string | null; noted: string | null }
  /** A comparison with Stripe has stopped, because more than a few customers are gone there. */
  | { code: 'customers_gone'; gone: number; compared: number }
  /** The newest hundred tries: too few ended well. */
  | { code: 'success_rate_low'; rate: number; threshold: number }
  /** From an event's arrival to the commit of what it asked for it took long, waits included. */
  | { code: 'processing_slow'; seconds: number }
  /** Events wait longer than they should: is a worker running? */
  | { code: 'backlog_old'; ageSeconds: number; size: number }
  /** Of too many accounts the balance is not what the transactions say; see `reconcileCredits`. */
  | { code: 'credits_drifted'; rate: number; threshold: number }
  /** An order a person has to look at; see `pnpm billing orders`. */
  | { code: 'order_needs_attention'; id: string; reason: string }
  /** Of the orders that were paid in a day, or whose payment failed, too few were fulfilled. */
  | { code: 'fulfilment_rate_low'; rate: number; threshold: number }
  /** Of the orders that were paid in a day, too many were refunded. */
  | { code: 'refund_rate_high'; rate: number; threshold: number }
  /** A worker runs the default instance beside the host's own: effects wait; see `pnpm billing effects`. */
  | { code: 'other_instance'; lacking: string }

export interface AlertLimits {
  /** Alert below this share of events processed in the last hour. Default 0.95. */
  successRate?: number
  /** Alert when it takes longer from an event's arrival to its commit. Default 10. */
  processingSeconds?: number
  /** Alert when an event that is due has waited longer. Default 300. */
  backlogSeconds?: number
  /** Alert when a larger share of credit accounts has drifted. Default 0.05. */
  creditDrift?: number
  /** Alert when a smaller share of a day's paid orders was fulfilled. Default 0.9. */
  fulfilmentRate?: number
  /** Alert when a larger share of a day's paid orders was refunded. Default 0.1. */
  refundRate?: number
}

const REPEAT_MS = 60 * 60 * 1000

/**
 * Hands alerts on. A state that lasts (rate, backlog, slowness) is told once an hour and process;
 * what happens to one object is told each time. A hook that throws is logged and harms nothing.
 */
export function createAlert(
  logger: Logger,
  hook: ((alert: Alert) => unknown) | undefined,
): (alert: Alert) => void {
  const told = new Map<string, number>()
  return (alert) => {
    const isState = !('id' in alert) && !('eventId' in alert)
    const last = told.get(alert.code) ?? 0
    if (isState && Date.now() - last < REPEAT_MS) return
    if (isState) told.set(alert.code, Date.now())
    logger.warn(alert, 'alert')
    void (async () => hook?.(alert))().catch((error: unknown) => {
      logger.error({ code: alert.code, error }, 'onAlert failed')
    })
  }
}

/** Something at the provider that a person has to look at. It does not hold up the rest. */
export interface Problem {
  /** The provider's id of the object. */
  id: string
  reason:
    | 'first_payment_failed'
    | 'first_payment_pending'
    | 'missing_period'
    | 'missing_price'
    | 'second_current_subscription'
    | 'trial_already_used'
    | 'unknown_price'
    | 'unknown_status'
    | 'unreadable_invoice'
    | 'unreadable_payment'
    | 'unwritable'
}
