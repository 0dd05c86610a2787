/**
 * The kinds of plans and products, which are checked before their values are.
 *
 * @module
 */

import {
  aBoolean,
  aNumber,
  aString,
  eitherOf,
  objectOf,
  oneOf,
  optionProblem,
  recordOf,
  required,
} from '@repo/core'
import { BillingError } from '../errors.ts'
import { PRODUCT_ID_PROVIDERS } from '../provider-name.ts'

const price = objectOf({
  lookupKey: required(aString),
  amount: required(aNumber),
  currency: required(aString),
})

const plan = objectOf({
  name: required(aString),
  prices: objectOf({ month: price, year: price }),
  trialDays: aNumber,
  trialNeedsCard: aBoolean,
  credits: objectOf({
    amount: required(aNumber),
    rollover: required(
      eitherOf(
        { ...aString, give: 'none, unlimited' },
        objectOf({ max: required(aNumber) }, '{ max }'),
      ),
    ),
    creditType: aString,
    priority: aNumber,
  }),
})

const ids = objectOf({ production: aString, test: aString })

const product = objectOf({
  name: required(aString),
  amount: required(aNumber),
  currency: required(aString),
  credits: aNumber,
  productIds: objectOf(Object.fromEntries(PRODUCT_ID_PROVIDERS.map((name) => [name, ids]))),
  plan: aString,
  interval: oneOf('month', 'year'),
})

/** Plans by name. */
export const somePlans = recordOf(plan, 'an object with plans by name')

/** Products by SKU. */
export const someProducts = recordOf(product, 'an object with products by SKU')

/** Checks the kinds of plans. `of` names the caller's function. @throws `invalid_options` */
export function requirePlanKinds(of: string, plans: unknown): void {
  const problem = optionProblem(of, { plans: required(somePlans) }, { plans })
  if (problem !== null) throw new BillingError('invalid_options', problem)
}

/** Checks the kinds of products. `of` names the caller's function. @throws `invalid_options` */
export function requireProductKinds(of: string, products: unknown): void {
  const problem = optionProblem(of, { products: required(someProducts) }, { products })
  if (problem !== null) throw new BillingError('invalid_options', problem)
}
