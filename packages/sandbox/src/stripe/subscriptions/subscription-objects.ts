/**
 * Records of subscriptions and their invoices; see `objects.ts`.
 *
 * @module
 */

import type { Discount } from '../catalog/discount-objects.ts'
import type { Tax, TaxRate } from '../catalog/tax-objects.ts'
import type { Address, Base, Embedded, Metadata, Price } from '../server/base-objects.ts'

export interface SubscriptionItem extends Omit<Base, 'livemode'> {
  object: 'subscription_item'
  billing_thresholds: null
  current_period_end: number
  current_period_start: number
  discounts: []
  metadata: Metadata
  price: Price
  quantity: number
  subscription: string
  tax_rates: TaxRate[]
}

export type SubscriptionStatus =
  | 'active'
  | 'canceled'
  | 'incomplete'
  | 'incomplete_expired'
  | 'past_due'
  | 'paused'
  | 'trialing'
  | 'unpaid'

/** What happens to a subscription without a card at the end of its trial. */
export type MissingPaymentMethod = 'cancel' | 'create_invoice' | 'pause'

/** The charge or credit of a change within a period, which waits for the next invoice. */
export interface PendingLine {
  amount: number
  description: string
  price: Price
  quantity: number
  period: { start: number; end: number }
}

/** A change of a subscription that is made once its invoice is paid. */
export interface PendingUpdate {
  billing_cycle_anchor: number | null
  cancel_at_period_end: null
  discount: null
  discounts: null
  expires_at: number
  metadata: null
  subscription_items: SubscriptionItem[]
  trial_end: null
  trial_from_plan: null
}

export interface Subscription extends Base {
  object: 'subscription'
  application: null
  application_fee_percent: null
  automatic_tax: { enabled: boolean; liability: { type: 'self' } | null }
  billing_cycle_anchor: number
  billing_mode: { type: 'classic' | 'flexible' }
  billing_thresholds: null
  cancel_at: number | null
  cancel_at_period_end: boolean
  canceled_at: number | null
  cancellation_details: {
    comment: string | null
    feedback: string | null
    reason: string | null
  }
  collection_method: 'charge_automatically'
  currency: string
  current_period_end: number
  current_period_start: number
  customer: string
  days_until_due: null
  default_payment_method: string | null
  default_source: null
  default_tax_rates: TaxRate[]
  description: string | null
  /** Ids, in the order in which the discounts are applied. */
  discounts: string[]
  ended_at: number | null
  /** Internal: the old shape shows it as `discount`. */
  first_discount: Discount | null
  items: Embedded<SubscriptionItem>
  latest_invoice: string | null
  metadata: Metadata
  next_pending_invoice_item_invoice: null
  on_behalf_of: null
  /** How invoices are treated during the pause; the subscription's status is unchanged. */
  pause_collection: {
    behavior: 'keep_as_draft' | 'mark_uncollectible' | 'void'
    resumes_at: number | null
  } | null
  payment_settings: {
    payment_method_options: null
    payment_method_types: null
    save_default_payment_method: 'off' | 'on_subscription'
  }
  pending_invoice_item_interval: null
  /** Internal: never returned. */
  pending_lines: PendingLine[]
  pending_setup_intent: null
  /** The change that waits for its payment. */
  pending_update: PendingUpdate | null
  /** Internal: the invoice that pays this change. Never returned. */
  pending_invoice: string | null
  schedule: string | null
  start_date: number
  status: SubscriptionStatus
  test_clock: null
  transfer_data: null
  trial_end: number | null
  trial_settings: { end_behavior: { missing_payment_method: MissingPaymentMethod } }
  trial_start: number | null
}

export interface InvoiceLine {
  id: string
  object: 'line_item'
  amount: number
  currency: string
  description: string
  discount_amounts: { amount: number; discount: string }[]
  discountable: boolean
  discounts: []
  invoice: string
  livemode: false
  metadata: Metadata
  period: { start: number; end: number }
  price: Price
  proration: boolean
  quantity: number
  subscription: string | null
  subscription_item: string | null
  tax_rates: TaxRate[]
  taxes: Tax[]
}

export interface Invoice extends Base {
  object: 'invoice'
  account_country: 'US'
  account_name: string
  amount_due: number
  /** The overpaid amount, which was added to the customer's balance. */
  amount_overpaid: number
  /** Includes payments outside of Stripe. */
  amount_paid: number
  amount_remaining: number
  attempt_count: number
  attempted: boolean
  auto_advance: boolean
  automatic_tax: {
    enabled: boolean
    liability: { type: 'self' } | null
    status: 'complete' | null
  }
  /** When a draft is finalized automatically. */
  automatically_finalizes_at: number | null
  billing_reason: string
  charge: string | null
  collection_method: 'charge_automatically'
  currency: string
  customer: string
  customer_address: Address | null
  customer_email: string | null
  customer_name: string | null
  customer_phone: string | null
  default_payment_method: null
  default_source: null
  description: string | null
  /** Ids of the discounts. */
  discounts: string[]
  due_date: null
  effective_at: number | null
  ending_balance: number | null
  /** Internal: the old shape shows it as `discount`. */
  first_discount: Discount | null
  hosted_invoice_url: string | null
  invoice_pdf: string | null
  lines: Embedded<InvoiceLine>
  metadata: Metadata
  next_payment_attempt: number | null
  number: string | null
  paid: boolean
  /** Internal: the part of `amount_paid` that was paid outside of Stripe. Only returned on request. */
  paid_off_stripe: number
  payment_intent: string | null
  period_end: number
  period_start: number
  post_payment_credit_notes_amount: number
  pre_payment_credit_notes_amount: number
  starting_balance: number
  status: 'draft' | 'open' | 'paid' | 'uncollectible' | 'void'
  status_transitions: {
    finalized_at: number | null
    marked_uncollectible_at: number | null
    paid_at: number | null
    voided_at: number | null
  }
  subscription: string | null
  /** The subscription's metadata when the invoice was created; null on a manual invoice. */
  subscription_details: { metadata: Metadata } | null
  subtotal: number
  subtotal_excluding_tax: number
  tax: number | null
  total: number
  total_excluding_tax: number
  total_discount_amounts: { amount: number; discount: string }[]
  total_taxes: Tax[]
}
