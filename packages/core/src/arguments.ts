/**
 * Checks for arguments that select rows. A missing argument never selects every row: an id that is missing,
 * empty or not a string is refused before any query. So is a filter that is undefined, as a form without that
 * field produces it.
 *
 * @module
 */

import { TollgateError } from './errors.ts'

/** An invalid argument. Nothing was looked up and nothing changed. */
export class ArgumentError extends TollgateError<'invalid_argument'> {
  override readonly name = 'ArgumentError'

  constructor(message: string) {
    super('invalid_argument', 400, message)
  }
}

const MAX_LENGTH = 255
/** PostgreSQL cannot store a NUL; half a surrogate pair would be stored as another character. */
const UNSTORABLE = /\0|\p{Surrogate}/u
const UNSTORABLE_EACH = /\0|\p{Surrogate}/gu

/**
 * Returns `value` if it is a valid id or key: a string of 1 to 255 characters that is not blank. Error
 * messages begin with `name`, for example `The order id`.
 *
 * @throws ArgumentError (400, `invalid_argument`)
 */
export function requireId(name: string, value: unknown): string {
  if (typeof value !== 'string') {
    throw new ArgumentError(`${name} is ${kindOf(value)}. Give a string.`)
  }
  if (value.trim() === '') throw new ArgumentError(`${name} is empty. Give the row's id.`)
  if (value.length > MAX_LENGTH) {
    throw new ArgumentError(`${name} has ${value.length} characters; ${MAX_LENGTH} is the limit.`)
  }
  if (UNSTORABLE.test(value)) {
    throw new ArgumentError(`${name} holds a character that cannot be stored.`)
  }
  return value
}

/** `text` with U+FFFD in place of each character that cannot be stored: a NUL, and half of a surrogate pair. */
export const storable = (text: string): string => text.replace(UNSTORABLE_EACH, '\ufffd')

/**
 * Refuses a string that cannot be stored, at any depth (up to `depth`) in the lists and plain objects of
 * `value`. Other objects, such as a client or a signal, are not searched. Error messages begin with `name`,
 * for example `The input`.
 *
 * @throws ArgumentError (400, `invalid_argument`)
 */
export function requireStorable(name: string, value: unknown, depth = 8): void {
  if (typeof value === 'string') {
    if (!UNSTORABLE.test(value)) return
    throw new ArgumentError(
      `${name} holds a character that cannot be stored: a NUL or half of a surrogate pair.`,
    )
  }
  if (depth === 0 || !isPlain(value)) return
  for (const [key, each] of Object.entries(value)) {
    requireStorable(name, key, 1)
    requireStorable(`${name}, ${key}`, each, depth - 1)
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}

/**
 * Reads the filter `key` of `options` with `read`. Returns undefined if `options` has no such key. A key that
 * is present with the value undefined goes to `read`, which refuses it.
 *
 * @throws ArgumentError (400, `invalid_argument`)
 */
export function optional<T>(
  options: object,
  key: string,
  read: (name: string, value: unknown) => T,
): T | undefined {
  return key in options ? read(key, Reflect.get(options, key)) : undefined
}

/** Returns `value` if it is an object and not a list. @throws ArgumentError (400, `invalid_argument`) */
export function requireOptions<T extends object>(name: string, value: T): T {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new ArgumentError(`${name} is ${kindOf(value)}. Give an object.`)
}

/** Returns `value` if it is a whole number from 1 to `most`. @throws ArgumentError (400, `invalid_argument`) */
export function requireLimit(value: unknown, most: number): number {
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most) return Number(value)
  throw new ArgumentError(`limit is ${kindOf(value)}. Give a whole number from 1 to ${most}.`)
}

/** Returns `value` if it is a valid date. @throws ArgumentError (400, `invalid_argument`) */
export function requireDate(name: string, value: unknown): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value
  throw new ArgumentError(`${name} is ${kindOf(value)}. Give a date.`)
}

/** Describes the kind of a value without its content, which may be a token or an e-mail address. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return `${value}`
  if (typeof value === 'number') return `the number ${value}`
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid date' : 'a date'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'string' ? 'text' : `a ${typeof value}`
}
