/**
 * What the statuses of a subscription mean.
 *
 * @module
 */

/** The statuses of a subscription that takes its owner's one place. */
export const CURRENT: readonly string[] = ['trialing', 'active', 'past_due', 'unpaid', 'paused']

const ENDED: readonly string[] = ['canceled', 'incomplete_expired']

/** Whether a subscription of this status takes the owner's one place. */
export const isCurrentStatus = (status: string): boolean => CURRENT.includes(status)

export const isEndedStatus = (status: string): boolean => ENDED.includes(status)

type Stateful = { status: SubscriptionStatus | null }

type Graceful = Stateful & { isGraceOver?: boolean }

/**
 * Whether the plan's features apply. A failed payment leaves them in place while it is retried, and no longer than
 * `pastDueGraceDays`.
 */
export const isActive = ({ status, isGraceOver = false }: Graceful): boolean =>
  status === 'active' || status === 'trialing' || (status === 'past_due' && !isGraceOver)

export const onTrial = ({ status }: Stateful): boolean => status === 'trialing'

export const isPastDue = ({ status }: Stateful): boolean => status === 'past_due'

/** Whether it has ended. `getSubscription` tells of the current one only; see `listSubscriptions`. */
export const isCanceled = ({ status }: Stateful): boolean => status === 'canceled'

/** Whether it still runs but will not renew. */
export const onGracePeriod = (subscription: Graceful & { endsAt: Date | null }): boolean =>
  isActive(subscription) && subscription.endsAt !== null

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

export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number]
