/**
 * The API of coupons and promotion codes. Their discounts are computed in `discounts.ts`.
 *
 * @see https://docs.stripe.com/api/coupons
 * @module
 */

import { requireCustomer } from '../customers/known-customer.ts'
import { currencyOf } from '../payments/payments.ts'
import { copy } from '../server/copy.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable } from '../server/endpoint.ts'
import { invalid, missing, noSuch, notCovered, StripeApiError } from '../server/errors.ts'
import type { Coupon, PromotionCode } from '../server/objects.ts'
import {
  change,
  emit,
  find,
  insert,
  newId,
  randomText,
  type Store,
  seconds,
} from '../server/store.ts'
import { couponValid } from './discounts.ts'

const DURATIONS = ['forever', 'once', 'repeating'] as const

function createCoupon({ store, params }: Call): Coupon {
  const id = params.text('id') ?? newId('coupons')
  if (store.tables.coupons.has(id)) {
    const message = `Coupon already exists.`
    throw new StripeApiError('resource_already_exists', 400, message, { param: 'id' })
  }
  const percent = percentOf(params.text('percent_off'))
  const amount = params.integer('amount_off')
  if ((percent === undefined) === (amount === undefined)) {
    throw invalid(
      'You must pass exactly one of `percent_off` or `amount_off`.',
      percent === undefined ? 'percent_off' : 'amount_off',
      'parameter_missing',
    )
  }
  const duration = params.choice('duration', DURATIONS) ?? 'once'
  const months = params.integer('duration_in_months') ?? null
  if (duration === 'repeating' && months === null) throw missing('duration_in_months')
  const coupon = insert(store, 'coupons', {
    id,
    object: 'coupon',
    created: seconds(store),
    livemode: false,
    amount_off: amount ?? null,
    currency: amount === undefined ? null : currencyOf(params),
    duration,
    duration_in_months: duration === 'repeating' ? months : null,
    max_redemptions: params.integer('max_redemptions') ?? null,
    metadata: params.metadata(),
    name: params.text('name', 40) ?? null,
    percent_off: percent ?? null,
    redeem_by: params.integer('redeem_by') ?? null,
    times_redeemed: 0,
    valid: true,
  })
  emit(store, 'coupon.created', coupon)
  return coupon
}

function percentOf(sent: string | null | undefined): number | undefined {
  if (!sent) return undefined
  const percent = Number(sent)
  if (percent > 0 && percent <= 100) return percent
  throw invalid('Invalid percent_off: must be above 0 and at most 100.', 'percent_off')
}

/**
 * The coupon of a new promotion code: since 2025-09-30 inside an object, before that as a parameter of its
 * own.
 */
function couponOf({ store, params, version }: Call): Coupon {
  const isNew = version.slice(0, 10) >= '2025-09-30'
  const own = isNew ? params.object('promotion') : params
  if (own === undefined) throw missing('promotion')
  if (isNew) own.only(['coupon', 'type'])
  return findCoupon(store, own.required('coupon'), own.name('coupon'))
}

/** A coupon that was not deleted. */
export function findCoupon(store: Store, id: string, param = 'id'): Coupon {
  const coupon = find(store, 'coupons', id, param)
  if (coupon.deleted) throw noSuch('coupon', id, param)
  return coupon
}

