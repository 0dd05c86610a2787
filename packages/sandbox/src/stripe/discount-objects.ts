/**
 * Records of coupons and what they take off; see `objects.ts`.
 *
 * @module
 */

import type { Base, Metadata } from './base-objects.ts'

export interface Coupon extends Base {
  object: 'coupon'
  /** Minor units of `currency`; null where it is a share. */
  amount_off: number | null
  currency: string | null
  duration: 'forever' | 'once' | 'repeating'
  duration_in_months: number | null
  max_redemptions: number | null
  metadata: Metadata
  name: string | null
  percent_off: number | null
  /** Unix seconds. */
  redeem_by: number | null
  times_redeemed: number
  valid: boolean
  /** Present once deleted; what it was redeemed for keeps it. */
  deleted?: true
}

export interface PromotionCode extends Base {
  object: 'promotion_code'
  active: boolean
  code: string
  /** The coupon's id. */
  coupon: string
  /** The stand-in's own: what the old shape shows. */
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
  /** Unix seconds; null for one that goes on, or that is used up by its first invoice. */
  end: number | null
  invoice: null
  invoice_item: null
  promotion_code: string | null
  start: number
  subscription: string | null
  subscription_item: null
}
