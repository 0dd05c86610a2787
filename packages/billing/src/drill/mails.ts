/**
 * Mails against the effects that set them off: each has one, under its key, so that the provider of
 * mails sends it once however often it is asked.
 *
 * @module
 */

import type { OurRows } from './rows.ts'
import type { Violation } from './violation.ts'

interface Recorded {
  key: string
  name: string
  payload: unknown
}

const MAILED = new Set(['subscription.activated', 'invoice.payment_failed'])

/** `keys`: under which mails were asked for, any number of times. */
export function checkMails(
  keys: Iterable<string>,
  effects: readonly Recorded[],
  { flagged }: OurRows,
): Violation[] {
  const mailed = effects.filter(({ name }) => MAILED.has(name))
  const known = new Set(mailed.map(({ key }) => key))
  const asked = new Set(keys)
  const violations: Violation[] = []
  const blame = (id: string, message: string) => violations.push({ invariant: 'mail', id, message })
  for (const key of asked) if (!known.has(key)) blame(key, 'a mail was sent without its effect')
  for (const { key, payload } of mailed) {
    const { stripeSubscriptionId: id } = payload as { stripeSubscriptionId: string | null }
    // A mail names the plan; what is at a foreign price by now has none.
    if (id && !flagged.has(id) && !asked.has(key)) blame(key, 'set off no mail')
  }
  return violations
}