function createPromotionCode(call: Call): PromotionCode {
  const { store, params, version } = call
  const outdated = version.slice(0, 10) >= '2025-09-30' ? 'coupon' : 'promotion'
  if (params.has(outdated)) params.only(PROMOTION.filter((name) => name !== outdated))
  const coupon = couponOf(call)
  const customer = params.text('customer') ?? null
  if (customer !== null) requireCustomer(store, customer)
  const code = params.text('code') ?? randomText(8).toUpperCase()
  const isTaken = store.indexes.promotionCodes.rows.some(
    (one) => one.active && one.code.toLowerCase() === code.toLowerCase(),
  )
  if (isTaken) {
    throw new StripeApiError(
      'resource_already_exists',
      400,
      `An active promotion code with \`code: ${code}\` already exists.`,
      { param: 'code' },
    )
  }
  if (!couponValid(store, coupon)) throw invalid('The coupon is no longer valid.', 'coupon')
  if (params.has('restrictions'))
    throw notCovered('restrictions of promotion codes', 'restrictions')
  const made = insert(store, 'promotionCodes', {
    id: newId('promotionCodes'),
    object: 'promotion_code',
    created: seconds(store),
    livemode: false,
    active: params.flag('active') ?? true,
    code,
    coupon: coupon.id,
    coupon_record: coupon,
    customer,
    expires_at: params.integer('expires_at') ?? null,
    max_redemptions: params.integer('max_redemptions') ?? null,
    metadata: params.metadata(),
    restrictions: {
      first_time_transaction: false,
      minimum_amount: null,
      minimum_amount_currency: null,
    },
    times_redeemed: 0,
  })
  emit(store, 'promotion_code.created', made)
  return made
}

const PROMOTION = [
  'active',
  'code',
  'coupon',
  'customer',
  'expand',
  'expires_at',
  'max_redemptions',
  'metadata',
  'promotion',
  'restrictions',
]

export const couponEndpoints: Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/coupons',
    params: [
      'amount_off',
      'currency',
      'duration',
      'duration_in_months',
      'id',
      'max_redemptions',
      'metadata',
      'name',
      'percent_off',
      'redeem_by',
    ],
    run: createCoupon,
  },
  {
    method: 'GET',
    path: '/v1/coupons',
    params: LIST_PARAMS,
    run: (call) => listTable(call, 'coupons', '/v1/coupons', (coupon) => !coupon.deleted),
  },
  {
    method: 'GET',
    path: '/v1/coupons/:id',
    run: ({ store, id }) => findCoupon(store, id),
  },
  {
    method: 'POST',
    path: '/v1/coupons/:id',
    params: ['metadata', 'name'],
    run({ store, params, id }) {
      const coupon = findCoupon(store, id)
      const metadata = params.metadata(coupon.metadata)
      return change(store, 'coupon.updated', coupon, (current) => {
        current.metadata = metadata
        if (params.has('name')) current.name = params.text('name', 40) ?? null
      })
    },
  },
  {
    method: 'DELETE',
    path: '/v1/coupons/:id',
    isShown: true,
    run({ store, id }) {
      const coupon = findCoupon(store, id)
      coupon.valid = false
      emit(store, 'coupon.deleted', copy(coupon))
      coupon.deleted = true
      return { id, object: 'coupon', deleted: true }
    },
  },
  {
    method: 'POST',
    path: '/v1/promotion_codes',
    params: PROMOTION,
    run: createPromotionCode,
  },
  {
    method: 'GET',
    path: '/v1/promotion_codes',
    params: [...LIST_PARAMS, 'active', 'code', 'coupon', 'customer'],
    run(call) {
      const active = call.params.flag('active')
      const code = call.params.text('code')?.toLowerCase()
      const coupon = call.params.text('coupon')
      const customer = call.params.text('customer')
      return listTable(
        call,
        'promotionCodes',
        '/v1/promotion_codes',
        (one) =>
          one.active === (active ?? one.active) && (!code || one.code.toLowerCase() === code),
        { coupon, customer },
      )
    },
  },
  {
    method: 'GET',
    path: '/v1/promotion_codes/:id',
    run: ({ store, id }) => find(store, 'promotionCodes', id),
  },
  {
    method: 'POST',
    path: '/v1/promotion_codes/:id',
    params: ['active', 'metadata'],
    run({ store, params, id }) {
      const made = find(store, 'promotionCodes', id)
      const metadata = params.metadata(made.metadata)
      return change(store, 'promotion_code.updated', made, (current) => {
        current.metadata = metadata
        current.active = params.flag('active') ?? current.active
      })
    },
  },
]
