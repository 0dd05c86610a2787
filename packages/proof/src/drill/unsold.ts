/**
 * The times at which a subscription had a price without a plan, as the processed events of its customer tell. A mail
 * names the plan, so a subscription gets none meanwhile.
 *
 * @module
 */

import type { Database } from '@repo/db'

/** A time span, both ends included. */
export interface Span {
  from: Date
  to: Date
}

/** What one processed event tells about a subscription. */
export interface Seen {
  /** When the sync that finished the event wrote. */
  at: Date
  /** Whether the subscription had a price without a plan then. */
  isUnsold: boolean
}

/** The end of time, for a subscription that kept such a price. */
const END = new Date(8.64e15)

/**
 * How much earlier an effect may be dated than the write of the sync before it: a transaction that waits for the
 * customer's row has begun by then.
 */
const WAIT_MS = 2_000

/**
 * The spans without a plan: from the last event that saw a plan's price before them to the first event that sees one
 * again.
 */
export function unsoldSpans(seen: readonly Seen[]): Span[] {
  const spans: Span[] = []
  let sold = new Date(0)
  let open: Date | null = null
  for (const { at, isUnsold } of [...seen].sort((a, b) => a.at.getTime() - b.at.getTime())) {
    if (isUnsold) open ??= sold
    else {
      if (open) spans.push({ from: new Date(open.getTime() - WAIT_MS), to: at })
      open = null
      sold = at
    }
  }
  if (open) spans.push({ from: new Date(open.getTime() - WAIT_MS), to: END })
  return spans
}

/** The spans of all subscriptions that had a price without a plan at some time, by Stripe's id. */
export async function readUnsold(db: Database): Promise<Map<string, Span[]>> {
  const unsold = await db.webhookEvent.findMany({
    where: { reason: 'unknown_price' },
    select: { subject: true, payload: true },
  })
  const ids = new Set(unsold.flatMap(({ payload }) => [...named(payload)]))
  if (ids.size === 0) return new Map()
  const subjects = [...new Set(unsold.flatMap(({ subject }) => subject ?? []))]
  const events = await db.webhookEvent.findMany({
    where: { subject: { in: subjects }, processedAt: { not: null } },
    select: { payload: true, processedAt: true, status: true, reason: true },
  })
  const seen = new Map<string, Seen[]>([...ids].map((id) => [id, []]))
  for (const { payload, processedAt, status, reason } of events) {
    const isUnsold = reason === 'unknown_price'
    if (!processedAt || (status !== 'processed' && !isUnsold)) continue
    for (const id of named(payload)) seen.get(id)?.push({ at: processedAt, isUnsold })
  }
  return new Map([...seen].map(([id, each]) => [id, unsoldSpans(each)]))
}

const named = (payload: string | null): Set<string> => new Set(payload?.match(/\bsub_\w+/g) ?? [])
