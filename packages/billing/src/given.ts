/**
 * The border of the instance: what callers give is looked at here, before a function of billing works with it.
 * Promise: an id that is missing, empty or not text never reaches a query, where it would stand for every row.
 *
 * @module
 */

import {
  ArgumentError,
  requireDate,
  requireId,
  requireLimit,
  requireOptions,
  requireStorable,
} from '@repo/core'
import { requireAmount } from './amounts.ts'
import type { BillingContext } from './context.ts'
import { requireOwner } from './owner-id.ts'

/** Throws where an argument cannot be meant. `isGiven`: it was written down, be it as undefined. */
export type Check = (value: unknown, isGiven: boolean) => void

/** `f` with its first argument given, once each of the others has passed its check. */
export function given<Args extends unknown[], R>(
  ctx: BillingContext,
  f: (ctx: BillingContext, ...args: Args) => R,
  ...checks: Check[]
): (...args: Args) => R {
  if (checks.length === 0) return (...args) => f(ctx, ...args)
  return (...args) => {
    try {
      for (const [at, check] of checks.entries()) check(args[at], at < args.length)
      for (const arg of args) requireStorable('The input', withoutTransaction(arg))
    } catch (error) {
      // All that have checks answer with a promise.
      return Promise.reject(error) as R
    }
    return f(ctx, ...args)
  }
}

/** A transaction looks like a plain object, and to look through it would take for ever. */
const withoutTransaction = (arg: unknown): unknown =>
  typeof arg === 'object' && arg !== null && 'tx' in arg ? { ...arg, tx: null } : arg

/** Who pays. */
export const OWNER: Check = (value) => void requireOwner(value)

export const id =
  (name: string): Check =>
  (value) =>
    void requireId(name, value)

/** Any text. The function that gets it finds nothing for text that is not an id. */
export const text =
  (name: string): Check =>
  (value) => {
    if (typeof value !== 'string') throw new ArgumentError(`${name} is not text.`)
  }

export const date =
  (name: string): Check =>
  (value) =>
    void requireDate(name, value)

/** How many rows one call may be asked for. */
export const MAX_LIMIT = 10_000

export const LIMIT: Check = (value) => void requireLimit(value, MAX_LIMIT)

export const number =
  (name: string): Check =>
  (value) => {
    if (Number.isInteger(value) && Number(value) > 0) return
    throw new ArgumentError(`${name} is not a whole number above 0.`)
  }

export const AMOUNT: Check = (value) => void requireAmount(value as number)

export const FLAG: Check = (value) => {
  if (typeof value !== 'boolean') throw new ArgumentError('A choice is either true or false.')
}

/** A list of words. An empty one names nothing, and finds nothing. */
export const words =
  (name: string): Check =>
  (value) => {
    if (!Array.isArray(value)) throw new ArgumentError(`${name} is not a list.`)
    for (const each of value) requireId(`A part of ${name}`, each)
  }

/** Looked at by the function itself. */
export const ANY: Check = () => {}

/** An argument that may be left out, and not given as undefined. */
export const optional =
  (check: Check): Check =>
  (value, isGiven) => {
    if (isGiven) check(value, isGiven)
  }

/** An object that has `required`, and `others` where the caller wrote them down. */
export const object =
  (name: string, required: Record<string, Check>, others: Record<string, Check> = {}): Check =>
  (value) => {
    const options = requireOptions(name, value as object)
    for (const [key, check] of Object.entries(required)) check(Reflect.get(options, key), true)
    for (const [key, check] of Object.entries(others)) {
      if (key in options) check(Reflect.get(options, key), true)
    }
  }

/** Options that may be left out. An unknown option would be ignored, and the query would find all rows. */
export const filters = (known: Record<string, Check>): Check => {
  const check = object('The options', {}, known)
  return optional((value) => {
    check(value, true)
    const unknown = Object.keys(value as object).find((key) => !Object.hasOwn(known, key))
    if (unknown !== undefined)
      throw new ArgumentError(
        `${unknown} is an unknown option. The options are ${Object.keys(known).join(', ')}.`,
      )
  })
}
