/**
 * Guards the functions of billing inside effect handlers. Promise: a handler that calls a writing function
 * without its effect's transaction is refused at once. Otherwise the call would wait for a row that its own
 * transaction holds, until the whole sync times out.
 *
 * @module
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { BillingError } from '../errors.ts'

/** A running handler. */
interface Scope {
  key: string
  /** False once the handler has ended. Work that it left running may call all functions. */
  isOpen: boolean
}

const running = new AsyncLocalStorage<Scope>()

/** Runs the handler of the effect `key`. */
export async function inEffect<T>(key: string, handler: () => Promise<T>): Promise<T> {
  const scope: Scope = { key, isOpen: true }
  try {
    return await running.run(scope, async () => await handler())
  } finally {
    scope.isOpen = false
  }
}

const hasTransaction = (args: readonly unknown[]): boolean =>
  args.some((arg) => {
    if (typeof arg !== 'object' || arg === null) return false
    const tx: unknown = Reflect.get(arg, 'tx')
    return typeof tx === 'object' && tx !== null
  })

/** The refusal of a call of the function `name` by a running handler that does not pass its transaction. */
export function refuseInHandler(name: string, args: readonly unknown[]): BillingError | undefined {
  const scope = running.getStore()
  return scope?.isOpen && !hasTransaction(args) ? refused(name, scope.key) : undefined
}

const refused = (name: string, key: string): BillingError =>
  new BillingError(
    'transaction_required',
    `The handler of the effect ${key} calls ${name} without its transaction. Pass the handler's first argument, ` +
      'as in { tx }, where the function takes it; otherwise enqueue a job with it, and call the function there.',
  )
