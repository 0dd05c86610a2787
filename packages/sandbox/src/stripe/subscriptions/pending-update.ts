/**
 * A change that waits for its payment: `payment_behavior=pending_if_incomplete`. The subscription stays
 * unchanged until the invoice of the change is paid; then the change is made.
 *
 * @see https://docs.stripe.com/billing/subscriptions/pending-updates-reference
 * @module
 */

import { copy } from '../server/copy.ts'
import { invalid } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Invoice, Subscription } from '../server/objects.ts'
import { change, emit, type Store, seconds } from '../server/store.ts'

/** The parameters that a pending update supports. Stripe refuses any other parameter beside them. */
const SUPPORTED = [
  'billing_cycle_anchor',
  'expand',
  'items',
  'off_session',
  'payment_behavior',
  'proration_behavior',
  'proration_date',
  'trial_end',
]

/** Refuses a request whose parameters cannot wait for a payment. */
export function checkPending(params: Params): void {
  const other = params.keys().find((key) => !SUPPORTED.includes(key))
  if (other === undefined) return
  throw invalid(
    `\`${other}\` cannot be updated together with \`payment_behavior=pending_if_incomplete\`.`,
    params.name(other),
  )
}

/** A pending update lasts at most 23 hours, and never beyond its period. */
const LIFE_SECONDS = 23 * 3600

/** Stores `draft` as the change that `invoice` pays. */
export function holdUpdate(
  store: Store,
  subscription: Subscription,
  draft: Subscription,
  isNewPeriod: boolean,
): void {
  const expires = Math.min(subscription.current_period_end, seconds(store) + LIFE_SECONDS)
  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.pending_update = {
      billing_cycle_anchor: isNewPeriod ? draft.billing_cycle_anchor : null,
      cancel_at_period_end: null,
      discount: null,
      discounts: null,
      expires_at: expires,
      metadata: null,
      subscription_items: copy(draft.items.data),
      trial_end: null,
      trial_from_plan: null,
    }
  })
}

/** Makes the change that the paid `invoice` was for; does nothing for any other invoice. */
export function applyPendingUpdate(
  store: Store,
  subscription: Subscription,
  { id }: Pick<Invoice, 'id'>,
): void {
  const { pending_update: pending, pending_invoice: waited } = subscription
  if (!pending || waited !== id) return
  const [first] = pending.subscription_items
  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.items.data = pending.subscription_items
    current.items.total_count = pending.subscription_items.length
    current.pending_update = null
    current.pending_invoice = null
    if (pending.billing_cycle_anchor === null || !first) return
    current.billing_cycle_anchor = pending.billing_cycle_anchor
    current.current_period_start = first.current_period_start
    current.current_period_end = first.current_period_end
  })
  emit(store, 'customer.subscription.pending_update_applied', subscription)
}
