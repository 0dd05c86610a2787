/**
 * Compares mails with the effects that set them off. Each such effect has one mail with the effect's key, so
 * the mail provider sends the mail once, however often it is asked.
 *
 * @module
 */

import type { OurRows } from './rows.ts'
import type { Violation } from './violation.ts'

interface Recorded {
  key: string
  name: string
  payload: unknown
  createdAt: Date
}

const MAILED = new Set(['subscription.activated', 'invoice.payment_failed'])

/**
 * Checks that each mail has an effect and the reverse. `keys` are the idempotency keys of all requested
 * mails, with repetitions.
 */
export function checkMails(
  keys: Iterable<string>,
  effects: readonly Recorded[],
  { flagged, unsold }: Pick<OurRows, 'flagged' | 'unsold'>,
): Violation[] {
  const mailed = effects.filter(({ name }) => MAILED.has(name))
  const known = new Set(mailed.map(({ key }) => key))
  const asked = new Set(keys)
  const violations: Violation[] = []
  const blame = (id: string, message: string) => violations.push({ invariant: 'mail', id, message })
  for (const key of asked) if (!known.has(key)) blame(key, 'a mail was sent without an effect')
  for (const { key, payload, createdAt: at } of mailed) {
    const { stripeSubscriptionId: id } = payload as { stripeSubscriptionId: string | null }
    // A mail names the plan, so a subscription gets none while it has a price without a plan.
    const isUnsold = unsold.get(id ?? '')?.some(({ from, to }) => at >= from && at <= to)
    const hadNone = id === null || flagged.has(id) || isUnsold === true
    if (!hadNone && !asked.has(key)) blame(key, 'set off no mail')
  }
  return violations
}
