/**
 * A copy of one customer's part of the store, in which a request can be tried without a trace. A
 * preview and a payment that must not half happen both run the real code here, so that what they say
 * and what then happens cannot differ.
 *
 * @module
 */

import { copy } from './copy.ts'
import { createStore, find, insert, referring, type Store, type TableName } from './store.ts'

/** The tables whose records a change of a customer's subscription reads or writes. */
const OWN = ['paymentMethods', 'schedules', 'subscriptions'] as const satisfies TableName[]

/** A store of its own with what belongs to `customer`; nothing that happens in it is announced. */
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
