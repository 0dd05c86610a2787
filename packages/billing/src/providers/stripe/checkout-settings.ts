/**
 * What a host sets about Stripe's pages: at checkout for all of them or for one, and at the portal. Each setting is
 * passed on as Stripe has it; what is not set stays as Stripe's account has it.
 *
 * @see https://docs.stripe.com/api/checkout/sessions/create
 * @module
 */

import type Stripe from 'stripe'
import { BillingError } from '../../errors.ts'

export interface CheckoutSettings {
  /** Whether the buyer may type a promotion code. Default false. */
  allowPromotionCodes?: boolean
  /** A coupon of Stripe's that is taken off; no code can be typed then. */
  coupon?: string
  /** A promotion code's id at Stripe, `promo_…`, likewise. */
  promotionCode?: string
  /** Whether Stripe Tax works out taxes from the buyer's address. Default false. */
  automaticTax?: boolean
  /** Whether the buyer may give a tax id; it stays on the customer, with the name of the business. Default false. */
  taxIdCollection?: boolean
  /** `required`: always the whole address. Default `auto`: as far as the payment needs it. */
  billingAddressCollection?: 'auto' | 'required'
  /** The page's language, as Stripe names it: `de`, `fr-CA`. Default `auto`: the browser's. */
  locale?: string
  /** `card`, `sepa_debit`, …: exactly these. Default: what the account has switched on. */
  paymentMethodTypes?: readonly string[]
  /** Of what the account has switched on only these. Stripe's newest versions have this and not the former. */
  allowedPaymentMethodTypes?: readonly string[]
  /** Lets the buyer of a plan change the number of seats on the page, within bounds. Default: not. */
  adjustableQuantity?: QuantityLimits
}

/** From 0 to 999,999. */
export interface QuantityLimits {
  /** Default 1. */
  minimum?: number
  /** Default 99, as at Stripe. */
  maximum?: number
}

export interface PortalSettings {
  /** The portal's configuration at Stripe, `bpc_…`, with its features and limits of seats. Default: the account's own. */
  configuration?: string
  /** The page's language. Default `auto`: the browser's. */
  locale?: string
}

type SessionParams = Stripe.Checkout.SessionCreateParams

/** As parameters of a session. */
export function checkoutParams(
  settings: CheckoutSettings,
  { hasCustomer }: { hasCustomer: boolean },
): Partial<SessionParams> {
  const { coupon, promotionCode, automaticTax, taxIdCollection, paymentMethodTypes } = settings
  const { allowPromotionCodes, billingAddressCollection, locale } = settings
  const { allowedPaymentMethodTypes } = settings
  const hasDiscount = coupon !== undefined || promotionCode !== undefined
  const discount = coupon === undefined ? { promotion_code: promotionCode } : { coupon }
  // Of a customer it knows, Stripe works out taxes and takes tax ids only if it may keep what they need.
  const update = {
    ...(automaticTax || taxIdCollection ? { address: 'auto' as const } : {}),
    ...(taxIdCollection ? { name: 'auto' as const } : {}),
  }
  return {
    // Stripe takes either.
    ...(hasDiscount ? { discounts: [discount] } : {}),
    ...(allowPromotionCodes && !hasDiscount ? { allow_promotion_codes: true } : {}),
    ...(automaticTax ? { automatic_tax: { enabled: true } } : {}),
    ...(taxIdCollection ? { tax_id_collection: { enabled: true } } : {}),
    ...(billingAddressCollection ? { billing_address_collection: billingAddressCollection } : {}),
    ...(locale ? { locale: locale as NonNullable<SessionParams['locale']> } : {}),
    ...(paymentMethodTypes?.length ? { payment_method_types: [...paymentMethodTypes] } : {}),
    ...(allowedPaymentMethodTypes?.length
      ? { allowed_payment_method_types: [...allowedPaymentMethodTypes] }
      : {}),
    ...(hasCustomer && Object.keys(update).length > 0 ? { customer_update: update } : {}),
  } as Partial<SessionParams>
}

/**
 * The seats of a plan's line, which the buyer may change on the page where limits are set.
 *
 * @throws `invalid_amount` for what is not a number of seats, or is beyond the limits.
 */
export function quantityParams(
  quantity: number,
  limits: QuantityLimits | undefined,
): Stripe.Checkout.SessionCreateParams.LineItem {
  const { minimum = 1, maximum = 99 } = limits ?? {}
  const isWhole = Number.isSafeInteger(quantity) && quantity >= 1
  if (!isWhole || (limits && (quantity < minimum || quantity > maximum))) {
    const range = limits ? `from ${minimum} to ${maximum}` : 'a whole number from 1'
    throw new BillingError(
      'invalid_amount',
      `The number of seats must be ${range}, not ${quantity}.`,
    )
  }
  if (!limits) return { quantity }
  return { quantity, adjustable_quantity: { enabled: true, minimum, maximum } }
}

/** @throws `invalid_options` for limits that no quantity meets. */
export function requireSettings(settings: CheckoutSettings): CheckoutSettings {
  const { minimum = 1, maximum = 99 } = settings.adjustableQuantity ?? {}
  const isRange = Number.isSafeInteger(minimum) && Number.isSafeInteger(maximum) && minimum >= 0
  if (isRange && maximum >= Math.max(minimum, 1) && maximum <= 999_999) return settings
  throw new BillingError(
    'invalid_options',
    `checkout.adjustableQuantity must go from 0 or more to at most 999999, not from ${minimum} to ${maximum}.`,
  )
}
