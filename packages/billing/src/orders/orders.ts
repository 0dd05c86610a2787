/**
 * The orders' functions over one billing context.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { given } from '../given.ts'
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

export function createOrders(ctx: BillingContext) {
  return {
    createOrder: given(ctx, createOrder),
    handleCreateOrder: given(ctx, handleCreateOrder),
    handlePaymentCallback: given(ctx, handlePaymentCallback),
    settleOrder: given(ctx, settleOrder),
    cancelOrder: given(ctx, cancelOrder),
    refundOrder: given(ctx, refundOrder),
    listOrders: given(ctx, listOrders),
    showOrder: given(ctx, showOrder),
    checkOrders: given(ctx, checkOrders),
    pullOrders: given(ctx, pullOrders),
    reconcileOrders: given(ctx, reconcileOrders),
    watchOrders: given(ctx, watchOrders),
  }
}
