/**
 * Records of taxes; see `objects.ts`.
 *
 * @module
 */

import type { Base, Metadata } from '../server/base-objects.ts'

export interface TaxRate extends Base {
  object: 'tax_rate'
  active: boolean
  country: string | null
  description: string | null
  display_name: string
  effective_percentage: number | null
  flat_amount: null
  /** Whether prices include the tax; if not, it is added. */
  inclusive: boolean
  jurisdiction: string | null
  jurisdiction_level: 'country' | null
  metadata: Metadata
  percentage: number
  rate_type: 'percentage'
  state: string | null
  tax_type: string | null
  /**
   * Internal: true if the tax comes from the account's registration and not from a host's rate. Never
   * returned.
   */
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
