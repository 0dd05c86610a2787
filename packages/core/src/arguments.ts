/**
 * What callers give to functions that look rows up by it. What is left out never means every row: an id that
 * is missing, empty or not text is refused before any query, and so is a filter that is undefined, as it comes
 * from a form without the field.
 *
 * @module
 */

import { TollgateError } from './errors.ts'

/** An argument that cannot be meant. Nothing was looked up and nothing changed. */
export class ArgumentError extends TollgateError<'invalid_argument'> {
  override readonly name = 'ArgumentError'

  constructor(message: string) {
    super('invalid_argument', 400, message)
  }
}

const MAX_LENGTH = 255
/** A NUL cannot be stored; half a character would be stored as another. */
const UNSTORABLE = /\0|\p{Surrogate}/u
const UNSTORABLE_EACH = /\0|\p{Surrogate}/gu

/**
 * `value` as an id or key: text of 1 to 255 characters that is not blank. `name` begins the message:
 * `The order id`.
 *
 * @throws ArgumentError (400, `invalid_argument`)
 */
export function requireId(name: string, value: unknown): string {
  if (typeof value !== 'string') {
    throw new ArgumentError(`${name} is ${kindOf(value)}. Give it as text.`)
  }
  if (value.trim() === '') throw new ArgumentError(`${name} is empty. Name the row that is meant.`)
  if (value.length > MAX_LENGTH) {
    throw new ArgumentError(`${name} has ${value.length} characters, and may have ${MAX_LENGTH}.`)
  }
  if (UNSTORABLE.test(value)) {
    throw new ArgumentError(`${name} holds a character that cannot be stored.`)
  }
  return value
}

/** `text` with a sign in place of each character that cannot be stored: a NUL, and half a character. */
export const storable = (text: string): string => text.replace(UNSTORABLE_EACH, '\ufffd')

/**
 * Refuses text that cannot be stored, however deep it lies in the lists and plain objects of `value`; others, as
 * a client or a signal, are not looked into. `name` begins the message: `The input`.
 *
 * @throws ArgumentError (400, `invalid_argument`)
 */
export function requireStorable(name: string, value: unknown, depth = 8): void {
  if (typeof value === 'string') {
    if (!UNSTORABLE.test(value)) return
    throw new ArgumentError(
      `${name} holds a character that cannot be stored: a NUL, or half of one that takes two.`,
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
 * The filter `key` of `options` as `read` takes it; undefined where the caller left it out altogether. A key
 * that is there and undefined is refused by `read`.
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

/** `value` where it is an object with options. @throws ArgumentError (400, `invalid_argument`) */
export function requireOptions<T extends object>(name: string, value: T): T {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new ArgumentError(`${name} is ${kindOf(value)}. Give an object.`)
}

/** A whole number from 1 to `most`. @throws ArgumentError (400, `invalid_argument`) */
export function requireLimit(value: unknown, most: number): number {
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most) return Number(value)
  throw new ArgumentError(`limit is ${kindOf(value)}. Give a whole number from 1 to ${most}.`)
}

/** @throws ArgumentError (400, `invalid_argument`) */
export function requireDate(name: string, value: unknown): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value
  throw new ArgumentError(`${name} is ${kindOf(value)}. Give a date.`)
}

/** What a value is, without what it says: it may be a token or an address. */
function kindOf(value: unknown): string {
  if (value === undefined || value === null) return `${value}`
  if (typeof value === 'number') return `the number ${value}`
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid date' : 'a date'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'string' ? 'text' : `a ${typeof value}`
}
