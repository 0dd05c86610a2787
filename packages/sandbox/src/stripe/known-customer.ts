/**
 * Finds a customer that exists and is not deleted.
 *
 * @module
 */

import { noSuch } from './errors.ts'
import type { Customer } from './objects.ts'
import { find, type Store } from './store.ts'

/** @throws `resource_missing`, 400, if the customer is unknown or deleted. */
export function requireCustomer(store: Store, id: string, param = 'customer'): Customer {
  const customer = find(store, 'customers', id, param)
  if (customer.deleted) throw noSuch('customer', id, param)
  return customer
}
