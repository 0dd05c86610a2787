/**
 * The post: takes events as they happen and hands out their deliveries in the order in which they
 * are made, which is another one.
 *
 * @module
 */

import { type DeliveryKind, type PlanSettings, planDeliveries } from './deliveries.ts'

/** A delivery that is due. */
export interface Due {
  eventId: string
  /** The genuine event as JSON; see `signDelivery`. */
  body: string
  kind: DeliveryKind
}

export interface Post {
  /** Events that happened, and how many of them are never delivered. */
  readonly events: number
  readonly dropped: number
  /** Deliveries that are planned and not handed out yet. */
  readonly waiting: number
  /** One more event has happened. Returns what is due now. */
  take(event: { id: string; body: string }): Due[]
  /** Makes a delivery once more, so many events later. */
  again(due: Due, after: number): void
  /** All that are left; nothing further happens. */
  rest(): Due[]
}

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
