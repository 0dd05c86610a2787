/**
 * Alerts: problems that a person should hear of at once. Each is logged as a warning, and `onAlert` can send it on.
 *
 * @module
 */

import type { Logger } from '@repo/core'

/** A problem that a person should hear of at once. */
export type Alert =
  /** An object at the provider needs a person's decision; see `pnpm billing subscriptions`. */
  | {
      /** What is wrong with the object. */
      code: Problem['reason']
      /** The user or organization whose object it is. */
      ownerId: string
      /** The provider's id of the object. */
      id: string
    }
  /** An event has failed on its last try. */
  | ({
      code: 'event_dead'
      /** The event's type, in the provider's words. */
      type: string
      /** The code of the last error. Null: none was stored. */
      reason: string | null
    } & NamedEvent)
  /** The database refuses every claim of this event. */
  | ({ code: 'event_stuck' } & NamedEvent)
  /** The Stripe key belongs to another account or mode than the stored customers. */
  | {
      code: 'other_account'
      /** The key's account. Null: not known. */
      account: string | null
      /** The account of the stored customers. Null: not known. */
      noted: string | null
    }
  /** The nightly comparison stopped, because more than a few customers no longer exist at Stripe. */
  | {
      code: 'customers_gone'
      /** Customers that Stripe does not know. */
      gone: number
      /** Customers that were compared. */
      compared: number
    }
  /** Of the events that arrived in the last hour and were tried, too few succeeded. */
  | ({ code: 'success_rate_low' } & CrossedShare)
  /** An event took too long from its arrival to the commit of its work, waits included. */
  | {
      code: 'processing_slow'
      /** How long the event took. */
      seconds: number
    }
  /** Events that are due wait too long. Check that a worker is running. */
  | {
      code: 'backlog_old'
      /** For how long the oldest event has been due. */
      ageSeconds: number
      /** How many events are due. */
      size: number
    }
  /** Too many credit accounts have a balance that is not the sum of their transactions; see `reconcileCredits`. */
  | ({ code: 'credits_drifted' } & CrossedShare)
  /** A person has to look at an order; see `pnpm billing orders`. */
  | {
      code: 'order_needs_attention'
      /** The order's id. */
      id: string
      /** Why a person has to look, as a code such as `amount_mismatch`. */
      reason: string
    }
  /** Of the orders whose payment succeeded or failed in the last day, too few were fulfilled. */
  | ({ code: 'fulfilment_rate_low' } & CrossedShare)
  /** Too many orders were refunded in the last day, compared with the orders completed in it. */
  | ({ code: 'refund_rate_high' } & CrossedShare)
  /** A worker runs the default instance although the host has its own. Effects wait; see `pnpm billing effects`. */
  | {
      code: 'other_instance'
      /** What this instance lacks, in words. */
      lacking: string
    }

interface NamedEvent {
  /** The provider that sent the event. */
  provider: string
  /** The provider's id of the event. */
  eventId: string
}

interface CrossedShare {
  /** The measured share, from 0 to 1. */
  rate: number
  /** The limit that it has crossed, from `limits`. */
  threshold: number
}

/** The thresholds of the alerts. Shares are from 0 to 1. */
export interface AlertLimits {
  /** Alert when a smaller share of the events of the last hour succeeded, from 20 events on. Default 0.95. */
  successRate?: number
  /** Alert when the time from an event's arrival to its commit is longer. Default 10. */
  processingSeconds?: number
  /** Alert when an event that is due has waited longer. Default 300. */
  backlogSeconds?: number
  /** Alert when a larger share of credit accounts has drifted. Default 0.05. */
  creditDrift?: number
  /** Alert when a smaller share of a day's orders was fulfilled, from 20 orders on. Default 0.9. */
  fulfilmentRate?: number
  /** Alert when a larger share of a day's completed orders was refunded, from 20 orders on. Default 0.1. */
  refundRate?: number
}

const REPEAT_MS = 60 * 60 * 1000

/**
 * A function that logs an alert and passes it to `hook`. An alert about a state (a rate, the backlog) goes out once
 * an hour in each process; an alert about one object goes out each time. An error of `hook` is logged and not thrown.
 */
export function createAlert(
  logger: Logger,
  hook: ((alert: Alert) => unknown) | undefined,
): (alert: Alert) => void {
  const sentAt = new Map<string, number>()
  return (alert) => {
    const isState = !('id' in alert) && !('eventId' in alert)
    const last = sentAt.get(alert.code) ?? 0
    if (isState && Date.now() - last < REPEAT_MS) return
    if (isState) sentAt.set(alert.code, Date.now())
    logger.warn(alert, 'alert')
    void (async () => hook?.(alert))().catch((error: unknown) => {
      logger.error({ code: alert.code, error }, 'onAlert failed')
    })
  }
}

/** An object at the provider that a person has to look at. The customer's other objects are synced all the same. */
export interface Problem {
  /** The provider's id of the object. */
  id: string
  /** What is wrong with the object. */
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
