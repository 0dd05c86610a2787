/**
 * Coupons and promotion codes of a Checkout Session: given by the host, or typed by the buyer.
 *
 * @see https://docs.stripe.com/payments/checkout/discounts
 * @module
 */

import {
  asDiscounts,
  type Redemption,
  redemptionOf,
  redemptionsOf,
  takeOff,
} from '../catalog/discounts.ts'
import { automaticRates, sumOf, taxesOn } from '../catalog/taxes.ts'
import { invalid } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { CheckoutSession, LineItem } from '../server/objects.ts'
import { find, type Store } from '../server/store.ts'

/**
 * The discount that a request for a session redeems: at most one coupon or code, and none if codes can be
 * typed.
 */
export function discountsAsked(
  store: Store,
  params: Params,
  currency: string,
  customer: string | null,
): Redemption[] {
  const asked = redemptionsOf(store, params, currency, customer) ?? []
  if (asked.length > 0 && params.has('allow_promotion_codes')) {
    throw invalid(
      'You may only specify one of these parameters: allow_promotion_codes, discounts.',
      'allow_promotion_codes',
    )
  }
  if (asked.length > 1) throw invalid('A session takes one discount at most.', 'discounts')
  return asked
}

/** Applies redemptions to lines. @returns the total discount */
export function discountLines(items: LineItem[], redemptions: readonly Redemption[]): number {
  const amounts = items.map((item) => item.amount_subtotal)
  const taken = takeOff(amounts, asDiscounts(redemptions))
  for (const [index, item] of items.entries()) {
    item.amount_discount = (taken.lines[index] ?? []).reduce((sum, { amount }) => sum + amount, 0)
    item.amount_total = item.amount_subtotal - item.amount_discount
  }
  return taken.total
}

/** Computes a session from its lines: the price, the discount, and the taxes on the rest. */
export function reckonSession(store: Store, session: CheckoutSession): void {
  const items = session.line_items.data
  const defaults = session.subscription_data.default_tax_rates
  for (const item of items) {
    const own = item.tax_rates.length > 0 ? item.tax_rates : defaults
    const automatic = session.automatic_tax.enabled ? automaticRates(store, item.price) : []
    const taxes = taxesOn(
      item.amount_subtotal - item.amount_discount,
      own.length > 0 ? own : automatic,
    )
    item.amount_tax = sumOf(taxes, true) + sumOf(taxes, false)
    item.amount_total = item.amount_subtotal - item.amount_discount + sumOf(taxes, false)
  }
  const sum = (of: (item: LineItem) => number) => items.reduce((all, item) => all + of(item), 0)
  session.amount_total = sum((item) => item.amount_total)
  session.total_details = {
    ...session.total_details,
    amount_discount: sum((item) => item.amount_discount),
    amount_tax: sum((item) => item.amount_tax),
  }
}

/** The members of a session that show its redemptions. */
export const redeemed = (
  redemptions: readonly Redemption[],
): Pick<CheckoutSession, 'discounts' | 'redemptions'> => ({
  discounts: redemptions.map(({ coupon, code }) => ({
    coupon: coupon.id,
    promotion_code: code?.id ?? null,
  })),
  redemptions: redemptions.map(({ coupon, code }) => ({
    coupon: coupon.id,
    code: code?.id ?? null,
  })),
})

/**
 * Applies the code that a buyer types on the page.
 *
 * @throws `promotion_code_invalid` if the code is unknown or no longer valid, or the session allows no codes
 */
export function enterCode(store: Store, session: CheckoutSession, typed: string): void {
  const code = store.indexes.promotionCodes.rows.find(
    (one) => one.active && one.code.toLowerCase() === typed.trim().toLowerCase(),
  )
  if (code === undefined || !session.allow_promotion_codes) {
    throw invalid('This code is invalid.', 'promotion_code', 'promotion_code_invalid')
  }
  const { currency, customer } = session
  const redemption = redemptionOf(store, code, currency, customer, 'promotion_code')
  discountLines(session.line_items.data, [redemption])
  Object.assign(session, redeemed([redemption]))
  reckonSession(store, session)
}

/** The redemptions of a session, as records. */
export const sessionRedemptions = (store: Store, session: CheckoutSession): Redemption[] =>
  session.redemptions.map(({ coupon, code }) => ({
    coupon: find(store, 'coupons', coupon),
    code: code === null ? null : find(store, 'promotionCodes', code),
    kept: null,
  }))
