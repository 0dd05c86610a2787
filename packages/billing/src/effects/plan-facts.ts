/**
 * The facts that follow from a subscription's state, at every provider.
 *
 * @module
 */

import type { Fact, SubscriptionFact } from './facts.ts'

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
