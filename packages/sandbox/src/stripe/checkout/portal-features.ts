/**
 * The features of a portal configuration, checked as they are sent. A feature that is not named is off.
 *
 * @see https://docs.stripe.com/api/customer_portal/configurations
 * @module
 */

import { invalid, missing, notCovered } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import { find, type Store } from '../server/store.ts'
import { PRORATIONS } from '../subscriptions/prorations.ts'
import { CANCELLATION_REASONS } from '../subscriptions/subscription-params.ts'
import { MODES, off, type PortalFeatures, type PortalProduct } from './portal-objects.ts'

const UPDATES = ['address', 'email', 'name', 'phone', 'shipping', 'tax_id'] as const
const PLAYED_UPDATES = ['email', 'name', 'phone'] as const
const SUBSCRIPTION_UPDATES = ['price', 'promotion_code', 'quantity'] as const

/** The features of a request, merged into the previous ones. */
export function featuresOf(store: Store, params: Params, before = off()): PortalFeatures {
  const sent = params.object('features')
  if (sent === undefined) return before
  sent.only(Object.keys(before))
  const pause = sent.object('subscription_pause')
  if (pause && isEnabled(pause)) throw notCovered('pausing in the portal', pause.name('enabled'))
  const customer = sent.object('customer_update')
  const invoices = sent.object('invoice_history')
  const card = sent.object('payment_method_update')
  const cancel = sent.object('subscription_cancel')
  const update = sent.object('subscription_update')
  card?.only(['enabled', 'payment_method_configuration'])
  invoices?.only(['enabled'])
  return {
    ...before,
    ...(customer ? { customer_update: customerUpdate(customer) } : {}),
    ...(invoices ? { invoice_history: { enabled: isEnabled(invoices) } } : {}),
    ...(card
      ? { payment_method_update: { enabled: isEnabled(card), payment_method_configuration: null } }
      : {}),
    ...(cancel ? { subscription_cancel: cancellation(cancel) } : {}),
    ...(update ? { subscription_update: subscriptionUpdate(store, update) } : {}),
  }
}

function isEnabled(feature: Params): boolean {
  const enabled = feature.flag('enabled')
  if (enabled === undefined) throw missing(feature.name('enabled'))
  return enabled
}

/** A list whose values must be among `options`. */
function listOf(params: Params, key: string, options: readonly string[]): string[] {
  return params.strings(key).map((value, index) => {
    if (options.includes(value)) return value
    const name = `${params.name(key)}[${index}]`
    throw invalid(`Invalid ${name}: must be one of ${options.join(', ')}`, name)
  })
}

function customerUpdate(feature: Params): PortalFeatures['customer_update'] {
  feature.only(['allowed_updates', 'enabled'])
  const enabled = isEnabled(feature)
  const allowed_updates = listOf(feature, 'allowed_updates', UPDATES)
  const other = allowed_updates.find((one) => !PLAYED_UPDATES.some((played) => played === one))
  if (enabled && other) {
    throw notCovered(`the ${other} in the portal`, feature.name('allowed_updates'))
  }
  return { enabled, allowed_updates }
}

function cancellation(feature: Params): PortalFeatures['subscription_cancel'] {
  feature.only(['cancellation_reason', 'enabled', 'mode', 'proration_behavior'])
  const prorated = feature.choice('proration_behavior', PRORATIONS) ?? 'none'
  if (prorated !== 'none') {
    throw notCovered('a credit at the end', feature.name('proration_behavior'))
  }
  const reason = feature.object('cancellation_reason')
  return {
    enabled: isEnabled(feature),
    mode: feature.choice('mode', MODES) ?? 'at_period_end',
    proration_behavior: prorated,
    cancellation_reason: {
      enabled: reason ? isEnabled(reason) : false,
      feedback_options: null,
      options: reason ? listOf(reason, 'options', CANCELLATION_REASONS) : [],
    },
  }
}

function subscriptionUpdate(store: Store, feature: Params): PortalFeatures['subscription_update'] {
  for (const name of ['billing_cycle_anchor', 'schedule_at_period_end', 'trial_update_behavior']) {
    if (feature.has(name)) throw notCovered(`\`${name}\` of the portal`, feature.name(name))
  }
  feature.only(['default_allowed_updates', 'enabled', 'products', 'proration_behavior'])
  const enabled = isEnabled(feature)
  const products = feature.objects('products').map((each): PortalProduct => {
    each.only(['adjustable_quantity', 'prices', 'product'])
    const quantity = each.object('adjustable_quantity')
    quantity?.only(['enabled', 'maximum', 'minimum'])
    const { id } = find(store, 'products', each.required('product'), each.name('product'))
    const prices = each.strings('prices').map((price, index) => {
      const param = `${each.name('prices')}[${index}]`
      const own = find(store, 'prices', price, param)
      if (own.product === id) return own.id
      throw invalid(`The price ${price} does not belong to the product ${id}.`, param)
    })
    return {
      product: id,
      prices,
      adjustable_quantity: {
        enabled: quantity ? isEnabled(quantity) : false,
        maximum: quantity?.integer('maximum') ?? null,
        minimum: quantity?.integer('minimum') ?? 1,
      },
    }
  })
  const updates = listOf(feature, 'default_allowed_updates', SUBSCRIPTION_UPDATES)
  if (enabled && updates.includes('promotion_code')) {
    throw notCovered('promotion codes in the portal', feature.name('default_allowed_updates'))
  }
  if (enabled && products.length === 0) throw missing(feature.name('products'))
  return {
    ...off().subscription_update,
    enabled,
    default_allowed_updates: updates,
    products,
    proration_behavior: feature.choice('proration_behavior', PRORATIONS) ?? 'none',
  }
}
