/**
 * What counts as an amount of money. The bounds of each currency and its minor units are in `@repo/core`.
 *
 * @module
 */

import { amountProblem, MAX_AMOUNT } from '@repo/core'
import { BillingError } from './errors.ts'

/**
 * Without `currency` the bounds are those that hold for all: a refund has its payment's currency.
 *
 * @throws `invalid_amount` unless `amount` is a whole number of minor units above 0 that can be charged in `currency`.
 */
export function requireAmount(amount: number, currency?: string): number {
  const isAny = Number.isSafeInteger(amount) && amount >= 1 && amount <= MAX_AMOUNT
  const any = isAny ? null : `must be a whole number of minor units from 1 to ${MAX_AMOUNT}`
  const problem = currency === undefined ? any : amountProblem(amount, currency)
  if (problem === null) return amount
  throw new BillingError('invalid_amount', `The amount ${problem}; it is ${amount}.`)
}

/** @throws `invalid_currency` unless it is a three-letter code. Returns it in lower case. */
export function requireCurrency(currency: string): string {
  if (typeof currency === 'string' && /^[a-z]{3}$/i.test(currency)) return currency.toLowerCase()
  throw new BillingError('invalid_currency', 'The currency must be a three-letter code.')
}
