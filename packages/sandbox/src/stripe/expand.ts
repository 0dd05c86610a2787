/**
 * `expand[]`: ids replaced by what they name, and the few members that only expansion adds.
 *
 * @see https://docs.stripe.com/api/expanding_objects
 * @module
 */

import { copy } from './copy.ts'
import { invalid } from './errors.ts'
import { complete } from './members.ts'
import { invoicePayments, isNewShape, isPlain, type Shown, show } from './shapes.ts'
import { find, referring, type Store, tableOf } from './store.ts'

/** What only `expand[]` adds to a record. */
function includable(store: Store, value: Shown, key: string, version: string): unknown {
  if (typeof value.id !== 'string') return undefined
  if (value.object === 'checkout.session' && key === 'line_items') {
    return find(store, 'sessions', value.id).line_items
  }
  if (value.object === 'invoice' && isNewShape(version) && key === 'payments') {
    const data = invoicePayments(find(store, 'invoices', value.id))
    return { object: 'list', data, has_more: false, url: '/v1/invoice_payments' }
  }
  if (value.object === 'invoice' && isNewShape(version) && key === 'confirmation_secret') {
    const intent = find(store, 'invoices', value.id).payment_intent
    if (intent === null) return null
    const secret = find(store, 'paymentIntents', intent).client_secret
    return { type: 'payment_intent', client_secret: secret }
  }
  if (value.object === 'charge' && key === 'dispute') {
    if (store.settings.chargeDispute === 'gone') return undefined
    return find(store, 'charges', value.id).dispute
  }
  if (value.object === 'charge' && key === 'refunds') {
    const data = referring(store, 'refunds', 'charge', value.id).toReversed()
    return { object: 'list', data, has_more: false, url: `/v1/charges/${value.id}/refunds` }
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

/** The same as an answer of the version has it. */
function included(store: Store, value: Shown, key: string, version: string): unknown {
  const member = copy(includable(store, value, key, version))
  return isPlain(member) ? complete(member, isNewShape(version)) : member
}

/** Ids that may be expanded, by the name of the member that holds them. */
const EXPANDABLE = new Set([
  'charge',
  'coupon',
  'customer',
  'default_payment_method',
  'default_price',
  'discount',
  'discounts',
  'dispute',
  'invoice',
  'latest_charge',
  'latest_invoice',
  'payment_intent',
  'payment_method',
  'price',
  'product',
  'promotion_code',
  'released_subscription',
  'schedule',
  'setup_intent',
  'pending_setup_intent',
  'subscription',
])

/** Stripe's limit on the length of a path. */
const MAX_EXPANSION = 4

/**
 * Replaces ids along `path` by what they name, in place.
 *
 * @throws `invalid_request` where the path leads nowhere or is deeper than four levels.
 */
export function expand(store: Store, value: Shown, path: string, version: string): void {
  const keys = path.split('.')
  if (keys.length > MAX_EXPANSION + 1) {
    throw invalid(
      `You cannot expand more than ${MAX_EXPANSION} levels of a property (${path}).`,
      'expand',
    )
  }
  expandKeys(store, value, keys, path, version)
}

function expandKeys(
  store: Store,
  value: Shown,
  keys: string[],
  path: string,
  version: string,
): void {
  const [key, ...rest] = keys
  if (key === undefined) return
  const member = key in value ? value[key] : included(store, value, key, version)
  if (member === undefined) throw cannotExpand(path)
  const shown = Array.isArray(member)
    ? member.map((one: unknown) => shownMember(store, key, one, path, version))
    : shownMember(store, key, member, path, version)
  value[key] = shown
  if (rest.length === 0 && isLeaf(member, key)) throw cannotExpand(path)
  for (const next of Array.isArray(shown) ? shown : [shown]) {
    if (isPlain(next)) expandKeys(store, next, rest, path, version)
  }
}

/** A member, or one of a list, as expansion leaves it. */
const shownMember = (
  store: Store,
  key: string,
  member: unknown,
  path: string,
  version: string,
): unknown =>
  typeof member === 'string' ? shownReference(store, key, member, path, version) : member

/** Whether a path may not end here: at a number, a flag, or text that is no reference. */
const isLeaf = (member: unknown, key: string): boolean =>
  typeof member === 'number' ||
  typeof member === 'boolean' ||
  (typeof member === 'string' && !EXPANDABLE.has(key))

function shownReference(
  store: Store,
  key: string,
  id: string,
  path: string,
  version: string,
): Shown {
  // A coupon's id is its maker's choice, so it has no beginning to know it by.
  const table = key === 'coupon' ? 'coupons' : EXPANDABLE.has(key) ? tableOf(id) : undefined
  if (table === undefined) throw cannotExpand(path)
  return show(copy(find(store, table, id)), version)
}

const cannotExpand = (path: string): Error =>
  invalid(`This property cannot be expanded (${path}).`, 'expand')
