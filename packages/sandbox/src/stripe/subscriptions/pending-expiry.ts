/**
 * Expires an unpaid pending update: its invoice is voided, and the subscription stays unchanged.
 *
 * @see https://docs.stripe.com/billing/subscriptions/pending-updates-reference
 * @module
 */

import { voidInvoice } from '../invoices/invoices.ts'
import type { Subscription } from '../server/objects.ts'
import { change, emit, type Store } from '../server/store.ts'

/** Discards the pending update of a subscription, if it has one. */
export function expirePendingUpdate(store: Store, subscription: Subscription): void {
  if (!subscription.pending_update) return
  const invoice = store.tables.invoices.get(subscription.pending_invoice ?? '')
  change(store, 'customer.subscription.updated', subscription, (current) => {
    current.pending_update = null
    current.pending_invoice = null
  })
  emit(store, 'customer.subscription.pending_update_expired', subscription)
  if (invoice?.status === 'open') voidInvoice(store, invoice)
}
