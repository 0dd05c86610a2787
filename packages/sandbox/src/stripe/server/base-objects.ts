/**
 * The common parts of the stand-in's records.
 *
 * @module
 */

/** Keys and values are strings, as Stripe stores them. */
export type Metadata = Record<string, string>

/** A list that is embedded in another object. */
export interface Embedded<T> {
  object: 'list'
  data: T[]
  has_more: boolean
  total_count?: number
  url: string
}

/** The members of every record. `created` is in Unix seconds. */
export interface Base {
  id: string
  object: string
  created: number
  livemode: false
}

export interface Address {
  city: string | null
  country: string | null
  line1: string | null
  line2: string | null
  postal_code: string | null
  state: string | null
}

export type Interval = 'day' | 'week' | 'month' | 'year'

export interface Recurring {
  interval: Interval
  interval_count: number
  meter: null
  trial_period_days: number | null
  usage_type: 'licensed'
}

export interface Price extends Base {
  object: 'price'
  active: boolean
  billing_scheme: 'per_unit'
  currency: string
  custom_unit_amount: null
  lookup_key: string | null
  metadata: Metadata
  nickname: string | null
  product: string
  recurring: Recurring | null
  tax_behavior: 'exclusive' | 'inclusive' | 'unspecified'
  tiers_mode: null
  transform_quantity: null
  type: 'one_time' | 'recurring'
  /** In minor units of `currency`. */
  unit_amount: number
  unit_amount_decimal: string
}
