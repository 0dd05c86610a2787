/**
 * A subscription before it starts, and its items.
 *
 * @module
 */

import { SandboxError } from '../../errors.ts'
import type { Redemption } from '../catalog/discounts.ts'
import { automaticTax } from '../catalog/taxes.ts'
import type { Metadata, Price } from '../server/base-objects.ts'
import { copy } from '../server/copy.ts'
import type {
  MissingPaymentMethod,
  Subscription,
  SubscriptionItem,
  TaxRate,
} from '../server/objects.ts'
import { innerId, newId, type Store, seconds } from '../server/store.ts'
import { periodEnd } from './periods.ts'

/** An item of a new subscription. */
export interface ItemDraft {
  price: Price
  quantity: number
  metadata: Metadata
  /** Default none. */
  taxRates?: TaxRate[]
}

/** The fields that a new subscription is made from. */
export interface SubscriptionDraft {
  customer: string
  items: ItemDraft[]
  metadata: Metadata
  description: string | null
  /** In Unix seconds; null for no trial. */
  trialEnd: number | null
  cancelAtPeriodEnd: boolean
  cancelAt: number | null
  defaultPaymentMethod: string | null
  saveDefaultPaymentMethod: 'off' | 'on_subscription'
  billingMode: 'classic' | 'flexible'
  /** The discounts it starts with. Default none. */
  redemptions?: Redemption[]
  /** Default none, and no automatic tax. */
  defaultTaxRates?: TaxRate[]
  isTaxed?: boolean
  /** What happens at the end of the trial without a card. Default `create_invoice`. */
  missingPaymentMethod?: MissingPaymentMethod
}

/** A subscription before its first payment; it is not stored yet. */
export function newSubscription(store: Store, draft: SubscriptionDraft): Subscription {
  const id = newId('subscriptions')
  const now = seconds(store)
  const first = draft.items[0]
  if (!first?.price.recurring) {
    throw new SandboxError('invalid_state', 409, 'A subscription needs a recurring price.')
  }
  const anchor = draft.trialEnd ?? now
  const end = draft.trialEnd ?? periodEnd(now, now, first.price.recurring)
  return {
    id,
    object: 'subscription',
    created: now,
    livemode: false,
    application: null,
    application_fee_percent: null,
    automatic_tax: automaticTax(draft.isTaxed ?? false),
    billing_cycle_anchor: anchor,
    billing_mode: { type: draft.billingMode },
    billing_thresholds: null,
    cancel_at: draft.cancelAt,
    cancel_at_period_end: draft.cancelAtPeriodEnd,
    canceled_at: draft.cancelAtPeriodEnd || draft.cancelAt !== null ? now : null,
    cancellation_details: { comment: null, feedback: null, reason: null },
    collection_method: 'charge_automatically',
    currency: first.price.currency,
    current_period_end: end,
    current_period_start: now,
    customer: draft.customer,
    days_until_due: null,
    default_payment_method: draft.defaultPaymentMethod,
    default_source: null,
    default_tax_rates: draft.defaultTaxRates ?? [],
    description: draft.description,
    discounts: [],
    ended_at: null,
    first_discount: null,
    items: {
      object: 'list',
      data: draft.items.map((item) => newItem(store, id, item, { start: now, end })),
      has_more: false,
      total_count: draft.items.length,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: null,
    metadata: draft.metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null,
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: draft.saveDefaultPaymentMethod,
    },
    pending_invoice_item_interval: null,
    pending_lines: [],
    pending_setup_intent: null,
    pending_update: null,
    pending_invoice: null,
    schedule: null,
    start_date: now,
    status: draft.trialEnd === null ? 'incomplete' : 'trialing',
    test_clock: null,
    transfer_data: null,
    trial_end: draft.trialEnd,
    trial_settings: {
      end_behavior: { missing_payment_method: draft.missingPaymentMethod ?? 'create_invoice' },
    },
    trial_start: draft.trialEnd === null ? null : now,
  }
}

/** A subscription item for a period. */
export function newItem(
  store: Store,
  subscription: string,
  { price, quantity, metadata, taxRates = [] }: ItemDraft,
  period: { start: number; end: number },
): SubscriptionItem {
  return {
    id: innerId('si_'),
    object: 'subscription_item',
    created: seconds(store),
    billing_thresholds: null,
    current_period_end: period.end,
    current_period_start: period.start,
    discounts: [],
    metadata,
    price: copy(price),
    quantity,
    subscription,
    tax_rates: copy(taxRates),
  }
}
