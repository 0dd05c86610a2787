/**
 * What counts as an amount of money.
 *
 * @module
 */

import { BillingError } from './errors.ts'

/** Eight digits: the most Stripe and Creem take in most currencies. */
const MAX_AMOUNT = 99_999_999

/** @throws `invalid_amount` unless `amount` is a whole number of minor units above 0. */
export function requireAmount(amount: number): number {
  if (Number.isSafeInteger(amount) && amount >= 1 && amount <= MAX_AMOUNT) return amount
  throw new BillingError(
    'invalid_amount',
    `The amount must be a whole number of minor units from 1 to ${MAX_AMOUNT}, not ${amount}.`,
  )
}

/** @throws `invalid_currency` unless it is a three-letter code. Returns it in lower case. */
export function requireCurrency(currency: string): string {
  if (typeof currency === 'string' && /^[a-z]{3}$/i.test(currency)) return currency.toLowerCase()
  throw new BillingError('invalid_currency', 'The currency must be a three-letter code.')
}
