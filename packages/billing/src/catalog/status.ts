/**
 * The statuses of a subscription, verbatim as Stripe names them, and what each means for its owner.
 *
 * @module
 */

/** The statuses of a current subscription, of which an owner has at most one. */
export const CURRENT: readonly string[] = ['trialing', 'active', 'past_due', 'unpaid', 'paused']

const ENDED: readonly string[] = ['canceled', 'incomplete_expired']

/** Whether a subscription of this status is current. */
export const isCurrentStatus = (status: string): boolean => CURRENT.includes(status)

/** Whether a subscription of this status has ended for good. */
export const isEndedStatus = (status: string): boolean => ENDED.includes(status)

interface Stateful {
  /** The status of a subscription; null without one. */
  status: SubscriptionStatus | null
}

interface Graceful extends Stateful {
  /** Whether the days of grace of a past due subscription are over. Default false. */
  isGraceOver?: boolean
}

interface Ending extends Graceful {
  /** When the subscription ends; null where it renews. */
  endsAt: Date | null
}

/**
 * Whether the owner has the plan's features. After a failed payment the owner keeps them while the payment is
 * retried, but at most for `pastDueGraceDays`.
 */
export const isActive = ({ status, isGraceOver = false }: Graceful): boolean =>
  status === 'active' || status === 'trialing' || (status === 'past_due' && !isGraceOver)

/** Whether the subscription is in its trial. */
export const onTrial = ({ status }: Stateful): boolean => status === 'trialing'

/** Whether a payment has failed and is retried. */
export const isPastDue = ({ status }: Stateful): boolean => status === 'past_due'

/** Whether the subscription was canceled. `getSubscription` returns the current one only; see `listSubscriptions`. */
export const isCanceled = ({ status }: Stateful): boolean => status === 'canceled'

/** Whether the subscription is still active but will not renew. */
export const onGracePeriod = (subscription: Ending): boolean =>
  isActive(subscription) && subscription.endsAt !== null

/** Every status of a subscription. */
export const SUBSCRIPTION_STATUSES = [
  'incomplete',
  'incomplete_expired',
  'trialing',
  'active',
  'past_due',
  'canceled',
  'unpaid',
  'paused',
] as const

/** The status of a subscription, in Stripe's words. */
export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number]
