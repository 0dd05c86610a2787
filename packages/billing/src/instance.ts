/**
 * What a command asks of an instance beside its methods: its context, and which parts the host gave it. The
 * instance may come from another copy of this package, so its context is found by a registered symbol.
 *
 * @module
 */

import type { BillingContext } from './context.ts'

const CONTEXT = Symbol.for('@repo/billing/context')

/** `instance` with its context, where only `contextOf` finds it. */
export const withContext = <T extends object>(instance: T, ctx: BillingContext): T =>
  Object.defineProperty(instance, CONTEXT, { value: ctx })

/** The context of an instance that `createBilling` made; null for anything else. */
export const contextOf = (instance: object): BillingContext | null =>
  (Reflect.get(instance, CONTEXT) as BillingContext | undefined) ?? null
