/**
 * Checks that Stripe supports a path of `expand[]` before the request runs, because a request that is refused
 * for its path must change nothing.
 *
 * @see https://docs.stripe.com/api/expanding_objects
 * @module
 */

import type { Endpoint } from './endpoint.ts'
import { malformed, type StripeApiError } from './errors.ts'
import { edges as newEdges } from './expandable-new.ts'
import { edges as oldEdges } from './expandable-old.ts'
import { isNewShape } from './shapes.ts'
import type { Store } from './store.ts'

/** Stripe's limit on the length of a path. */
const MAX_EXPANSION = 4

/** The object that each API path returns; for a list, the object of its elements. */
const ANSWERS: [path: RegExp, object: string][] = [
  [/^\/v1\/account$/, 'account'],
  [/^\/v1\/checkout\/sessions\/:id\/line_items$/, 'item'],
  [/^\/v1\/checkout\/sessions/, 'checkout.session'],
  [/^\/v1\/billing_portal\/sessions/, 'billing_portal.session'],
  [/^\/v1\/billing_portal\/configurations/, 'billing_portal.configuration'],
  [/^\/v1\/customers\/:id\/balance_transactions/, 'customer_balance_transaction'],
  [/^\/v1\/customers\/:id\/payment_methods/, 'payment_method'],
  [/^\/v1\/invoices\/(:id|upcoming)\/lines$/, 'line_item'],
  [/^\/v1\/invoice_payments/, 'invoice_payment'],
  [/^\/v1\/subscription_items/, 'subscription_item'],
  [/^\/v1\/credit_notes\/:id\/lines$/, 'credit_note_line_item'],
  [/^\/v1\/(credit_note)s/, '$1'],
  [/^\/v1\/(charge|coupon|customer|dispute|event|invoice)s/, '$1'],
  [/^\/v1\/(payment_intent|payment_method|price|product)s/, '$1'],
  [/^\/v1\/(promotion_code|refund|subscription_schedule|subscription)s/, '$1'],
  [/^\/v1\/(tax_rate)s/, '$1'],
  [/^\/v1\/(webhook_endpoint)s/, '$1'],
]

/** Whether an endpoint returns a list. */
const isList = ({ method, path }: Pick<Endpoint, 'method' | 'path'>): boolean =>
  method === 'GET' && !/(:id|\/account|\/preview|\/upcoming)$/.test(path)

function answerOf(path: string): string {
  for (const [pattern, object] of ANSWERS) {
    const match = pattern.exec(path)
    if (match) return object.replace('$1', match[1] ?? '')
  }
  return ''
}

/** Members that Stripe still expands but has removed from its types. */
const STILL: Record<string, Record<string, string>> = {
  charge: { dispute: '!dispute' },
  customer: { invoice_credit_balance: '!', tax: '!' },
  plan: { product: '!product' },
  subscription: { plan: 'plan' },
  subscription_item: { plan: 'plan' },
}

/**
 * Refuses a path that leads nowhere, ends at a member that cannot be expanded, or has more than four levels.
 *
 * @throws `invalid_request`, 400, with `param` `expand`
 */
export function checkExpansion(
  { settings }: Pick<Store, 'settings'>,
  path: string,
  endpoint: Pick<Endpoint, 'method' | 'path'>,
  version: string,
): void {
  const keys = path.split('.')
  if (keys.length > MAX_EXPANSION + 1) {
    throw malformed(
      `You cannot expand more than ${MAX_EXPANSION} levels of a property (${path}).`,
      'expand',
    )
  }
  const edges = isNewShape(version) ? newEdges : oldEdges
  const still: typeof STILL = {
    ...STILL,
    ...(settings.chargeDispute === 'gone' ? { charge: {} } : {}),
    // An amount that is only shown on request.
    ...(isNewShape(version) ? { invoice: { amount_paid_off_stripe: '!' } } : {}),
  }
  let name = isList(endpoint) ? `[${answerOf(endpoint.path)}]` : answerOf(endpoint.path)
  let mayEnd = false
  for (const key of keys) {
    // A list's objects are under `data`; nothing else of a list can be expanded.
    const edge = name.startsWith('[')
      ? key === 'data' && name.slice(1, -1)
      : (edges[name]?.[key] ?? still[name]?.[key])
    if (!edge) throw cannotExpand(path)
    mayEnd = edge.startsWith('!')
    name = edge.replace('!', '')
  }
  if (!mayEnd) throw cannotExpand(path)
}

const cannotExpand = (path: string): StripeApiError =>
  malformed(`This property cannot be expanded (${path}).`, 'expand')
