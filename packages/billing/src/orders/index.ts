/** Orders: the functions of the default instance. An instance of `createBilling(…)` has the same functions. */

import { type Billing, billing } from '../billing.ts'

export const createOrder: Billing['createOrder'] = (...args) => billing.createOrder(...args)
export const settleOrder: Billing['settleOrder'] = (...args) => billing.settleOrder(...args)
export const cancelOrder: Billing['cancelOrder'] = (...args) => billing.cancelOrder(...args)
export const refundOrder: Billing['refundOrder'] = (...args) => billing.refundOrder(...args)
export const handleCreateOrder: Billing['handleCreateOrder'] = (...args) =>
  billing.handleCreateOrder(...args)
export const handlePaymentCallback: Billing['handlePaymentCallback'] = (...args) =>
  billing.handlePaymentCallback(...args)

export const listOrders: Billing['listOrders'] = (...args) => billing.listOrders(...args)
export const showOrder: Billing['showOrder'] = (...args) => billing.showOrder(...args)
export const reconcileOrders: Billing['reconcileOrders'] = (...args) =>
  billing.reconcileOrders(...args)

export type { CreatedOrder, OrderInput } from './create.ts'
export type { CreateOrderRoute } from './handle.ts'
export type { ListOrdersOptions, OwnerOrder, ShownOrder } from './list.ts'
export type { DayTotals, OrdersReport, SkippedOrder } from './reconcile.ts'
export type { RefundOrderOptions } from './refund.ts'
export type { OrderSettings } from './settings.ts'
export type { SettleOptions } from './settle.ts'
export type { CheckOrdersResult } from './stuck.ts'
export type { ReconcileOrdersOptions, Totals } from './totals.ts'
export type { OrderProblem, OrderStatus } from './verdict.ts'
export type { OrderRates } from './watch.ts'
