/**
 * Records of subscription schedules; see `objects.ts`.
 *
 * @module
 */

import type { TaxRate } from '../catalog/tax-objects.ts'
import type { Base, Metadata } from '../server/base-objects.ts'

export interface PhaseItem {
  billing_thresholds: null
  discounts: []
  metadata: Metadata
  /** The id of the price, under its older name. */
  plan: string
  price: string
  quantity: number
  tax_rates: TaxRate[]
}

/** A discount of a phase: an existing one, or a coupon or code that the phase redeems. */
export interface PhaseDiscount {
  coupon: string | null
  discount: string | null
  promotion_code: string | null
}

export interface SchedulePhase {
  add_invoice_items: []
  application_fee_percent: null
  /** Whether the anchor moves to the phase's start. With null and `automatic` the billing mode decides. */
  billing_cycle_anchor: 'automatic' | 'phase_start' | null
  billing_thresholds: null
  collection_method: null
  currency: string
  /** Null: the customer's default. */
  default_payment_method: string | null
  default_tax_rates: TaxRate[]
  /** Absent: no automatic tax. */
  automatic_tax?: { enabled: boolean; liability: { type: 'self' } | null; disabled_reason?: null }
  /** Null: the subscription's description is removed. */
  description: string | null
  /** The subscription's discounts in this phase. Any other discount ends when the phase begins. */
  discounts: PhaseDiscount[]
  end_date: number
  invoice_settings: null
  items: PhaseItem[]
  /** Merged into the subscription's metadata when the phase begins. */
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
  /** What happens to the subscription at the end of the last phase. */
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
