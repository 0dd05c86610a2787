/**
 * Schedules deliveries: takes events as they happen, and returns their deliveries in the planned, different
 * order.
 *
 * @module
 */

import { type DeliveryKind, type PlanSettings, planDeliveries } from './deliveries.ts'

/** A delivery that is due. */
export interface Due {
  /** The provider's id of the event. */
  eventId: string
  /** The genuine event as JSON; see `signDelivery`. */
  body: string
  /** How the delivery is made: as it is, late, damaged or wrongly signed. */
  kind: DeliveryKind
}

/** An event that has happened at the provider. */
export interface Happened {
  /** The provider's id of the event. */
  id: string
  /** The event as JSON. */
  body: string
}

/** The schedule of deliveries. */
export interface Post {
  /** Number of events that happened. */
  readonly events: number
  /** Number of events that are never delivered. */
  readonly dropped: number
  /** Number of planned deliveries that were not returned yet. */
  readonly waiting: number
  /** Adds an event that has happened. Returns the deliveries that are due now. */
  take(event: Happened): Due[]
  /** Schedules a delivery once more, `after` events later. */
  again(due: Due, after: number): void
  /** Returns all remaining deliveries. Call it after the last event. */
  rest(): Due[]
}

/** Creates an empty schedule. */
export function createPost(seed: number, settings: PlanSettings): Post {
  const later = new Map<number, Due[]>()
  let events = 0
  let dropped = 0
  let waiting = 0
  const put = (at: number, due: Due) => {
    const others = later.get(at)
    if (others) others.push(due)
    else later.set(at, [due])
    waiting += 1
  }
  return {
    get events() {
      return events
    },
    get dropped() {
      return dropped
    },
    get waiting() {
      return waiting
    },
    take({ id: eventId, body }) {
      const plan = planDeliveries(seed, events, settings)
      if (plan.isDropped) dropped += 1
      for (const { kind, after } of plan.deliveries) put(events + after, { eventId, body, kind })
      const due = later.get(events) ?? []
      later.delete(events)
      waiting -= due.length
      events += 1
      return due
    },
    again: (due, after) => put(events + after, due),
    rest() {
      const left = [...later.entries()].sort(([a], [b]) => a - b).flatMap(([, due]) => due)
      later.clear()
      waiting = 0
      return left
    },
  }
}
