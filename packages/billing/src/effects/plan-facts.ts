/**
 * The facts of a subscription's present state, for every provider.
 *
 * @module
 */

import type { Fact, SubscriptionFact } from './facts.ts'

/** How long before its end a trial is announced. */
const TRIAL_NOTICE_MS = 3 * 24 * 60 * 60 * 1000

/** The facts of a subscription. Their keys begin with `key`. */
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
  // `takeEffects` drops this fact for a subscription that was never activated.
  if (status === 'canceled') {
    const at = endedAt ?? undefined
    facts.push({ key: `${key}:ended`, name: 'subscription.ended', payload, at })
  }
  return facts
}
