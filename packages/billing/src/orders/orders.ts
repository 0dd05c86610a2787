/**
 * The orders' functions over one billing context.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
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

type Rest<F> = F extends (ctx: BillingContext, ...args: infer Args) => infer R
  ? (...args: Args) => R
  : never

export function createOrders(ctx: BillingContext) {
  const given = <F extends (ctx: BillingContext, ...args: never[]) => unknown>(f: F) =>
    f.bind(null, ctx) as Rest<F>
  return {
    createOrder: given(createOrder),
    handleCreateOrder: given(handleCreateOrder),
    handlePaymentCallback: given(handlePaymentCallback),
    settleOrder: given(settleOrder),
    cancelOrder: given(cancelOrder),
    refundOrder: given(refundOrder),
    listOrders: given(listOrders),
    showOrder: given(showOrder),
    checkOrders: given(checkOrders),
    pullOrders: given(pullOrders),
    reconcileOrders: given(reconcileOrders),
    watchOrders: given(watchOrders),
  }
}
