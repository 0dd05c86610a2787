/**
 * The conformance suites: tests of what every payment provider has to do. A host that writes its own provider runs
 * them against it.
 *
 * @module
 */

import { checkoutChecks } from './checkouts.ts'
import { eventChecks } from './events.ts'
import { refundChecks } from './refunds.ts'
import type { Check, ConformanceSubject, Runner } from './subject.ts'
import { subscriptionChecks } from './subscriptions.ts'

export { type EffectsSubject, effectsConformance } from './effects.ts'
export type { ConformanceSubject, Delivered, ProviderWorld, Runner } from './subject.ts'

/** Declares the checks with the test runner's `describe` and `test`. Each calls `setup` for a subject of its own. */
export function providerConformance(
  { describe, test }: Runner,
  setup: () => Promise<ConformanceSubject>,
): void {
  const check: Check = (title, body) =>
    test(title, async () => {
      const subject = await setup()
      try {
        await body(subject)
      } finally {
        await subject.close()
      }
    })
  describe('checkouts', () => checkoutChecks(check))
  describe('refunds', () => refundChecks(check))
  describe('subscriptions', () => subscriptionChecks(check))
  describe('events', () => eventChecks(check))
}
