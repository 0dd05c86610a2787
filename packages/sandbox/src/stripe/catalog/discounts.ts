/**
 * Discounts of coupons: they are redeemed for a subscription or a checkout, applied to an invoice's lines in
 * order, and removed when they end.
 *
 * @see https://docs.stripe.com/billing/subscriptions/coupons
 * @module
 */

import { copy } from '../server/copy.ts'
import { invalid, noSuch, StripeApiError } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Coupon, Discount, PromotionCode, Subscription } from '../server/objects.ts'
import { emit, find, insert, newId, type Store, seconds } from '../server/store.ts'
import { monthsAfter } from '../subscriptions/periods.ts'

/** Whether a coupon can still be redeemed. */
export function couponValid(store: Store, coupon: Coupon): boolean {
  const isOver = coupon.redeem_by !== null && coupon.redeem_by <= seconds(store)
  const isSpent = coupon.max_redemptions !== null && coupon.times_redeemed >= coupon.max_redemptions
  return !coupon.deleted && !isOver && !isSpent
}

/** A redemption that a request asks for: a coupon, with the promotion code if one was given. */
export interface Redemption {
  coupon: Coupon
  code: PromotionCode | null
  /** An existing discount that stays. */
  kept: Discount | null
}

/**
 * The redemptions in the parameter `discounts`: undefined if it was not sent, empty if it was cleared.
 *
 * @throws `coupon_expired`, `promotion_code` errors and `resource_missing`, 400
 */
export function redemptionsOf(
  store: Store,
  params: Params,
  currency: string,
  customer: string | null,
): Redemption[] | undefined {
  if (params.clears('discounts')) return []
  if (!params.has('discounts')) return undefined
  const wanted = params.objects('discounts').map((entry): Redemption => {
    entry.only(['coupon', 'discount', 'promotion_code'])
    const named = entry.keys()
    if (named.length !== 1) {
      throw invalid(
        'You must pass exactly one of `coupon`, `discount` or `promotion_code`.',
        entry.name(named[1] ?? 'coupon'),
      )
    }
    if (entry.has('discount')) {
      const kept = find(store, 'discounts', entry.required('discount'), entry.name('discount'))
      return { coupon: kept.coupon, code: null, kept }
    }
    if (entry.has('coupon')) {
      const param = entry.name('coupon')
      const coupon = find(store, 'coupons', entry.required('coupon'), param)
      return { coupon: redeemable(store, coupon, currency, param), code: null, kept: null }
    }
    const param = entry.name('promotion_code')
    const code = find(store, 'promotionCodes', entry.required('promotion_code'), param)
    return redemptionOf(store, code, currency, customer, param)
  })
  const coupons = new Set(wanted.map(({ coupon }) => coupon.id))
  if (coupons.size === wanted.length) return wanted
  throw invalid('The same coupon cannot be used more than once.', 'discounts')
}

/** The coupon of a promotion code, if the customer may redeem it now. */
export function redemptionOf(
  store: Store,
  code: PromotionCode,
  currency: string,
  customer: string | null,
  param: string,
): Redemption {
  const coupon = find(store, 'coupons', code.coupon)
  const isOver = code.expires_at !== null && code.expires_at <= seconds(store)
  const isSpent = code.max_redemptions !== null && code.times_redeemed >= code.max_redemptions
  const isOthers = code.customer !== null && code.customer !== customer
  if (!code.active || isOver || isSpent || isOthers) {
    throw invalid('This promotion code is invalid.', param, 'promotion_code_invalid')
  }
  return { coupon: redeemable(store, coupon, currency, param), code, kept: null }
}

function redeemable(store: Store, coupon: Coupon, currency: string, param: string): Coupon {
  if (coupon.deleted) throw noSuch('coupon', coupon.id, param)
  if (!couponValid(store, coupon)) {
    throw new StripeApiError('coupon_expired', 400, `Coupon expired: ${coupon.id}`, { param })
  }
  if (coupon.currency === null || coupon.currency === currency) return coupon
  throw invalid(`The coupon is in ${coupon.currency}, and the price in ${currency}.`, param)
}

