/**
 * The one border where Stripe's objects become ours. Each fact is read from every place an API
 * version has kept it, 2024-04-10 and 2025-03-31 ("basil") and later; a fact that is missing is
 * null, never NaN and never a guess.
 *
 * @see https://docs.stripe.com/changelog/basil
 * @module
 */

type Raw = Record<string, unknown>

const record = (value: unknown): Raw | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : null
const text = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : null
const whole = (value: unknown): number | null =>
  Number.isSafeInteger(value) ? (value as number) : null
const rows = (list: unknown): Raw[] => {
  const data = record(list)?.data
  return Array.isArray(data) ? data.flatMap((item): Raw[] => [record(item) ?? {}]) : []
}

/** The id of an object that Stripe gives as an id or, expanded, as the object. */
export const idOf = (value: unknown): string | null => text(value) ?? text(record(value)?.id)

/** Stripe's epoch seconds; null when absent. */
export const dateOf = (seconds: unknown): Date | null => {
  const value = whole(seconds)
  return value === null ? null : new Date(value * 1000)
}

/** Start and end of the present period: on the subscription, or since basil on its items. */
export function periodOf(subscription: unknown): { start: Date; end: Date } | null {
  const raw = record(subscription)
  if (!raw) return null
  const places = [raw, ...rows(raw.items)]
  const starts = places.flatMap((place) => whole(place.current_period_start) ?? [])
  const ends = places.flatMap((place) => whole(place.current_period_end) ?? [])
  if (starts.length === 0 || ends.length === 0) return null
  return { start: new Date(Math.min(...starts) * 1000), end: new Date(Math.max(...ends) * 1000) }
}

/** The subscription an invoice belongs to; null for a one-off invoice. */
export function invoiceSubscription(invoice: unknown): string | null {
  const raw = record(invoice)
  const details = record(record(raw?.parent)?.subscription_details)
  return idOf(details?.subscription) ?? idOf(raw?.subscription)
}

export interface PriceShape {
  stripePriceId: string
  stripeProductId: string
  lookupKey: string | null
  amount: number | null
  currency: string
  interval: string | null
  active: boolean
}

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

const SUBSCRIPTION_STATUSES = [
  'incomplete',
  'incomplete_expired',
  'trialing',
  'active',
  'past_due',
  'canceled',
  'unpaid',
  'paused',
] as const

export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number]

export interface SubscriptionShape {
  stripeSubscriptionId: string
  status: SubscriptionStatus
  quantity: number
  price: PriceShape
  currentPeriodStart: Date
  currentPeriodEnd: Date
  cancelAtPeriodEnd: boolean
  cancelAt: Date | null
  canceledAt: Date | null
  endedAt: Date | null
  trialStart: Date | null
  trialEnd: Date | null
  createdAt: Date
}

/** A subscription, or the reason it cannot be read. */
export function subscriptionShape(
  value: unknown,
): SubscriptionShape | { unreadable: 'missing_price' | 'missing_period' | 'unknown_status' } {
  const raw = record(value) ?? {}
  const status = SUBSCRIPTION_STATUSES.find((known) => known === raw.status)
  const [item] = rows(raw.items)
  const price = priceShape(item?.price)
  const period = periodOf(raw)
  const stripeSubscriptionId = text(raw.id)
  if (!status || !stripeSubscriptionId) return { unreadable: 'unknown_status' }
  if (!price) return { unreadable: 'missing_price' }
  if (!period) return { unreadable: 'missing_period' }
  return {
    stripeSubscriptionId,
    status,
    quantity: whole(item?.quantity) ?? 1,
    price,
    currentPeriodStart: period.start,
    currentPeriodEnd: period.end,
    cancelAtPeriodEnd: raw.cancel_at_period_end === true,
    cancelAt: dateOf(raw.cancel_at),
    canceledAt: dateOf(raw.canceled_at),
    endedAt: dateOf(raw.ended_at),
    trialStart: dateOf(raw.trial_start),
    trialEnd: dateOf(raw.trial_end),
    createdAt: dateOf(raw.created) ?? new Date(0),
  }
}

export interface PaymentShape {
  stripePaymentIntentId: string
  stripeCustomerId: string | null
  amount: number
  currency: string
  status: string
  metadata: Record<string, string>
  createdAt: Date
}

export function paymentShape(value: unknown): PaymentShape | null {
  const raw = record(value)
  const stripePaymentIntentId = text(raw?.id)
  const amount = whole(raw?.amount)
  const currency = text(raw?.currency)
  const status = text(raw?.status)
  if (!raw || !stripePaymentIntentId || amount === null || !currency || !status) return null
  const metadata = Object.entries(record(raw.metadata) ?? {}).flatMap(([key, item]) =>
    typeof item === 'string' ? [[key, item] as const] : [],
  )
  return {
    stripePaymentIntentId,
    stripeCustomerId: idOf(raw.customer),
    amount,
    currency,
    status,
    metadata: Object.fromEntries(metadata),
    createdAt: dateOf(raw.created) ?? new Date(0),
  }
}

export interface InvoiceShape {
  stripeInvoiceId: string
  stripeSubscriptionId: string | null
  status: string
  /** Minor units still to be paid. */
  amountDue: number
  currency: string
  /** Failed and successful tries so far. */
  attemptCount: number
  nextAttemptAt: Date | null
}

export function invoiceShape(value: unknown): InvoiceShape | null {
  const raw = record(value)
  const stripeInvoiceId = text(raw?.id)
  const status = text(raw?.status)
  const currency = text(raw?.currency)
  if (!raw || !stripeInvoiceId || !status || !currency) return null
  return {
    stripeInvoiceId,
    stripeSubscriptionId: invoiceSubscription(raw),
    status,
    amountDue: whole(raw.amount_due) ?? 0,
    currency,
    attemptCount: whole(raw.attempt_count) ?? 0,
    nextAttemptAt: dateOf(raw.next_payment_attempt),
  }
}
