/**
 * The functions of orders, bound to one billing context.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import {
  AMOUNT,
  ANY,
  date,
  FLAG,
  filters,
  given,
  id,
  LIMIT,
  OWNER,
  object,
  words,
} from '../given.ts'
import { cancelOrder } from './cancel.ts'
import { createOrder } from './create.ts'
import { handleCreateOrder, handlePaymentCallback } from './handle.ts'
import { listOrders, showOrder } from './list.ts'
import { pullOrders } from './pull.ts'
import { reconcileOrders } from './reconcile.ts'
import { refundOrder } from './refund.ts'
import { settleOrder } from './settle.ts'
import { checkOrders } from './stuck.ts'
import { watchOrders } from './watch.ts'

const ORDER = id('The order id')
const FILTERS = {
  ownerId: OWNER,
  status: words('status'),
  needsAttention: FLAG,
  limit: LIMIT,
  after: id('after'),
}
const REFUND = {
  amount: AMOUNT,
  reason: ANY,
  operator: ANY,
  idempotencyKey: id('idempotencyKey'),
}
const SINCE = { since: date('since'), operator: ANY, signal: ANY, onProgress: ANY }

/** Binds the functions of orders to `ctx`, with checked arguments. */
export function createOrders(ctx: BillingContext) {
  return {
    createOrder: given(
      ctx,
      createOrder,
      object('The input', { ownerId: OWNER, productId: id('productId') }),
    ),
    handleCreateOrder: given(ctx, handleCreateOrder),
    handlePaymentCallback: given(ctx, handlePaymentCallback),
    settleOrder: given(ctx, settleOrder, ORDER),
    cancelOrder: given(ctx, cancelOrder, ORDER),
    refundOrder: given(ctx, refundOrder, ORDER, filters(REFUND)),
    listOrders: given(ctx, listOrders, filters(FILTERS)),
    showOrder: given(ctx, showOrder, ORDER),
    checkOrders: given(ctx, checkOrders),
    pullOrders: given(ctx, pullOrders, filters(SINCE)),
    reconcileOrders: given(ctx, reconcileOrders, filters(SINCE)),
    watchOrders: given(ctx, watchOrders),
  }
}
