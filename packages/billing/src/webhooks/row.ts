/**
 * An event as it is stored.
 *
 * @module
 */

export interface EventRow {
  provider: string
  eventId: string
  type: string
  subject: string | null
  providerCreatedAt: Date | null
  apiVersion: string | null
  livemode: boolean | null
  source: 'delivery' | 'pull'
  payload: string
  status: 'pending' | 'ignored'
  reason: string | null
}

/** Stores one event, durably. False: it was there. Throws when it is not known to be stored. */
export type StoreRow = (row: EventRow) => Promise<boolean>

export interface ClaimedEvent {
  eventId: string
  type: string
  /** Tries begun, this one included. */
  attempts: number
  /** How long ago it arrived when it was claimed. */
  ageSeconds: number
  /** False: it waits for a later try of its own, and goes along because its customer is synced anyway. */
  isDue: boolean
  /** The raw body, which names people: not for a log. Null: it was emptied. */
  payload: string | null
}

/** Events of one customer, or one event without, held under a lease. */
export interface Claim {
  lease: string
  provider: string
  subject: string | null
  events: ClaimedEvent[]
  /** A sync's ticket, drawn with the claim. */
  ticket: bigint
  /** When the events are due that go along before their own try. */
  dueAt: ReadonlyMap<string, Date>
}
