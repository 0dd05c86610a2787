/**
 * `expand[]`: replaces ids by the named objects, and adds the few members that only expansion shows.
 *
 * @see https://docs.stripe.com/api/expanding_objects
 * @module
 */

import { copy } from './copy.ts'
import { complete } from './members.ts'
import { isNewShape, isPlain, type Shown, show } from './shapes.ts'
import { find, referring, type Store, tableOf } from './store.ts'

/** The members that only `expand[]` adds to a record. */
function includable(store: Store, value: Shown, key: string, version: string): unknown {
  if (typeof value.id !== 'string') return undefined
  if (value.object === 'checkout.session' && key === 'line_items') {
    const { line_items: list } = find(store, 'sessions', value.id)
    return { ...list, data: list.data.map((item) => show(item, version)) }
  }
  if (value.object === 'invoice' && isNewShape(version) && key === 'payments') {
    const own = referring(store, 'invoicePayments', 'invoice', value.id)
    const data = own.map((payment) => show(payment, version))
    return { object: 'list', data, has_more: false, url: '/v1/invoice_payments' }
  }
  if (value.object === 'invoice' && isNewShape(version) && key === 'amount_paid_off_stripe') {
    return find(store, 'invoices', value.id).paid_off_stripe
  }
  if (value.object === 'invoice' && isNewShape(version) && key === 'confirmation_secret') {
    const intent = find(store, 'invoices', value.id).payment_intent
    if (intent === null) return null
    const secret = find(store, 'paymentIntents', intent).client_secret
    return { type: 'payment_intent', client_secret: secret }
  }
  if (value.object === 'charge' && key === 'dispute') {
    return find(store, 'charges', value.id).dispute
  }
  if (value.object === 'charge' && key === 'refunds') {
    const data = referring(store, 'refunds', 'charge', value.id).toReversed()
    return { object: 'list', data, has_more: false, url: `/v1/charges/${value.id}/refunds` }
  }
  if (value.object === 'customer' && key === 'tax') return taxOf(store, value.id, version)
  if (value.object === 'customer' && key === 'invoice_credit_balance') {
    const { balance, currency } = find(store, 'customers', value.id)
    return balance === 0 || currency === null ? {} : { [currency]: balance }
  }
  if (value.object === 'customer' && key === 'subscriptions') {
    const own = referring(store, 'subscriptions', 'customer', value.id).filter(
      (subscription) => subscription.status !== 'canceled',
    )
    const data = own.reverse().map((subscription) => show(subscription, version))
    return { object: 'list', data, has_more: false, url: `/v1/customers/${value.id}/subscriptions` }
  }
  return undefined
}

/** The customer's location, for automatic tax. */
function taxOf(store: Store, id: string, version: string): Shown {
  const { address } = find(store, 'customers', id)
  const { country, state = null } = address ?? {}
  const collects = store.settings.taxRegistration === null ? 'not_collecting' : 'supported'
  return {
    automatic_tax: country ? collects : 'unrecognized_location',
    ip_address: null,
    location: country ? { country, source: 'billing_address', state } : null,
    ...(isNewShape(version) ? { provider: 'stripe' } : {}),
  }
}

/** The same in the form of the response's version. */
function included(store: Store, value: Shown, key: string, version: string): unknown {
  const member = copy(includable(store, value, key, version))
  return isPlain(member) ? complete(member, isNewShape(version)) : member
}

/**
 * Replaces the ids along `path` by the named objects, in place. The path was checked before. If it leads to
 * nothing here, such as a null member, the response is unchanged.
 */
export function expand(store: Store, value: Shown, path: string, version: string): void {
  expandKeys(store, value, path.split('.'), version)
}

function expandKeys(store: Store, value: Shown, keys: string[], version: string): void {
  const [key, ...rest] = keys
  if (key === undefined) return
  const member = key in value ? value[key] : included(store, value, key, version)
  if (member === undefined) return
  const shown = Array.isArray(member)
    ? member.map((one: unknown) => referred(store, key, one, version))
    : referred(store, key, member, version)
  value[key] = shown
  for (const next of Array.isArray(shown) ? shown : [shown]) {
    if (isPlain(next)) expandKeys(store, next, rest, version)
  }
}

/** The object that a member or a list element names. */
function referred(store: Store, key: string, member: unknown, version: string): unknown {
  if (typeof member !== 'string') return member
  // The creator chooses a coupon's id, so it has no prefix to recognise it by.
  const table = key === 'coupon' ? 'coupons' : tableOf(member)
  return table === undefined ? member : show(copy(find(store, table, member)), version)
}
