/** Orders: the functions of the default instance. An instance of `createBilling(…)` has the same functions. */

export * from '../functions/orders.ts'
export type { CreatedOrder, OrderInput } from './create.ts'
export type { CreateOrderRoute } from './handle.ts'
export type { ListOrdersOptions, OrderTransaction, OwnerOrder, ShownOrder } from './list.ts'
export type { DayTotals, OrdersReport, SkippedOrder } from './reconcile.ts'
export type { RefundOrderOptions } from './refund.ts'
export type { OrderSettings } from './settings.ts'
export type { SettleOptions } from './settle.ts'
export type { CheckOrdersResult } from './stuck.ts'
export type { ReconcileOrdersOptions, Totals } from './totals.ts'
export type { OrderProblem, OrderStatus } from './verdict.ts'
export type { OrderRates } from './watch.ts'
