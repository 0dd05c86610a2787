/**
 * What callers give the ledger, taken or refused before the database is asked. Refusals name the field
 * and what disagrees, never a description.
 *
 * @module
 */

import { requireStorable } from '@repo/core'
import { BillingError } from './errors.ts'

/** The most that one account may hold and one change may move. Numbers stay exact up to nine times that. */
export const MAX_CREDITS = 1_000_000_000_000_000

/** The credit type where none is named. */
export const DEFAULT_CREDIT_TYPE = 'credits'

/** Keys of rows that the ledger adds by itself begin so; nobody else's may. */
export const LEDGER_PREFIX = 'ledger:'

const MAX_TEXT = 255

const refuse = (message: string): never => {
  throw new BillingError('invalid_input', message)
}

function text(name: string, value: unknown, max = MAX_TEXT): string {
  if (typeof value !== 'string') return refuse(`${name} must be text.`)
  if (value.length > max) return refuse(`${name} has ${value.length} characters; ${max} are taken.`)
  requireStorable(name, value)
  return value
}

/** A whole number of credits from 1 to `MAX_CREDITS`. @throws `invalid_amount` */
export function requireCredits(amount: unknown): number {
  const isWhole = typeof amount === 'number' && Number.isSafeInteger(amount)
  if (isWhole && amount >= 1 && amount <= MAX_CREDITS) return amount
  throw new BillingError(
    'invalid_amount',
    `Credits are a whole number from 1 to ${MAX_CREDITS}, not ${shown(amount)}.`,
  )
}

/** As `requireCredits`, with a sign. @throws `invalid_amount` */
export function requireSignedCredits(amount: unknown): number {
  const sign = typeof amount === 'number' && amount < 0 ? -1 : 1
  return sign * requireCredits(typeof amount === 'number' ? sign * amount : amount)
}

const shown = (value: unknown): string =>
  typeof value === 'number' || value === null || value === undefined ? `${value}` : typeof value

export function requireDescription(description: unknown): string {
  return text('The description', description, 500)
}

export function requireKey(key: unknown): string {
  const taken = text('The idempotency key', key)
  if (taken.trim() === '') return refuse('The idempotency key is empty.')
  if (taken.startsWith(LEDGER_PREFIX)) {
    return refuse(`An idempotency key does not begin with ${LEDGER_PREFIX}`)
  }
  return taken
}

export function requireActor(actor: unknown): string {
  const taken = text('The actor', actor)
  return taken.trim() === ''
    ? refuse('An adjustment says who makes it: the actor is empty.')
    : taken
}

export function creditTypeOf(creditType: unknown = DEFAULT_CREDIT_TYPE): string {
  const isName = typeof creditType === 'string' && /^[a-z][a-z0-9_]{0,49}$/.test(creditType)
  if (isName) return creditType
  return refuse('A credit type is up to 50 small letters, digits and _, beginning with a letter.')
}

/** 0 to 100; lower is spent first. */
export function priorityOf(priority: unknown = 50): number {
  const isIn = Number.isInteger(priority) && Number(priority) >= 0 && Number(priority) <= 100
  return isIn ? Number(priority) : refuse('A priority is a whole number from 0 to 100.')
}

/** Whether it lies ahead is for the ledger to say, which may know the key already. */
export function expiryOf(expiresAt: unknown): Date | null {
  if (expiresAt === undefined || expiresAt === null) return null
  const year = expiresAt instanceof Date ? expiresAt.getUTCFullYear() : Number.NaN
  if (year >= 1970 && year <= 9999) return expiresAt as Date
  return refuse('expiresAt must be a date between 1970 and 9999.')
}

/** How long a hold may stay open: a second to 30 days. Default 15 minutes. */
export function ttlOf(ttlSeconds: unknown = 15 * 60): number {
  const most = 30 * 24 * 60 * 60
  const isIn = Number.isInteger(ttlSeconds) && Number(ttlSeconds) >= 1 && Number(ttlSeconds) <= most
  return isIn ? Number(ttlSeconds) : refuse(`ttlSeconds is a whole number from 1 to ${most}.`)
}

/** Ids are the database's numbers as text; null for what cannot be one. */
export function idOf(id: unknown): bigint | null {
  if (typeof id !== 'string' || !/^[0-9]{1,18}$/.test(id)) return null
  return BigInt(id)
}