/** Redeems for a subscription or for a session. A kept discount stays the same record. */
export function redeem(
  store: Store,
  redemptions: readonly Redemption[],
  whose: { customer: string | null; subscription?: string; session?: string },
): string[] {
  return redemptions.map(({ coupon, code, kept }) => {
    if (kept !== null) return kept.id
    coupon.times_redeemed += 1
    if (code !== null) code.times_redeemed += 1
    const now = seconds(store)
    const made = insert(store, 'discounts', {
      id: newId('discounts'),
      object: 'discount',
      created: now,
      checkout_session: whose.session ?? null,
      coupon: copy(coupon),
      customer: whose.customer,
      end:
        coupon.duration === 'repeating' ? monthsAfter(now, coupon.duration_in_months ?? 1) : null,
      invoice: null,
      invoice_item: null,
      promotion_code: code?.id ?? null,
      start: now,
      subscription: whose.subscription ?? null,
      subscription_item: null,
    })
    if (whose.subscription) emit(store, 'customer.discount.created', made)
    return made.id
  })
}

/** Converts redemptions to discounts that are not stored yet, for computing. */
export const asDiscounts = (redemptions: readonly Redemption[]): { id: string; coupon: Coupon }[] =>
  redemptions.map(({ coupon }) => ({ id: coupon.id, coupon }))

/** The amounts that discounts take off lines. */
export interface TakenOff {
  /** For each line, and within it for each discount. */
  lines: { amount: number; discount: string }[][]
  /** For each discount. */
  totals: { amount: number; discount: string }[]
  total: number
}

/** Applies discounts to amounts; each discount applies to what the one before it left. */
export function takeOff(
  amounts: readonly number[],
  discounts: readonly { id: string; coupon: Coupon }[],
): TakenOff {
  const left = amounts.map((amount) => Math.max(0, amount))
  const lines: TakenOff['lines'] = amounts.map(() => [])
  const totals = discounts.map(({ id, coupon }) => {
    let rest = coupon.amount_off ?? Number.POSITIVE_INFINITY
    let taken = 0
    for (const [index, amount] of left.entries()) {
      const share = Math.round((amount * (coupon.percent_off ?? 100)) / 100)
      const part = Math.min(share, rest)
      if (part === 0) continue
      left[index] = amount - part
      rest -= part
      taken += part
      lines[index]?.push({ amount: part, discount: id })
    }
    return { amount: taken, discount: id }
  })
  return { lines, totals, total: totals.reduce((sum, { amount }) => sum + amount, 0) }
}

/** Sets a subscription's discounts. The old shape shows the first one as an object. */
export function setDiscounts(store: Store, subscription: Subscription, ids: string[]): void {
  subscription.discounts = ids
  subscription.first_discount = ids[0] === undefined ? null : find(store, 'discounts', ids[0])
}

/** A subscription's discounts that are still valid at a time. */
export const discountsOf = (store: Store, subscription: Subscription, at: number): Discount[] =>
  subscription.discounts
    .map((id) => find(store, 'discounts', id))
    .filter(({ end }) => end === null || end > at)

/** The fraction of a price that remains after a subscription's percentage discounts, from 0 to 1. */
export const shareLeft = (store: Store, subscription: Subscription, at: number): number =>
  discountsOf(store, subscription, at).reduce(
    (share, { coupon }) => share * (1 - (coupon.percent_off ?? 0) / 100),
    1,
  )

/** Removes expired discounts, and those that an invoice has used up. */
export function spend(store: Store, subscription: Subscription, taken: TakenOff): void {
  const used = new Set(taken.totals.filter(({ amount }) => amount > 0).map((one) => one.discount))
  const now = seconds(store)
  const left = subscription.discounts.filter((id) => {
    const { coupon, end } = find(store, 'discounts', id)
    const isUsedUp = coupon.duration === 'once' && used.has(id)
    return !isUsedUp && (end === null || end > now)
  })
  if (left.length < subscription.discounts.length) setDiscounts(store, subscription, left)
}
