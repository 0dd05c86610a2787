/**
 * Records of subscription schedules; see `objects.ts`.
 *
 * @module
 */

import type { Base, Metadata } from './base-objects.ts'
import type { TaxRate } from './tax-objects.ts'

export interface PhaseItem {
  billing_thresholds: null
  discounts: []
  metadata: Metadata
  /** The price's id, under its older name. */
  plan: string
  price: string
  quantity: number
  tax_rates: TaxRate[]
}

/** A discount of a phase: one that is there already, or a coupon or code that it redeems. */
export interface PhaseDiscount {
  coupon: string | null
  discount: string | null
  promotion_code: string | null
}

export interface SchedulePhase {
  add_invoice_items: []
  application_fee_percent: null
  /** What moves the subscription's anchor to the phase's start; null and `automatic`: what the billing mode does. */
  billing_cycle_anchor: 'automatic' | 'phase_start' | null
  billing_thresholds: null
  collection_method: null
  currency: string
  /** Null: the customer's default. */
  default_payment_method: string | null
  default_tax_rates: TaxRate[]
  /** Absent: no tax is reckoned by itself. */
  automatic_tax?: { enabled: boolean; liability: { type: 'self' } | null; disabled_reason?: null }
  /** Null: the subscription loses its own. */
  description: string | null
  /** What the subscription has in this phase; one that is not named ends when the phase begins. */
  discounts: PhaseDiscount[]
  end_date: number
  invoice_settings: null
  items: PhaseItem[]
  /** Laid over the subscription's when the phase begins. */
  metadata: Metadata
  on_behalf_of: null
  proration_behavior: 'always_invoice' | 'create_prorations' | 'none'
  start_date: number
  transfer_data: null
  trial_end: number | null
}

export interface SubscriptionSchedule extends Base {
  object: 'subscription_schedule'
  application: null
  billing_mode: { type: 'classic' | 'flexible' }
  canceled_at: number | null
  completed_at: number | null
  current_phase: { end_date: number; start_date: number } | null
  customer: string
  default_settings: object
  /** What the end of the last phase does to the subscription. */
  end_behavior: 'cancel' | 'release'
  metadata: Metadata
  phases: SchedulePhase[]
  released_at: number | null
  released_subscription: string | null
  status: 'active' | 'canceled' | 'completed' | 'released'
  /** Null once released. */
  subscription: string | null
  test_clock: null
}
