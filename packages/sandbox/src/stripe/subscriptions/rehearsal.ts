/**
 * Copies one customer's part of the store, so that a request can be tried without effect. A preview, and a
 * payment that must not happen halfway, both run the real code on the copy, so that the result is the same as
 * in the store.
 *
 * @module
 */

import { copy } from '../server/copy.ts'
import {
  createStore,
  find,
  insert,
  referring,
  type Store,
  type TableName,
} from '../server/store.ts'

/** The tables that a change of a customer's subscription reads or writes. */
const OWN = ['paymentMethods', 'schedules', 'subscriptions'] as const satisfies TableName[]

/** Creates a separate store with the records of `customer`. No event leaves it. */
export function rehearsalOf(store: Store, customer: string): Store {
  const { clock, apiVersion, settings } = store
  const made = createStore({ clock, apiVersion, settings, onEvent() {} })
  made.origin = store.origin
  // The catalogue is only read.
  made.tables.prices = store.tables.prices
  made.tables.products = store.tables.products
  for (const table of ['coupons', 'discounts', 'promotionCodes'] as const) {
    for (const record of store.tables[table].values()) insert(made, table, copy(record) as never)
  }
  insert(made, 'customers', copy(find(store, 'customers', customer, 'customer')))
  for (const table of OWN) {
    for (const record of referring(store, table, 'customer', customer)) {
      insert(made, table, copy(record) as never)
    }
  }
  for (const { latest_invoice } of made.indexes.subscriptions.rows) {
    const invoice = store.tables.invoices.get(latest_invoice ?? '')
    if (invoice === undefined) continue
    insert(made, 'invoices', copy(invoice))
    const intent = store.tables.paymentIntents.get(invoice.payment_intent ?? '')
    if (intent !== undefined) insert(made, 'paymentIntents', copy(intent))
    for (const payment of referring(store, 'invoicePayments', 'invoice', invoice.id)) {
      insert(made, 'invoicePayments', copy(payment))
    }
  }
  return made
}
