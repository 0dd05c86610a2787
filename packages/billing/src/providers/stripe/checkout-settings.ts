/**
 * The host's settings of Stripe's pages: of all checkout pages or a single one, and of the portal. Each setting is
 * passed to Stripe under Stripe's own name. Where a setting is left out, that of the Stripe account applies.
 *
 * @see https://docs.stripe.com/api/checkout/sessions/create
 * @module
 */

import type Stripe from 'stripe'
import { BillingError } from '../../errors.ts'

/** Settings of a checkout page. */
export interface CheckoutSettings {
  /** Whether the buyer may type a promotion code. Default false. */
  allowPromotionCodes?: boolean
  /** The id of a Stripe coupon to apply. The buyer cannot type a promotion code then. */
  coupon?: string
  /** The id of a Stripe promotion code to apply, `promo_…`. The buyer cannot type another then. */
  promotionCode?: string
  /** Whether Stripe Tax calculates taxes from the buyer's address. Default false. */
  automaticTax?: boolean
  /** Whether the buyer may give a tax id. It is kept with the customer, as is the business's name. Default false. */
  taxIdCollection?: boolean
  /** `required`: the page asks for the whole address. Default `auto`: only for what the payment needs. */
  billingAddressCollection?: 'auto' | 'required'
  /** The page's language, as Stripe names it: `de`, `fr-CA`. Default `auto`: the browser's. */
  locale?: string
  /** The page offers exactly these methods: `card`, `sepa_debit`, … Default: those enabled in the account. */
  paymentMethodTypes?: readonly string[]
  /** The page offers only these of the account's methods. In Stripe's newest API versions it replaces `paymentMethodTypes`. */
  allowedPaymentMethodTypes?: readonly string[]
  /** Lets the buyer of a plan change the number of seats on the page, within these limits. Default: the number is fixed. */
  adjustableQuantity?: QuantityLimits
}

/** The limits of a number of seats, each from 0 to 999,999. */
export interface QuantityLimits {
  /** Default 1. */
  minimum?: number
  /** Default 99, as at Stripe. */
  maximum?: number
}

/** Settings of the billing portal. */
export interface PortalSettings {
  /** The id of a portal configuration, `bpc_…`, with its features and seat limits. Default: that of the account. */
  configuration?: string
  /** The page's language. Default `auto`: the browser's. */
  locale?: string
}

type SessionParams = Stripe.Checkout.SessionCreateParams

/** The settings as parameters of a checkout session. `hasCustomer`: the session is for a customer that exists. */
export function checkoutParams(
  settings: CheckoutSettings,
  { hasCustomer }: { hasCustomer: boolean },
): Partial<SessionParams> {
  const { coupon, promotionCode, automaticTax, taxIdCollection, paymentMethodTypes } = settings
  const { allowPromotionCodes, billingAddressCollection, locale } = settings
  const { allowedPaymentMethodTypes } = settings
  const hasDiscount = coupon !== undefined || promotionCode !== undefined
  const discount = coupon === undefined ? { promotion_code: promotionCode } : { coupon }
  // For an existing customer Stripe needs leave to update the customer before it takes a tax id or calculates taxes.
  const update = {
    ...(automaticTax || taxIdCollection ? { address: 'auto' as const } : {}),
    ...(taxIdCollection ? { name: 'auto' as const } : {}),
  }
  return {
    // Stripe refuses `discounts` together with `allow_promotion_codes`.
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
 * The quantity of a plan's line item. The buyer may change it on the page where limits are set.
 *
 * @throws `invalid_amount` unless it is a whole number from 1 and within the limits.
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

/** Returns the settings. @throws `invalid_options` for seat limits that are out of range or allow no quantity. */
export function requireSettings(settings: CheckoutSettings): CheckoutSettings {
  const { minimum = 1, maximum = 99 } = settings.adjustableQuantity ?? {}
  const isRange = Number.isSafeInteger(minimum) && Number.isSafeInteger(maximum) && minimum >= 0
  if (isRange && maximum >= Math.max(minimum, 1) && maximum <= 999_999) return settings
  throw new BillingError(
    'invalid_options',
    'checkout.adjustableQuantity must be a range within 0 to 999999, ' +
      `not from ${minimum} to ${maximum}.`,
  )
}
