/**
 * An event as its provider's module has read it.
 *
 * @module
 */

import { BillingError } from '../errors.ts'
import type { ProviderName } from '../provider-name.ts'

/** An event as its provider's module has read it. */
export interface ReceivedEvent {
  provider: ProviderName | 'calcom'
  eventId: string
  type: string
  /** The provider's id of whom it is about; null where it does not say. */
  subject: string | null
  providerCreatedAt: Date | null
  apiVersion: string | null
  livemode: boolean | null
  payload: string
  /** False: the type changes nothing here, so the event is kept and not processed. */
  isListened: boolean
  /** Why an event is another party's, and so kept and not processed. Default: it is ours. */
  foreign?: 'connected_account'
}

/** The body as JSON. @throws `invalid_payload`. */
export function parseBody(payload: string): unknown {
  try {
    return JSON.parse(payload)
  } catch {
    throw new BillingError('invalid_payload', 'The body is signed but is not JSON.')
  }
}

/** What PostgreSQL can index and people can read: short, and without control characters. */
const isName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= 255 && !/\p{Cc}/u.test(value)

/** An id or a type. @throws `invalid_payload` when it is none. */
export function requireName(value: unknown): string {
  if (isName(value)) return value
  throw new BillingError('invalid_payload', 'The body is signed but is not an event.')
}

/** What an event may leave out. */
export const nameOrNull = (value: unknown): string | null => (isName(value) ? value : null)
