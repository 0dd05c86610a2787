/**
 * Turns Stripe's objects into ours. Each fact is read from every field where an API version keeps it: 2024-04-10, and
 * 2025-03-31 ("basil") and later. A missing fact is null, never NaN and never a guess.
 *
 * @see https://docs.stripe.com/changelog/basil
 * @module
 */

import { SUBSCRIPTION_STATUSES, type SubscriptionStatus } from '../../catalog/status.ts'
import { idOf, type Raw, record, text, whole } from '../json.ts'

/** The items of a Stripe list; none where there is no list. */
export const rows = (list: unknown): Raw[] => {
  const data = record(list)?.data
  return Array.isArray(data) ? data.flatMap((item): Raw[] => [record(item) ?? {}]) : []
}

/** The last second of the year 9999. Later times can be neither stored nor read. */
const MAX_SECONDS = 253_402_300_799

/** The date of Stripe's epoch seconds; null where they are missing or cannot be stored. */
export const dateOf = (seconds: unknown): Date | null => {
  const value = whole(seconds)
  return value === null || Math.abs(value) > MAX_SECONDS ? null : new Date(value * 1000)
}

/** The present period, which the subscription has, or since basil its items. Null: not known. */
export function periodOf(subscription: unknown): { start: Date; end: Date } | null {
  const raw = record(subscription)
  if (!raw) return null
  const places = [raw, ...rows(raw.items)]
  const starts = places.flatMap((place) => dateOf(place.current_period_start)?.getTime() ?? [])
  const ends = places.flatMap((place) => dateOf(place.current_period_end)?.getTime() ?? [])
  if (starts.length === 0 || ends.length === 0) return null
  return { start: new Date(Math.min(...starts)), end: new Date(Math.max(...ends)) }
}

/** A price as we read it from Stripe. */
export interface PriceShape {
  stripePriceId: string
  stripeProductId: string
  lookupKey: string | null
  /** Minor units. Null: the price is tiered or custom. */
  amount: number | null
  currency: string
  interval: string | null
  active: boolean
}

/** Reads a price; null where a fact is missing that we need. */
export function priceShape(value: unknown): PriceShape | null {
  const raw = record(value)
  const stripePriceId = text(raw?.id)
  const stripeProductId = idOf(raw?.product)
  const currency = text(raw?.currency)
  if (!raw || !stripePriceId || !stripeProductId || !currency) return null
  return {
    stripePriceId,
    stripeProductId,
    lookupKey: text(raw.lookup_key),
    amount: whole(raw.unit_amount),
    currency,
    interval: text(record(raw.recurring)?.interval),
    active: raw.active === true,
  }
}

/** An item of a subscription, or of a phase of its schedule: the plan, or an add-on. */
export interface ItemShape {
  /** Null in a schedule, whose items have only prices. */
  stripeItemId: string | null
  stripePriceId: string
  quantity: number
  /** Since basil each item has its own period: an add-on may be billed yearly. Null before basil and in a schedule. */
  period: { start: Date; end: Date } | null
}

/** What happens to invoices while the collection of payments is paused, and until when. */
export interface PauseShape {
  /** In Stripe's words: `keep_as_draft`, `mark_uncollectible`, `void`. */
  behavior: string
  /** Null: until a person resumes the collection. */
  resumesAt: Date | null
}

/** A change that Stripe makes once its invoice is paid. */
export interface PendingShape {
  items: ItemShape[]
  expiresAt: Date
  stripeInvoiceId: string | null
}

/** A subscription as we read it from Stripe. */
export interface SubscriptionShape {
  stripeSubscriptionId: string
  status: SubscriptionStatus
  /** The quantity of the plan's item. `plan-item.ts` finds that item; until then the first of `items` counts. */
  quantity: number
  price: PriceShape
  items: ItemShape[]
  /** The prices that `items` name. */
  prices: PriceShape[]
  currentPeriodStart: Date
  currentPeriodEnd: Date
  cancelAtPeriodEnd: boolean
  cancelAt: Date | null
  canceledAt: Date | null
  endedAt: Date | null
  trialStart: Date | null
  trialEnd: Date | null
  cancellationFeedback: string | null
  cancellationComment: string | null
  /** False: invoices are sent to the customer, who pays them by hand. */
  isCharged: boolean
  schedule: ScheduleShape | null
  pause: PauseShape | null
  pending: PendingShape | null
  /** Stripe's fingerprint of the default card; null where the payment method is not expanded or not a card. */
  cardFingerprint: string | null
  createdAt: Date
}

