/**
 * What the facts about a plan say at every provider, and those that follow from a subscription's state.
 *
 * @module
 */

import type { Fact } from './effects.ts'
import type { Interval } from './plans.ts'
import type { ProviderName } from './providers/provider.ts'

/** Which subscription, at whichever provider. */
export interface SubscriptionFact {
  provider: ProviderName
  /** Ours: the row, at any provider. */
  subscriptionId: string
  stripeSubscriptionId: string | null
}

/** Which invoice. Elsewhere than at Stripe it is the order that was paid with it. */
export interface InvoiceFact {
  provider: ProviderName
  stripeInvoiceId: string | null
  /** Ours. Null at Stripe, and where nothing has been paid. */
  orderId: string | null
  /** Ours. Null: a one-off invoice. */
  subscriptionId: string | null
  stripeSubscriptionId: string | null
}

/** What a payment was for. Both null: no plan of ours, or the provider did not say. */
export interface PaidFor {
  plan: string | null
  interval: Interval | null
}

const TRIAL_NOTICE_MS = 3 * 24 * 60 * 60 * 1000

/** What a subscription's state sets off, at any provider, under keys that begin with `key`. */
export function subscriptionFacts(
  key: string,
  {
    status,
    trialEnd,
    createdAt,
    endedAt,
  }: { status: string; trialEnd: Date | null; createdAt: Date; endedAt: Date | null },
  payload: SubscriptionFact,
  now: Date,
): Fact[] {
  const isTrialEnding =
    status === 'trialing' && trialEnd && trialEnd.getTime() - now.getTime() <= TRIAL_NOTICE_MS
  const facts: Fact[] = []
  if (status === 'active' || status === 'trialing') {
    facts.push({ key: `${key}:activated`, name: 'subscription.activated', payload, at: createdAt })
  }
  if (isTrialEnding) {
    facts.push({
      key: `${key}:trial_will_end:${trialEnd.getTime() / 1000}`,
      name: 'subscription.trial_will_end',
      payload: { ...payload, trialEnd: trialEnd.toISOString() },
    })
  }
  // Told of what was activated, and of nothing else; see `takeEffects`.
  if (status === 'canceled') {
    const at = endedAt ?? undefined
    facts.push({ key: `${key}:ended`, name: 'subscription.ended', payload, at })
  }
  return facts
}
