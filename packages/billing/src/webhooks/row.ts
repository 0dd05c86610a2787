/**
 * Types of stored and claimed events.
 *
 * @module
 */

/** A new event to store. */
export interface EventRow {
  provider: string
  eventId: string
  type: string
  /** The provider's id of the customer, checkout or payment that the event is about. Null: unknown. */
  subject: string | null
  providerCreatedAt: Date | null
  apiVersion: string | null
  livemode: boolean | null
  source: 'delivery' | 'pull'
  payload: string
  status: 'pending' | 'ignored'
  reason: string | null
}

/** Stores one event durably. Returns false if it was already stored. Throws if it may not be stored. */
export type StoreRow = (row: EventRow) => Promise<boolean>

/** An event in a claim. */
export interface ClaimedEvent {
  eventId: string
  type: string
  /** Number of tries, including this one. */
  attempts: number
  /** Seconds between the event's arrival and the claim. */
  ageSeconds: number
  /** False: the event's own try is later. It is included because its customer is synced anyway. */
  isDue: boolean
  /** The raw body. It names people, so it must not be logged. Null: it was emptied. */
  payload: string | null
}

/** Events of one customer, or one event without a customer, held under a lease. */
export interface Claim {
  lease: string
  provider: string
  subject: string | null
  events: ClaimedEvent[]
  /** A sync's ticket, drawn with the claim. */
  ticket: bigint
  /** When the events without `isDue` are due, by their ids. */
  dueAt: ReadonlyMap<string, Date>
}
