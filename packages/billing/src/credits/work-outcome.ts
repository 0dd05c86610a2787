/**
 * What work returned or threw, as text for calls in other processes. They get a value that equals the first one, or
 * learn that it was not kept; never one that JSON has bent.
 *
 * @module
 */

import { isDeepStrictEqual } from 'node:util'
import { isTollgateError } from '@repo/core'

/** The longest result that is kept, in characters of JSON. */
export const MAX_OUTCOME = 65_536

const MAX_MESSAGE = 2_000

/** JSON of `value`; null where that does not give it back as it was, or is too long. */
export function outcomeOfResult(value: unknown): string | null {
  try {
    const text = JSON.stringify({ value })
    const isKept = text.length <= MAX_OUTCOME && isDeepStrictEqual(JSON.parse(text).value, value)
    return isKept ? text : null
  } catch {
    return null
  }
}

/** The name, message, code and status of an error; anything else that was thrown, as a result. */
export function outcomeOfError(error: unknown): string | null {
  if (!(error instanceof Error)) return outcomeOfResult(error)
  const { name, message } = error
  const { code } = error as { code?: unknown }
  return JSON.stringify({
    name: `${name}`.slice(0, MAX_MESSAGE),
    message: `${message}`.slice(0, MAX_MESSAGE),
    ...(typeof code === 'string' ? { code } : {}),
    ...(isTollgateError(error) ? { status: error.status } : {}),
  })
}

/** What `outcomeOfError` wrote, to be thrown. */
export function errorOfOutcome(outcome: string | null): unknown {
  if (outcome === null) return new Error('The work failed in another process.')
  const { value, message, ...rest } = JSON.parse(outcome)
  if (message === undefined) return value
  const error = Object.assign(new Error(message), rest)
  return 'status' in rest ? Object.assign(error, { headers: {} }) : error
}
