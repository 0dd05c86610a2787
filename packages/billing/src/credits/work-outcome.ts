/**
 * Stores the result or error of work as text for calls in other processes. Such a call gets an equal value,
 * or learns that the result was not kept. It never gets a value that JSON has changed.
 *
 * @module
 */

import { isDeepStrictEqual } from 'node:util'
import { isTollgateError, type TollgateError } from '@repo/core'

/** The longest stored result, in characters of JSON. */
export const MAX_OUTCOME = 65_536

/** The longest stored name or message of an error, in characters. */
const MAX_MESSAGE = 2_000

/** The JSON of `value`. Null: JSON would change the value, or is too long. */
export function outcomeOfResult(value: unknown): string | null {
  try {
    const text = JSON.stringify({ value })
    const isKept = text.length <= MAX_OUTCOME && isDeepStrictEqual(JSON.parse(text).value, value)
    return isKept ? text : null
  } catch {
    return null
  }
}

/** The JSON of an error's name, message, code and status. Other thrown values are stored like results. */
export function outcomeOfError(error: unknown): string | null {
  if (!(error instanceof Error)) return outcomeOfResult(error)
  const { name, message } = error
  const { code } = error as { code?: unknown }
  return JSON.stringify({
    name: `${name}`.slice(0, MAX_MESSAGE),
    message: `${message}`.slice(0, MAX_MESSAGE),
    ...(typeof code === 'string' ? { code } : {}),
    ...(isTollgateError(error) ? { status: error.status, ...dataOf(error) } : {}),
  })
}

/** The data of an error, unless JSON would change it or is too long. */
const dataOf = ({ data }: TollgateError): { data?: object } =>
  data && outcomeOfResult(data) ? { data } : {}

/** Restores the error that `outcomeOfError` stored. */
export function errorOfOutcome(outcome: string | null): unknown {
  if (outcome === null) return new Error('The work failed in another process.')
  const { value, message, ...rest } = JSON.parse(outcome)
  if (message === undefined) return value
  const error = Object.assign(new Error(message), rest)
  return 'status' in rest ? Object.assign(error, { headers: {} }) : error
}
