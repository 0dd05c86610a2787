/**
 * Checks of the ledger's arguments, made before the database is asked. Error messages name the field and the wrong
 * value, but never repeat a description.
 *
 * @module
 */

import { requireStorable } from '@repo/core'
import { BillingError } from './errors.ts'

/** The most credits that one account may hold and one change may move. Numbers stay exact up to nine times as many. */
export const MAX_CREDITS = 1_000_000_000_000_000

/** The credit type of calls that name none. */
export const DEFAULT_CREDIT_TYPE = 'credits'

/** The prefix of the idempotency keys that the ledger makes itself. Keys of callers must not begin with it. */
export const LEDGER_PREFIX = 'ledger:'

const MAX_TEXT = 255

const refuse = (message: string): never => {
  throw new BillingError('invalid_input', message)
}

function text(name: string, value: unknown, max = MAX_TEXT): string {
  if (typeof value !== 'string') return refuse(`${name} must be text.`)
  if (value.length > max) {
    return refuse(`${name} has ${value.length} characters; at most ${max} are allowed.`)
  }
  requireStorable(name, value)
  return value
}

/** Returns `amount`. @throws `invalid_amount` unless it is a whole number from 1 to `MAX_CREDITS`. */
export function requireCredits(amount: unknown): number {
  const isWhole = typeof amount === 'number' && Number.isSafeInteger(amount)
  if (isWhole && amount >= 1 && amount <= MAX_CREDITS) return amount
  throw new BillingError(
    'invalid_amount',
    `Credits must be a whole number from 1 to ${MAX_CREDITS}, not ${shown(amount)}.`,
  )
}

/** Like `requireCredits`, but the amount may be negative. @throws `invalid_amount` */
export function requireSignedCredits(amount: unknown): number {
  const sign = typeof amount === 'number' && amount < 0 ? -1 : 1
  return sign * requireCredits(typeof amount === 'number' ? sign * amount : amount)
}

const shown = (value: unknown): string =>
  typeof value === 'number' || value === null || value === undefined ? `${value}` : typeof value

/** Returns the description. @throws `invalid_input` unless it is a string of up to 500 characters. */
export function requireDescription(description: unknown): string {
  return text('The description', description, 500)
}

/** Returns the idempotency key. @throws `invalid_input` for a key that is empty, too long or reserved. */
export function requireKey(key: unknown): string {
  const taken = text('The idempotency key', key)
  if (taken.trim() === '') return refuse('The idempotency key must not be empty.')
  if (taken.startsWith(LEDGER_PREFIX)) {
    return refuse(`An idempotency key must not begin with ${LEDGER_PREFIX}`)
  }
  return taken
}

/** Returns the actor, the person who makes an adjustment. @throws `invalid_input` for an empty one. */
export function requireActor(actor: unknown): string {
  const taken = text('The actor', actor)
  return taken.trim() === ''
    ? refuse('The actor must not be empty: an adjustment records who makes it.')
    : taken
}

/** Returns the credit type. Default `credits`. @throws `invalid_input` */
export function creditTypeOf(creditType: unknown = DEFAULT_CREDIT_TYPE): string {
  const isName = typeof creditType === 'string' && /^[a-z][a-z0-9_]{0,49}$/.test(creditType)
  if (isName) return creditType
  return refuse(
    'A credit type is a letter and up to 49 more letters, digits and _, all lower case.',
  )
}

/** Returns the priority, 0 to 100; lower is spent first. Default 50. @throws `invalid_input` */
export function priorityOf(priority: unknown = 50): number {
  const isIn = Number.isInteger(priority) && Number(priority) >= 0 && Number(priority) <= 100
  return isIn ? Number(priority) : refuse('The priority must be a whole number from 0 to 100.')
}

/**
 * Returns the expiry date; null for none. The ledger checks that it lies in the future, because a repeated call with
 * a known key may name a date that has passed.
 *
 * @throws `invalid_input` unless it is a date from 1970 to 9999.
 */
export function expiryOf(expiresAt: unknown): Date | null {
  if (expiresAt === undefined || expiresAt === null) return null
  const year = expiresAt instanceof Date ? expiresAt.getUTCFullYear() : Number.NaN
  if (year >= 1970 && year <= 9999) return expiresAt as Date
  return refuse('expiresAt must be a date between 1970 and 9999.')
}

/** How long a hold may stay open, in seconds: one second to 30 days. Default 15 minutes. @throws `invalid_input` */
export function ttlOf(ttlSeconds: unknown = 15 * 60): number {
  const most = 30 * 24 * 60 * 60
  const isIn = Number.isInteger(ttlSeconds) && Number(ttlSeconds) >= 1 && Number(ttlSeconds) <= most
  return isIn ? Number(ttlSeconds) : refuse(`ttlSeconds must be a whole number from 1 to ${most}.`)
}

/** The id of a ledger row as a number. Callers see ids as strings of digits; null for anything else. */
export function idOf(id: unknown): bigint | null {
  if (typeof id !== 'string' || !/^[0-9]{1,18}$/.test(id)) return null
  return BigInt(id)
}