/** The schedule of a subscription, and the change that comes next. */
export interface ScheduleShape {
  stripeScheduleId: string
  /** Null: no further change is scheduled. */
  next: { stripePriceId: string; quantity: number; startsAt: Date; items: ItemShape[] } | null
}

/** The items of a subscription or of a phase, in Stripe's order. */
function itemShapes(list: unknown): ItemShape[] {
  const items: Raw[] = Array.isArray(list) ? list.map((item) => record(item) ?? {}) : []
  return items.flatMap((raw): ItemShape[] => {
    const stripePriceId = idOf(raw.price)
    if (!stripePriceId) return []
    const [start, end] = [dateOf(raw.current_period_start), dateOf(raw.current_period_end)]
    return [
      {
        stripeItemId: text(raw.id),
        stripePriceId,
        quantity: whole(raw.quantity) ?? 1,
        period: start && end ? { start, end } : null,
      },
    ]
  })
}

function scheduleShape(value: unknown): ScheduleShape | null {
  const stripeScheduleId = idOf(value)
  if (!stripeScheduleId) return null
  const raw = record(value)
  const currentEnd = whole(record(raw?.current_phase)?.end_date)
  const phases = Array.isArray(raw?.phases) ? raw.phases : []
  const later = phases.flatMap((phase) => {
    const start = whole(record(phase)?.start_date)
    const items = itemShapes(record(phase)?.items)
    const [first] = items
    if (start === null || currentEnd === null || start < currentEnd || !first) return []
    const { stripePriceId, quantity } = first
    return [{ stripePriceId, quantity, items, startsAt: start }]
  })
  const [next] = later.sort((a, b) => a.startsAt - b.startsAt)
  return {
    stripeScheduleId,
    next: next ? { ...next, startsAt: new Date(next.startsAt * 1000) } : null,
  }
}

function pauseShape(value: unknown): PauseShape | null {
  const raw = record(value)
  const behavior = text(raw?.behavior)
  return behavior ? { behavior, resumesAt: dateOf(raw?.resumes_at) } : null
}

function pendingShape(raw: Raw): PendingShape | null {
  const pending = record(raw.pending_update)
  const expiresAt = dateOf(pending?.expires_at)
  if (!pending || !expiresAt) return null
  const items = itemShapes(pending.subscription_items)
  return { items, expiresAt, stripeInvoiceId: idOf(raw.latest_invoice) }
}

/** Reads a subscription, or tells why it cannot be read. */
export function subscriptionShape(
  value: unknown,
): SubscriptionShape | { unreadable: 'missing_price' | 'missing_period' | 'unknown_status' } {
  const raw = record(value) ?? {}
  const status = SUBSCRIPTION_STATUSES.find((known) => known === raw.status)
  const list = rows(raw.items)
  const items = itemShapes(list)
  const prices = list.flatMap((item) => priceShape(item.price) ?? [])
  const [item] = items
  const price = prices.find(({ stripePriceId }) => stripePriceId === item?.stripePriceId)
  const period = periodOf(raw)
  const stripeSubscriptionId = text(raw.id)
  if (!status || !stripeSubscriptionId) return { unreadable: 'unknown_status' }
  if (!price) return { unreadable: 'missing_price' }
  if (!period) return { unreadable: 'missing_period' }
  return {
    stripeSubscriptionId,
    status,
    quantity: item?.quantity ?? 1,
    price,
    items,
    prices,
    currentPeriodStart: period.start,
    currentPeriodEnd: period.end,
    cancelAtPeriodEnd: raw.cancel_at_period_end === true,
    cancelAt: dateOf(raw.cancel_at),
    canceledAt: dateOf(raw.canceled_at),
    endedAt: dateOf(raw.ended_at),
    trialStart: dateOf(raw.trial_start),
    trialEnd: dateOf(raw.trial_end),
    cancellationFeedback: text(record(raw.cancellation_details)?.feedback),
    cancellationComment: text(record(raw.cancellation_details)?.comment),
    isCharged: raw.collection_method !== 'send_invoice',
    schedule: scheduleShape(raw.schedule),
    pause: pauseShape(raw.pause_collection),
    pending: pendingShape(raw),
    cardFingerprint: text(record(record(raw.default_payment_method)?.card)?.fingerprint),
    createdAt: dateOf(raw.created) ?? new Date(0),
  }
}
