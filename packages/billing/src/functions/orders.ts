/**
 * The functions of orders.
 * The default instance's are exported here, and every instance has them as methods.
 *
 * @module
 */

import * as cancel from '../orders/cancel.ts'
import * as create from '../orders/create.ts'
import * as handle from '../orders/handle.ts'
import * as list from '../orders/list.ts'
import * as pull from '../orders/pull.ts'
import * as reconcile from '../orders/reconcile.ts'
import * as refund from '../orders/refund.ts'
import * as settle from '../orders/settle.ts'
import * as stuck from '../orders/stuck.ts'
import * as watch from '../orders/watch.ts'
import { command, query } from './bind.ts'
import { AMOUNT, ANY, date, FLAG, filters, id, OWNER, object, PAGED, words } from './checks.ts'

const ORDER = id('The order id')
const FILTERS = {
  ownerId: OWNER,
  status: words('status'),
  needsAttention: FLAG,
  ...PAGED,
}
const REFUND = {
  amount: AMOUNT,
  reason: ANY,
  operator: ANY,
  idempotencyKey: id('idempotencyKey'),
}
const SINCE = { since: date('since'), operator: ANY, signal: ANY, onProgress: ANY }

/**
 * Begins the purchase of a product. If the owner has an open order of this product, that order is offered
 * again.
 *
 * @throws `product_not_found`, `owner_required`, `owner_not_found`, `invalid_return_url`,
 * `already_subscribed`; `order_processing` (409) while the payment of an earlier order is under way;
 * `price_not_found`, `invalid_amount`, `provider_rejected`: the order is cancelled; `provider_unavailable`:
 * call again.
 *
 * @example
 * ```ts
 * import { createOrder } from '@repo/billing/orders'
 *
 * export async function buy(ownerId: string): Promise<Response> {
 *   const { url } = await createOrder({ ownerId, productId: 'CREDITS_100' })
 *   return Response.redirect(url, 303)
 * }
 * ```
 */
export const createOrder = command(
  'createOrder',
  create.createOrder,
  object('The input', { ownerId: OWNER, productId: id('productId') }),
)

/**
 * Creates an order. Expects `POST { productId, successUrl?, cancelUrl? }` as JSON; `product_id` is accepted,
 * too. Answers `{ orderId, checkoutId, url, isNew }`: 201 for a new order, 200 for an order that was open
 * already. An owner may make 10 requests a minute.
 *
 * Refusals: 400 malformed request, 401 nobody signed in, 404 unknown product, 405, 409 subscribed already or
 * a payment under way, 413, 415, 429, 502 the provider refused, 503 the provider did not answer (retry).
 */
export const handleCreateOrder = command('handleCreateOrder', handle.handleCreateOrder)

/**
 * Receives the browser and the webhooks of the provider.
 *
 * `GET` is the returning browser. Its URL only says which order to ask the provider about. The answer is a
 * redirect (303) to the order's `successUrl` or `cancelUrl`, with `order_id` and `status` (`pending`,
 * `completed`, `cancelled`) added. Only a URL with our signature can cancel an order. A URL without one only
 * settles the order that its `order_id` or `checkout_id` names. No session is needed, because strict cookies
 * are not sent on this navigation. Limit: 100 a minute for each IP address.
 *
 * `POST` is the webhook of the provider that takes payments, as in `handleStripeWebhook`. Limit: 6,000 signed
 * requests a minute for each IP address.
 *
 * @example
 * ```ts
 * import { handlePaymentCallback } from '@repo/billing/orders'
 *
 * // The route /api/payment/callback, for browsers and for webhooks.
 * export const GET = (req: Request): Promise<Response> => handlePaymentCallback(req)
 * export const POST = GET
 * ```
 */
export const handlePaymentCallback = command('handlePaymentCallback', handle.handlePaymentCallback)

/**
 * Settles the order with the provider's answer, and returns it.
 *
 * @throws `order_not_found`; `provider_unavailable`, `provider_rejected`: nothing was changed;
 * `not_known_here`: nothing was changed, and only the process whose local provider has the order can settle
 * it; `effect_failed`: everything is done except the host's handler, which is tried again.
 */
export const settleOrder = command('settleOrder', settle.settleOrder, ORDER)

/**
 * Closes the order's checkout and cancels the order. Returns the order afterwards: `cancelled`; `pending` if the
 * provider cannot close the checkout and `givesUp` is false; `completed` if the order was paid.
 *
 * @throws `order_not_found`, `provider_unavailable`, `provider_rejected`, `effect_failed`; `not_known_here`
 * unless `givesUp` is true.
 */
export const cancelOrder = command('cancelOrder', cancel.cancelOrder, ORDER)

/**
 * Refunds a paid order, in full or in part, and claws back its credits; credits that are already spent become
 * debt. A full refund cancels an order that was paid and not fulfilled. A call without an amount changes
 * nothing if everything is already refunded.
 *
 * @throws `order_not_found`; `order_not_paid` (409); `refund_exceeds_payment`, `refund_not_supported`,
 * `invalid_amount`, `provider_unavailable`, `provider_rejected`: nothing was refunded.
 */
export const refundOrder = command('refundOrder', refund.refundOrder, ORDER, filters(REFUND))

/**
 * Orders, the newest first. Pass `after` for the next page. @throws `order_not_found` where the order `after`
 * does not exist.
 */
export const listOrders = query('listOrders', list.listOrders, filters(FILTERS))

/**
 * One order with its credit transactions. @throws `order_not_found`.
 */
export const showOrder = command('showOrder', list.showOrder, ORDER)

/**
 * Checks every order that is due. Several calls may run at once. A failed check is repeated later.
 */
export const checkOrders = command('checkOrders', stuck.checkOrders)

/**
 * Stores the provider's events that are missing here. Does nothing for Stripe.
 */
export const pullOrders = command('pullOrders', pull.pullOrders, filters(SINCE))

/**
 * Compares orders with the ledger, and with the provider's payments, refunds and disputes. The nightly comparison saves its place, so that it
 * continues after a stop. With the ledger it compares orders and transactions that changed since the last comparison,
 * and 20,000 older ones of each, from where the last comparison stopped; with `since`, all that changed since then.
 * A comparison with `since` or an operator starts from the beginning each time.
 */
export const reconcileOrders = command('reconcileOrders', reconcile.reconcileOrders, filters(SINCE))

/**
 * Computes the rates of the last 24 hours, and raises `fulfilment_rate_low` or `refund_rate_high`.
 */
export const watchOrders = command('watchOrders', watch.watchOrders)
