/**
 * Turns domain functions, whose first argument is a context, into public functions without that argument. `command` and
 * `query` make the default instance's functions, and `bind` makes the methods of another instance from the same module.
 * Promise: both check their arguments alike, and neither writes inside an effect's handler without the handler's
 * transaction.
 *
 * A public function is listed once, in its domain's file of this folder, with the documentation that hosts read.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { createContext } from '../create-context.ts'
import { refuseInHandler } from '../effects/in-effect.ts'
import { type Check, checkArguments } from './checks.ts'

let made: BillingContext | undefined

/** The context of the default instance, made from the environment on first use. */
export function defaultContext(): BillingContext {
  made ??= createContext()
  return made
}

type Method = (...args: never[]) => unknown
type Bind = (context: () => BillingContext) => Method

/** How each public function is bound to another context, with the name under which it is exported. */
const binds = new WeakMap<Method, { name: string; bindTo: Bind }>()

/** A public function that only reads committed rows and never waits for a lock, so that handlers may call it. */
export const query = <Args extends unknown[], R>(
  name: string,
  f: (ctx: BillingContext, ...args: Args) => R,
  ...checks: Check[]
): ((...args: Args) => R) => define(name, () => undefined, f, checks)

/** A public function that may write or ask a provider. A handler has to pass it the handler's transaction. */
export const command = <Args extends unknown[], R>(
  name: string,
  f: (ctx: BillingContext, ...args: Args) => R,
  ...checks: Check[]
): ((...args: Args) => R) => define(name, (args) => refuseInHandler(name, args), f, checks)

function define<Args extends unknown[], R>(
  name: string,
  refuse: (args: Args) => Error | undefined,
  f: (ctx: BillingContext, ...args: Args) => R,
  checks: readonly Check[],
): (...args: Args) => R {
  const bindTo =
    (context: () => BillingContext) =>
    (...args: Args): R => {
      const refusal = refuse(args)
      if (refusal) return Promise.reject(refusal) as R
      const ctx = context()
      if (checks.length > 0) {
        try {
          checkArguments(checks, args)
        } catch (error) {
          // Every function with checks returns a promise.
          return Promise.reject(error) as R
        }
      }
      return f(ctx, ...args)
    }
  const own = bindTo(defaultContext)
  binds.set(own, { name, bindTo })
  return own
}

/** The public functions of a module as methods of the instance of `ctx`. */
export function bind<Functions extends Record<string, Method>>(
  ctx: BillingContext,
  functions: Functions,
): Functions {
  const bound = Object.entries(functions).map(([name, f]) => {
    const known = binds.get(f)
    // The name stands in refusals, which a person reads.
    if (known?.name !== name)
      throw new Error(`Make ${name} by command('${name}', …) or query('${name}', …).`)
    return [name, known.bindTo(() => ctx)]
  })
  return Object.fromEntries(bound) as Functions
}
