/**
 * Checks of amounts and currencies. The bounds of each currency and its minor units are in `@repo/core`.
 *
 * @module
 */

import { amountProblem, MAX_AMOUNT } from '@repo/core'
import { BillingError } from './errors.ts'

/**
 * Returns `amount`. Without `currency`, as for a refund, only the bounds that all currencies share are checked.
 *
 * @throws `invalid_amount` unless `amount` is a whole number of minor units above 0 that can be charged in `currency`.
 */
export function requireAmount(amount: number, currency?: string): number {
  const isAny = Number.isSafeInteger(amount) && amount >= 1 && amount <= MAX_AMOUNT
  const any = isAny ? null : `must be a whole number of minor units from 1 to ${MAX_AMOUNT}`
  const problem = currency === undefined ? any : amountProblem(amount, currency)
  if (problem === null) return amount
  throw new BillingError('invalid_amount', `The amount ${problem}, not ${amount}.`)
}

/** Returns `currency` in lower case. @throws `invalid_currency` unless it is a three-letter code. */
export function requireCurrency(currency: string): string {
  if (typeof currency === 'string' && /^[a-z]{3}$/i.test(currency)) return currency.toLowerCase()
  throw new BillingError(
    'invalid_currency',
    'The currency must be a three-letter code, such as usd.',
  )
}
