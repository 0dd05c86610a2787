/**
 * The context behind an instance, which the CLI's commands need beside its methods. The instance may come from
 * another copy of this package, so the context is stored under a registered symbol.
 *
 * @module
 */

import type { BillingContext } from './context.ts'

const CONTEXT = Symbol.for('@repo/billing/context')

/** Stores `ctx` in `instance`, where only `contextOf` finds it. */
export const withContext = <T extends object>(instance: T, ctx: BillingContext): T =>
  Object.defineProperty(instance, CONTEXT, { value: ctx })

/** The context of an instance that `createBilling` made; null for anything else. */
export const contextOf = (instance: object): BillingContext | null =>
  (Reflect.get(instance, CONTEXT) as BillingContext | undefined) ?? null
