/**
 * Events that a provider's module has verified and read, with checks of what their bodies hold.
 *
 * @module
 */

import { BillingError } from '../errors.ts'
import type { EventProvider } from '../provider-name.ts'

/** An event that its provider's module has verified and read. */
export interface ReceivedEvent {
  provider: EventProvider
  eventId: string
  type: string
  /** The provider's id of the customer, else of the checkout or payment, that the event is about; null without one. */
  subject: string | null
  /** When the provider says that it created the event. Null: it does not say. */
  providerCreatedAt: Date | null
  /** The API version of the payload. Null where the provider has none. */
  apiVersion: string | null
  /** Whether the event is about real money. Null: the provider does not say. */
  livemode: boolean | null
  payload: string
  /** False: billing does not use this type of event, so the event is stored and not processed. */
  isListened: boolean
  /** Set where the event belongs to another account; it is then stored and not processed. Default: it is ours. */
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

/** Whether PostgreSQL can index the value and people can read it: a short string without control characters. */
const isName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= 255 && !/\p{Cc}/u.test(value)

/** Returns an id or a type of an event. @throws `invalid_payload` unless it is a short, readable string. */
export function requireName(value: unknown): string {
  if (isName(value)) return value
  throw new BillingError('invalid_payload', 'The body is signed but is not an event.')
}

/** An id or a type that an event may leave out; null where it is missing or cannot be stored. */
export const nameOrNull = (value: unknown): string | null => (isName(value) ? value : null)
