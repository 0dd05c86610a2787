/**
 * Reads the fields of a provider's parsed JSON, of which nothing is known. A field that is missing or of another kind is
 * null.
 *
 * @module
 */

import { storable } from '@repo/core'

/** A parsed JSON object whose fields are not known yet. */
export type Raw = Record<string, unknown>

/** The value as an object; null for anything else, arrays included. */
export const record = (value: unknown): Raw | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : null

/** The value as a string; null for anything else and for ''. Characters that PostgreSQL refuses are replaced. */
export const text = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? storable(value) : null

/** The value as a whole number; null for anything else. */
export const whole = (value: unknown): number | null =>
  Number.isSafeInteger(value) ? (value as number) : null

/** The id of an object that a provider sends as an id or as the whole object. */
export const idOf = (value: unknown): string | null => text(value) ?? text(record(value)?.id)

/** The date of an ISO 8601 text or of milliseconds; null for anything else. */
export const timeOf = (value: unknown): Date | null => {
  const time = typeof value === 'number' || typeof value === 'string' ? new Date(value) : null
  return time && !Number.isNaN(time.getTime()) ? time : null
}
