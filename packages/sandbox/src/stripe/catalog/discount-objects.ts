/**
 * Records of coupons and discounts; see `objects.ts`.
 *
 * @module
 */

import type { Base, Metadata } from '../server/base-objects.ts'

export interface Coupon extends Base {
  object: 'coupon'
  /** In minor units of `currency`; null for a percentage. */
  amount_off: number | null
  currency: string | null
  duration: 'forever' | 'once' | 'repeating'
  duration_in_months: number | null
  max_redemptions: number | null
  metadata: Metadata
  name: string | null
  percent_off: number | null
  /** In Unix seconds. */
  redeem_by: number | null
  times_redeemed: number
  valid: boolean
  /** Present once deleted. Existing discounts keep the coupon. */
  deleted?: true
}

export interface PromotionCode extends Base {
  object: 'promotion_code'
  active: boolean
  code: string
  /** The id of the coupon. */
  coupon: string
  /** Internal: the coupon that the old shape shows. */
  coupon_record: Coupon
  customer: string | null
  expires_at: number | null
  max_redemptions: number | null
  metadata: Metadata
  restrictions: {
    first_time_transaction: boolean
    minimum_amount: number | null
    minimum_amount_currency: string | null
  }
  times_redeemed: number
}

export interface Discount extends Omit<Base, 'livemode'> {
  object: 'discount'
  checkout_session: string | null
  /** The coupon as it was when it was redeemed. */
  coupon: Coupon
  customer: string | null
  /** In Unix seconds. Null for a discount without an end, or one that ends with its first invoice. */
  end: number | null
  invoice: null
  invoice_item: null
  promotion_code: string | null
  start: number
  subscription: string | null
  subscription_item: null
}
