/**
 * The features of a portal, as stored in its configuration.
 *
 * @module
 */

import type { PRORATIONS } from '../subscriptions/prorations.ts'

/** The times at which a portal can cancel a subscription. */
export const MODES = ['at_period_end', 'immediately'] as const

export interface PortalProduct {
  product: string
  prices: string[]
  adjustable_quantity: { enabled: boolean; maximum: number | null; minimum: number }
}

export interface PortalFeatures {
  customer_update: { enabled: boolean; allowed_updates: string[] }
  invoice_history: { enabled: boolean }
  payment_method_update: { enabled: boolean; payment_method_configuration: null }
  subscription_cancel: {
    enabled: boolean
    mode: (typeof MODES)[number]
    proration_behavior: 'none'
    cancellation_reason: { enabled: boolean; feedback_options: null; options: string[] }
  }
  subscription_pause: { enabled: false; duration: { interval_options: []; type: 'indefinite' } }
  subscription_update: {
    enabled: boolean
    billing_cycle_anchor: null
    default_allowed_updates: string[]
    products: PortalProduct[] | null
    proration_behavior: (typeof PRORATIONS)[number]
    schedule_at_period_end: { conditions: [] }
    trial_update_behavior: 'end_trial'
  }
}

/** Features that are all off. */
export const off = (): PortalFeatures => ({
  customer_update: { enabled: false, allowed_updates: [] },
  invoice_history: { enabled: false },
  payment_method_update: { enabled: false, payment_method_configuration: null },
  subscription_cancel: {
    enabled: false,
    mode: 'at_period_end',
    proration_behavior: 'none',
    cancellation_reason: { enabled: false, feedback_options: null, options: [] },
  },
  subscription_pause: { enabled: false, duration: { interval_options: [], type: 'indefinite' } },
  subscription_update: {
    enabled: false,
    billing_cycle_anchor: null,
    default_allowed_updates: [],
    products: null,
    proration_behavior: 'none',
    schedule_at_period_end: { conditions: [] },
    trial_update_behavior: 'end_trial',
  },
})

/** The portal features of a new account. */
export function defaultFeatures(): PortalFeatures {
  const features = off()
  features.invoice_history.enabled = true
  features.payment_method_update.enabled = true
  features.subscription_cancel.enabled = true
  return features
}
