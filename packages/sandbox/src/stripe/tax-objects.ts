/**
 * Records of taxes; see `objects.ts`.
 *
 * @module
 */

import type { Base, Metadata } from './base-objects.ts'

export interface TaxRate extends Base {
  object: 'tax_rate'
  active: boolean
  country: string | null
  description: string | null
  display_name: string
  effective_percentage: number | null
  flat_amount: null
  /** Whether a price includes it; else it comes on top. */
  inclusive: boolean
  jurisdiction: string | null
  jurisdiction_level: 'country' | null
  metadata: Metadata
  percentage: number
  rate_type: 'percentage'
  state: string | null
  tax_type: string | null
  /** Reckoned by the account's registration and not by a rate of the host. The stand-in's own: never answered. */
  is_automatic: boolean
}

/** A tax on an amount, in minor units. */
export interface Tax {
  amount: number
  inclusive: boolean
  tax_rate: string
  taxable_amount: number
  is_automatic: boolean
}
