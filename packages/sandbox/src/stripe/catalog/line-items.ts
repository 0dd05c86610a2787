/**
 * The line items of a Checkout Session, each with a price and a quantity.
 *
 * @module
 */

import { checkAmount } from '../payments/payments.ts'
import type { Price } from '../server/base-objects.ts'
import { copy } from '../server/copy.ts'
import { invalid, missing, notCovered } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { CheckoutSession, LineItem } from '../server/objects.ts'
import { find, innerId, type Store } from '../server/store.ts'
import { quantityOf } from '../subscriptions/subscription-params.ts'
import { inlinePrice } from './catalog.ts'
import { ratesAsked } from './taxes.ts'

/** The lines of a request, each with its price. */
export function lineItems(store: Store, params: Params, mode: CheckoutSession['mode']): LineItem[] {
  const lines = params.objects('line_items')
  if (lines.length === 0) throw missing('line_items')
  return lines.map((line) => {
    if (line.has('dynamic_tax_rates')) {
      throw notCovered('dynamic tax rates', line.name('dynamic_tax_rates'))
    }
    line.only([
      'adjustable_quantity',
      'dynamic_tax_rates',
      'metadata',
      'price',
      'price_data',
      'quantity',
      'tax_rates',
    ])
    const quantity = quantityOf(line, 1)
    const price = priceOf(store, line)
    if (mode === 'payment' && price.recurring !== null) {
      throw invalid(
        'You specified `payment` mode but passed a recurring price.',
        line.name('price'),
      )
    }
    const total = price.unit_amount * quantity
    return {
      id: innerId('li_'),
      object: 'item',
      amount_discount: 0,
      amount_subtotal: total,
      amount_tax: 0,
      amount_total: total,
      currency: price.currency,
      description: store.tables.products.get(price.product)?.name ?? price.nickname ?? price.id,
      price: copy(price),
      quantity,
      tax_rates: ratesAsked(store, line, 'tax_rates') ?? [],
    }
  })
}

function priceOf(store: Store, line: Params): Price {
  const named = line.text('price')
  const data = line.object('price_data')
  if (named && data)
    throw invalid(
      'You may only specify one of these parameters: price, price_data.',
      line.name('price'),
    )
  if (data) return inlinePrice(store, data)
  const price = find(store, 'prices', line.required('price'), line.name('price'))
  if (price.active) return price
  throw invalid(
    'The price specified is inactive. This field only accepts active prices.',
    line.name('price'),
  )
}

/** Refuses lines that cannot be sold together in the mode. `amount` is their sum. */
export function checkItems(items: LineItem[], mode: CheckoutSession['mode'], amount: number): void {
  const currency = items[0]?.currency ?? 'usd'
  if (items.some((item) => item.currency !== currency)) {
    throw invalid('All line items must have the same currency.', 'line_items')
  }
  if (mode === 'payment') {
    // An order may also cost nothing.
    if (amount > 0) checkAmount(amount, currency, 'line_items')
    return
  }
  const recurring = items.filter((item) => item.price.recurring !== null)
  if (recurring.length === 0) {
    throw invalid(
      'You must provide at least one recurring price in `subscription` mode.',
      'line_items',
    )
  }
  if (recurring.length < items.length) {
    throw invalid(
      'The sandbox does not cover one-time prices in `subscription` mode.',
      'line_items',
    )
  }
}
