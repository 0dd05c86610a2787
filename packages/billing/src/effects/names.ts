/**
 * The names of all facts.
 *
 * @module
 */

import type { EffectName } from './facts.ts'

/** The compiler refuses a name that is missing here. */
const NAMES: Record<EffectName, true> = {
  'subscription.activated': true,
  'subscription.ended': true,
  'subscription.trial_will_end': true,
  'invoice.paid': true,
  'invoice.payment_failed': true,
  'invoice.payment_action_required': true,
  'payment.succeeded': true,
  'payment.failed': true,
  'refund.succeeded': true,
  'dispute.created': true,
  'dispute.closed': true,
  'order.completed': true,
  'order.refunded': true,
}

/** The names of all facts, in the order of their documentation. */
export const EFFECT_NAMES = Object.keys(NAMES) as EffectName[]
