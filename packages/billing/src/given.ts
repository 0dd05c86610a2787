import type { BillingContext } from './context.ts'

/** `f` with its first argument given. */
export function given<Args extends unknown[], R>(
  ctx: BillingContext,
  f: (ctx: BillingContext, ...args: Args) => R,
): (...args: Args) => R {
  return (...args) => f(ctx, ...args)
}
