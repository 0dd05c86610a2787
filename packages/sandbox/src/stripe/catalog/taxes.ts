/**
 * Computes taxes on amounts: by the host's rates, or by the account's registration if automatic tax is on. An
 * inclusive tax is part of the amount. An exclusive tax is added, and is computed on the amount without the
 * inclusive taxes.
 *
 * @see https://docs.stripe.com/billing/taxes/tax-rates
 * @module
 */

import type { Price } from '../server/base-objects.ts'
import { copy } from '../server/copy.ts'
import { invalid } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Subscription, Tax, TaxRate } from '../server/objects.ts'
import { find, insert, newId, type Store, seconds } from '../server/store.ts'

/** The taxes on an amount, each rounded separately. */
export function taxesOn(amount: number, rates: readonly TaxRate[]): Tax[] {
  const included = rates.filter(({ inclusive }) => inclusive)
  const percent = included.reduce((sum, { percentage }) => sum + percentage, 0)
  const net = rounded(amount / (1 + percent / 100))
  let left = amount - net
  const inside = included.map((rate, index): Tax => {
    // The last tax gets the rounding difference, so that the sum is exact.
    const isLast = index === included.length - 1
    const part = isLast ? left : rounded((net * rate.percentage) / 100)
    left -= part
    return taxOf(rate, part, net)
  })
  const onTop = rates
    .filter(({ inclusive }) => !inclusive)
    .map((rate) => taxOf(rate, rounded((net * rate.percentage) / 100), net))
  return [...inside, ...onTop]
}

/** Rounds half a unit away from zero, so that a credit equals its charge. */
const rounded = (amount: number): number => Math.sign(amount) * Math.round(Math.abs(amount)) || 0

const taxOf = ({ id, inclusive, is_automatic }: TaxRate, amount: number, net: number): Tax => ({
  amount,
  inclusive,
  tax_rate: id,
  taxable_amount: net,
  is_automatic,
})

/** The sum of the inclusive or of the exclusive taxes. */
export const sumOf = (taxes: readonly Tax[], inclusive: boolean): number =>
  taxes.reduce((sum, tax) => sum + (tax.inclusive === inclusive ? tax.amount : 0), 0)

/** The taxes of lines, summed for each rate. */
export function totalTaxes(lines: readonly (readonly Tax[])[]): Tax[] {
  const totals = new Map<string, Tax>()
  for (const tax of lines.flat()) {
    const same = totals.get(tax.tax_rate)
    if (same === undefined) totals.set(tax.tax_rate, { ...tax })
    else {
      same.amount += tax.amount
      same.taxable_amount += tax.taxable_amount
    }
  }
  return [...totals.values()]
}

/** The rates of a subscription's line: those of its item, else the subscription's, else by the registration. */
export function ratesOf(
  store: Store,
  subscription: Subscription,
  line: { item: string | null; price: Price },
): readonly TaxRate[] {
  const item = subscription.items.data.find(({ id }) => id === line.item)
  if (item && item.tax_rates.length > 0) return item.tax_rates
  if (subscription.default_tax_rates.length > 0) return subscription.default_tax_rates
  return subscription.automatic_tax.enabled ? automaticRates(store, line.price) : []
}

/** The rate of the account's registration, in the price's tax behaviour; none without a registration. */
export function automaticRates(store: Store, price: Price): TaxRate[] {
  const { taxRegistration: registration } = store.settings
  if (registration === null) return []
  const inclusive = price.tax_behavior === 'inclusive'
  const { percentage, country } = registration
  const known = store.indexes.taxRates.rows.find(
    (rate) =>
      rate.is_automatic &&
      rate.inclusive === inclusive &&
      rate.percentage === percentage &&
      rate.country === country,
  )
  return [known ?? makeRate(store, { percentage, country, inclusive, is_automatic: true })]
}

/** Creates a rate. */
export function makeRate(
  store: Store,
  fields: Pick<TaxRate, 'inclusive' | 'percentage'> & Partial<TaxRate>,
): TaxRate {
  return insert(store, 'taxRates', {
    id: newId('taxRates'),
    object: 'tax_rate',
    created: seconds(store),
    livemode: false,
    active: true,
    country: null,
    description: null,
    display_name: 'Tax',
    effective_percentage: fields.percentage,
    flat_amount: null,
    jurisdiction: fields.country ?? null,
    jurisdiction_level: fields.country ? 'country' : null,
    metadata: {},
    rate_type: 'percentage',
    state: null,
    tax_type: null,
    is_automatic: false,
    ...fields,
  })
}

/** The rates that a request names; undefined if it does not say. */
export function ratesAsked(store: Store, params: Params, key: string): TaxRate[] | undefined {
  if (!params.has(key)) return undefined
  return params.strings(key).map((id, index) => {
    const rate = find(store, 'taxRates', id, `${params.name(key)}[${index}]`)
    if (rate.active) return copy(rate)
    throw invalid(`The tax rate ${id} is not active.`, `${params.name(key)}[${index}]`)
  })
}

/** Whether a request turns automatic tax on; undefined if it does not say. */
export function automaticTaxOf(params: Params | undefined): boolean | undefined {
  const automatic = params?.object('automatic_tax')
  automatic?.only(['enabled', 'liability'])
  return automatic?.flag('enabled')
}

/** The subscription's member for automatic tax. */
export const automaticTax = (enabled: boolean): Subscription['automatic_tax'] => ({
  enabled,
  liability: enabled ? { type: 'self' } : null,
})

/**
 * Refuses automatic tax for a customer without a known location.
 *
 * @throws `customer_tax_location_invalid`
 */
export function requirePlace(store: Store, customer: string): void {
  const { address } = find(store, 'customers', customer, 'customer')
  if (address?.country) return
  throw invalid(
    "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.",
    'automatic_tax[enabled]',
    'customer_tax_location_invalid',
  )
}
