/**
 * The API for new subscriptions.
 *
 * @see https://docs.stripe.com/api/subscriptions/create
 * @module
 */

import { asDiscounts, redemptionsOf, takeOff } from '../catalog/discounts.ts'
import { automaticTaxOf, ratesAsked, requirePlace } from '../catalog/taxes.ts'
import { requireCustomer } from '../customers/known-customer.ts'
import { defaultCard } from '../invoices/invoices.ts'
import type { Call } from '../server/endpoint.ts'
import { invalid, missing } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Subscription } from '../server/objects.ts'
import type { Store } from '../server/store.ts'
import type { ItemDraft } from './subscription-draft.ts'
import { beginSubscription, endSubscription } from './subscription-life.ts'
import {
  billingModeOf,
  cardOf,
  missingPaymentMethodOf,
  quantityOf,
  recurringPrice,
  refuseSent,
  trialEndOf,
} from './subscription-params.ts'

function itemDrafts(store: Store, params: Params): ItemDraft[] {
  const drafts = params.objects('items').map((item) => {
    item.only(['metadata', 'price', 'quantity', 'tax_rates'])
    return {
      price: recurringPrice(store, item.required('price'), item.name('price')),
      quantity: quantityOf(item),
      metadata: item.metadata(),
      taxRates: ratesAsked(store, item, 'tax_rates') ?? [],
    }
  })
  if (drafts.length === 0) throw missing('items')
  return drafts
}

const BEHAVIOURS = [
  'allow_incomplete',
  'default_incomplete',
  'error_if_incomplete',
  'pending_if_incomplete',
] as const

/**
 * Creates the subscription that a request asks for. A preview also runs this function.
 *
 * @throws `card_declined` and the other card errors if the behaviour is `error_if_incomplete`
 */
export function createSubscription({ store, params, version }: Call): Subscription {
  const customer = requireCustomer(store, params.required('customer'))
  refuseSent(params)
  const items = itemDrafts(store, params)
  const behaviour = params.choice('payment_behavior', BEHAVIOURS) ?? 'allow_incomplete'
  const isCancelled = params.flag('cancel_at_period_end') ?? false
  const mode = params.object('billing_mode')?.choice('type', ['classic', 'flexible'] as const)
  const save = params
    .object('payment_settings')
    ?.choice('save_default_payment_method', ['off', 'on_subscription'] as const)
  const isTaxed = automaticTaxOf(params) ?? false
  if (isTaxed) requirePlace(store, customer.id)
  const draft = {
    customer: customer.id,
    defaultTaxRates: ratesAsked(store, params, 'default_tax_rates') ?? [],
    isTaxed,
    items,
    metadata: params.metadata(),
    description: params.text('description') ?? null,
    trialEnd: trialEndOf(store, params),
    cancelAtPeriodEnd: isCancelled,
    cancelAt: params.integer('cancel_at') ?? null,
    saveDefaultPaymentMethod: save ?? 'off',
    missingPaymentMethod: missingPaymentMethodOf(params) ?? 'create_invoice',
    billingMode: mode ?? billingModeOf(version),
    redemptions: redemptionsOf(store, params, items[0]?.price.currency ?? '', customer.id) ?? [],
  }
  const card = cardOf(store, params, customer.id)
  const amounts = items.map(({ price, quantity }) => price.unit_amount * quantity)
  const off = takeOff(amounts, asDiscounts(draft.redemptions)).total
  const isDue = draft.trialEnd === null && amounts.reduce((sum, one) => sum + one, 0) > off
  const isDeferred = behaviour === 'default_incomplete'
  const paying = card ?? defaultCard(store, customer.id)
  if (isDue && !isDeferred && paying === null) {
    throw invalid(
      'This customer has no attached payment source or default payment method. Please consider adding a default payment method.',
      'customer',
      'resource_missing',
    )
  }
  const { subscription, refused } = beginSubscription(
    store,
    { ...draft, defaultPaymentMethod: card?.id ?? null },
    { card: paying, isPresent: false, isDeferred },
  )
  // Stripe would create no subscription here. Ours ends at once, and the caller sees no difference.
  if (refused !== null && behaviour === 'error_if_incomplete') {
    endSubscription(store, subscription, 'payment_failed')
    throw refused
  }
  return subscription
}
