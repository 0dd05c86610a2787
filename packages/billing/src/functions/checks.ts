/**
 * Checks of the arguments that callers pass to an instance's methods. Promise: an id that is missing, empty or not a
 * string never reaches a query, where a filter without a value would match every row.
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
import { requireAmount } from '../amounts.ts'
import { requireOwner } from '../owner-id.ts'

/** Throws for an invalid argument. `isGiven`: the caller passed the argument, even if as undefined. */
export type Check = (value: unknown, isGiven: boolean) => void

/** Throws for arguments that fail their checks or hold text that no database stores. */
export function checkArguments(checks: readonly Check[], args: readonly unknown[]): void {
  for (const [at, check] of checks.entries()) check(args[at], at < args.length)
  for (const arg of args) requireStorable('The input', withoutTransaction(arg))
}

/** `arg` without its transaction, which looks like a plain object but is too large to check. */
const withoutTransaction = (arg: unknown): unknown =>
  typeof arg === 'object' && arg !== null && 'tx' in arg ? { ...arg, tx: null } : arg

/** The owner's id. */
export const OWNER: Check = (value) => void requireOwner(value)

/** An id that is not empty. */
export const id =
  (name: string): Check =>
  (value) =>
    void requireId(name, value)

/** Any string. The function that receives it finds nothing where it is not an id. */
export const text =
  (name: string): Check =>
  (value) => {
    if (typeof value !== 'string') throw new ArgumentError(`${name} must be a string.`)
  }

/** A valid date. */
export const date =
  (name: string): Check =>
  (value) =>
    void requireDate(name, value)

/** The most rows that one call may ask for. */
export const MAX_LIMIT = 10_000

/** A number of rows, from 1 to `MAX_LIMIT`. */
export const LIMIT: Check = (value) => void requireLimit(value, MAX_LIMIT)

/** A whole number above 0. */
export const number =
  (name: string): Check =>
  (value) => {
    if (Number.isInteger(value) && Number(value) > 0) return
    throw new ArgumentError(`${name} must be a whole number above 0.`)
  }

/** An amount in minor units. */
export const AMOUNT: Check = (value) => void requireAmount(value as number)

/** True or false. */
export const FLAG: Check = (value) => {
  if (typeof value !== 'boolean') throw new ArgumentError('The option must be true or false.')
}

/** A list of strings that are not empty. An empty list finds nothing. */
export const words =
  (name: string): Check =>
  (value) => {
    if (!Array.isArray(value)) throw new ArgumentError(`${name} must be a list.`)
    for (const each of value) requireId(`Each of ${name}`, each)
  }

/** Not checked here: the function checks the argument itself. */
export const ANY: Check = () => {}

/** An argument that may be left out, but not passed as undefined. */
export const optional =
  (check: Check): Check =>
  (value, isGiven) => {
    if (isGiven) check(value, isGiven)
  }

/** An object. Its `required` properties must pass their checks, and so must any of `others` that it has. */
export const object =
  (name: string, required: Record<string, Check>, others: Record<string, Check> = {}): Check =>
  (value) => {
    const options = requireOptions(name, value as object)
    for (const [key, check] of Object.entries(required)) check(Reflect.get(options, key), true)
    for (const [key, check] of Object.entries(others)) {
      if (key in options) check(Reflect.get(options, key), true)
    }
  }

/** The page of a list; see `PageOptions`. */
export const PAGED: Record<'limit' | 'after', Check> = { limit: LIMIT, after: id('after') }

/** Options that may be left out. Unknown options are refused, because a mistyped filter would match all rows. */
export const filters = (known: Record<string, Check>): Check => {
  const check = object('The options', {}, known)
  return optional((value) => {
    check(value, true)
    const unknown = Object.keys(value as object).find((key) => !Object.hasOwn(known, key))
    if (unknown !== undefined)
      throw new ArgumentError(
        `The option ${unknown} is unknown. The options are ${Object.keys(known).join(', ')}.`,
      )
  })
}
