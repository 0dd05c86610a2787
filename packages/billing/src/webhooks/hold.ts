/**
 * Chooses the event that retries an effect whose handler threw. Promise: such an effect keeps one event
 * pending and uses that event's tries. All other events of the customer are finished.
 *
 * @module
 */

import type { Db } from '@repo/db'
import type { Claim } from './row.ts'

/** Claimed events that stay pending for failed effects. */
export interface HeldEvents {
  /** Keys of the failed effects. */
  effects: readonly string[]
  /** Ids of events whose try was due and is now used. */
  due: readonly string[]
  /** Ids of events that were postponed before and keep their time. */
  waiting: readonly string[]
}

/** No event stays pending. */
export const NONE_HELD: HeldEvents = { effects: [], due: [], waiting: [] }

/** The claim without the events `ids`. */
export const without = (claim: Claim, ids: readonly string[]): Claim => ({
  ...claim,
  events: claim.events.filter(({ eventId }) => !ids.includes(eventId)),
})

/**
 * The same, but the events about the customer's deletion retry the effects, because they also repeat the deletion. A
 * claim without such an event keeps what it held, so that the effects are tried again.
 */
export function throughDeletion({ events }: Claim, held: HeldEvents): HeldEvents {
  const deletions = events.filter(({ type }) => type === 'customer.deleted')
  const holdsNone = held.due.length + held.waiting.length === 0
  if (holdsNone || deletions.length === 0) return held
  const ids = (isDue: boolean) =>
    deletions.flatMap((event) => (event.isDue === isDue ? event.eventId : []))
  return { ...held, due: ids(true), waiting: ids(false) }
}

/**
 * Finds the event that retries each failed effect: an event that already waits for it, or else the oldest due
 * event that names its object, or else the oldest due event. If an event has used up its tries on the effect,
 * a person was alerted and no further event waits.
 */
export async function eventsToHold(
  tx: Db,
  claim: Claim,
  effects: readonly string[],
): Promise<HeldEvents> {
  const due = new Set<string>()
  const waiting = new Set<string>()
  for (const key of effects) {
    // The key of a fact is `<kind>:<the provider's id>:<fact>`.
    const mention = `"${key.split(':')[1] ?? key}"`
    const rows = await tx.$queryRaw<
      { eventId: string; names: boolean; waits: boolean; isDead: boolean }[]
    >`
      SELECT "eventId", position(${mention} IN coalesce("payload", '')) > 0 AS "names",
        "reason" IS NOT DISTINCT FROM 'effect_failed' AS "waits", "status" = 'dead' AS "isDead"
      FROM "WebhookEvent"
      WHERE "provider" = ${claim.provider} AND (
        ("eventId" = ANY(${claim.events.map(({ eventId }) => eventId)}) AND "lease" = ${claim.lease})
        OR ("status" = 'dead' AND "reason" = 'effect_failed' AND "subject" = ${claim.subject}))
      ORDER BY "receivedAt", "eventId"`
    const isDue = new Set(claim.events.flatMap((each) => (each.isDue ? each.eventId : [])))
    if (rows.some(({ isDead, names }) => isDead && names)) continue
    const before = rows.find(({ isDead, waits, names }) => !isDead && waits && names)
    const ready = rows.filter(({ eventId, isDead }) => !isDead && isDue.has(eventId))
    const held = before ?? ready.find(({ names }) => names) ?? ready[0]
    if (held) (isDue.has(held.eventId) ? due : waiting).add(held.eventId)
  }
  return { effects, due: [...due], waiting: [...waiting] }
}
