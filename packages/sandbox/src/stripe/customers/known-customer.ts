/**
 * Finds a customer that exists and is not deleted.
 *
 * @module
 */

import { noSuch } from '../server/errors.ts'
import type { Customer } from '../server/objects.ts'
import { find, type Store } from '../server/store.ts'

/** @throws `resource_missing`, 400, if the customer is unknown or deleted. */
export function requireCustomer(store: Store, id: string, param = 'customer'): Customer {
  const customer = find(store, 'customers', id, param)
  if (customer.deleted) throw noSuch('customer', id, param)
  return customer
}
