/**
 * Bookings, as Cal.com tells of them. A reschedule brings a new uid, and events come in any order:
 * one row follows the chain, and the event with the highest sequence decides.
 *
 * @module
 */

import { atomically, type Booking, type Db } from '@repo/db'
import { z } from 'zod'
import { readReference } from './calcom.ts'
import type { BillingContext } from './context.ts'

/** Cal.com's trigger for each status we store. Others are received and ignored. */
const STATUS_OF = {
  BOOKING_CREATED: 'accepted',
  BOOKING_RESCHEDULED: 'accepted',
  BOOKING_REQUESTED: 'pending',
  BOOKING_CANCELLED: 'cancelled',
  BOOKING_REJECTED: 'rejected',
} as const

export type BookingTrigger = keyof typeof STATUS_OF

export const isBookingTrigger = (trigger: string): trigger is BookingTrigger =>
  Object.hasOwn(STATUS_OF, trigger)

const optionalText = z.string().min(1).nullish().catch(null)

/** What is read of an event's payload. Everything Cal.com leaves out or sends as null may be absent. */
const bookingPayload = z.object({
  uid: z.string().min(1),
  rescheduleUid: optionalText,
  iCalUID: optionalText,
  iCalSequence: z.number().int().min(0).nullish().catch(null),
  eventTypeId: z.number().int().nullish().catch(null),
  title: optionalText,
  startTime: z.coerce.date(),
  endTime: z.coerce.date(),
  attendees: z
    .array(z.object({ name: optionalText, email: optionalText }))
    .nullish()
    .catch(null),
  metadata: z.record(z.string(), z.unknown()).nullish().catch(null),
  videoCallData: z.object({ url: optionalText }).nullish().catch(null),
  cancellationReason: optionalText,
  rejectionReason: optionalText,
})

export type BookingPayload = z.output<typeof bookingPayload>

/** The payload, or null where it lacks what a booking cannot be without. */
export const readBookingPayload = (value: unknown): BookingPayload | null =>
  bookingPayload.safeParse(value).data ?? null

export interface BookingEvent {
  trigger: BookingTrigger
  /** When Cal.com made it. */
  createdAt: Date
  payload: BookingPayload
}

/**
 * Applies an event to the row of its chain. Applying it again, or an older one, changes nothing.
 * `within` runs in the same transaction, last.
 */
export async function applyBooking(
  ctx: BillingContext,
  event: BookingEvent,
  within: (tx: Db) => Promise<unknown>,
): Promise<void> {
  await atomically(ctx.db, async (tx) => {
    await applyTo(tx, ctx, event)
    await within(tx)
  })
}

async function applyTo(tx: Db, ctx: BillingContext, event: BookingEvent): Promise<void> {
  const row = await lockChain(tx, event.payload)
  const reference = await referenceOf(tx, ctx, event.payload)
  if (!row) {
    const { id } = await tx.booking.create({
      data: {
        ...factsOf(event),
        calUids: uidsOf(event.payload),
        ...(await ownership(tx, reference, null)),
      },
    })
    await noteUids(tx, id, event.payload)
    return
  }
  const calUids = [...new Set([...row.calUids, ...uidsOf(event.payload)])]
  // An older event may still be the one that carries the reference: a cancellation has none.
  const owner = row.customerId ? {} : await ownership(tx, reference, row.id)
  await tx.booking.update({
    where: { id: row.id },
    data: { calUids, ...(isNewer(event, row) ? factsOf(event) : {}), ...owner },
  })
  await noteUids(tx, row.id, event.payload)
}

/**
 * The row of an event's chain; null where there is none yet. Two events of one chain share a uid or Cal.com's uid of
 * the calendar entry, so whoever locks all of those waits for the other. In one order, so that none waits in a circle.
 */
async function lockChain(tx: Db, payload: BookingPayload): Promise<Booking | null> {
  const { iCalUID } = payload
  const uids = uidsOf(payload)
  const keys = [...uids, ...(iCalUID ? [`ical:${iCalUID}`] : [])].map((key) => `booking:${key}`)
  await lockKeys(tx, keys)
  const known = await tx.bookingUid.findFirst({ where: { uid: { in: uids } } })
  if (known) return tx.booking.findUnique({ where: { id: known.bookingId } })
  return iCalUID ? tx.booking.findFirst({ where: { calICalUid: iCalUID } }) : null
}

/** Waits for every other transaction that has locked one of `keys`. */
async function lockKeys(tx: Db, keys: readonly string[]): Promise<void> {
  for (const key of [...keys].sort()) {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`
  }
}

/** A uid stays with the booking that had it first. */
const noteUids = (tx: Db, bookingId: string, payload: BookingPayload) =>
  tx.bookingUid.createMany({
    data: uidsOf(payload).map((uid) => ({ uid, bookingId })),
    skipDuplicates: true,
  })

const uidsOf = ({ uid, rescheduleUid }: BookingPayload): string[] =>
  rescheduleUid ? [rescheduleUid, uid] : [uid]

function isNewer(
  { payload, createdAt }: BookingEvent,
  row: { calICalSequence: number; calCreatedAt: Date },
): boolean {
  const sequence = payload.iCalSequence ?? row.calICalSequence
  if (sequence !== row.calICalSequence) return sequence > row.calICalSequence
  return createdAt > row.calCreatedAt
}

function factsOf({ trigger, createdAt, payload }: BookingEvent) {
  const [booker] = payload.attendees ?? []
  const videoUrl = payload.metadata?.videoCallUrl
  return {
    calBookingUid: payload.uid,
    calICalUid: payload.iCalUID ?? null,
    calICalSequence: payload.iCalSequence ?? 0,
    calCreatedAt: createdAt,
    calEventTypeId: payload.eventTypeId ?? null,
    title: payload.title ?? '',
    status: STATUS_OF[trigger],
    startsAt: payload.startTime,
    endsAt: payload.endTime,
    attendeeName: booker?.name ?? null,
    attendeeEmail: booker?.email ?? null,
    meetingUrl: payload.videoCallData?.url ?? (typeof videoUrl === 'string' ? videoUrl : null),
    reason: payload.cancellationReason ?? payload.rejectionReason ?? null,
  }
}

interface Reference {
  customerId: string | null
  paymentId: string | null
  needsAttention: string | null
}

const NOBODY: Reference = { customerId: null, paymentId: null, needsAttention: null }

async function referenceOf(
  tx: Db,
  ctx: BillingContext,
  payload: BookingPayload,
): Promise<Reference> {
  const signed = payload.metadata?.ref
  if (typeof signed !== 'string') return NOBODY
  const reference = readReference(ctx.calcom.webhookSecret, signed)
  const customer = reference
    ? await tx.customer.findUnique({ where: { id: reference.customerId } })
    : null
  if (!reference || !customer) return { ...NOBODY, needsAttention: 'invalid_reference' }
  return { ...reference, needsAttention: null }
}

/** One payment serves one booking that stands; a second one is stored and flagged. */
async function ownership(tx: Db, reference: Reference, bookingId: string | null) {
  if (!reference.paymentId) return reference
  // The last lock of a transaction, so it closes no circle.
  await lockKeys(tx, [`payment:${reference.paymentId}`])
  const others = await tx.booking.count({
    where: {
      paymentId: reference.paymentId,
      status: { in: ['accepted', 'pending'] },
      ...(bookingId ? { id: { not: bookingId } } : {}),
    },
  })
  return others === 0 ? reference : { ...reference, needsAttention: 'payment_already_used' }
}

/** The owner's bookings, the latest start first. */
export function listBookings(ctx: BillingContext, ownerId: string): Promise<Booking[]> {
  return ctx.db.booking.findMany({
    where: { customer: { ownerId } },
    orderBy: { startsAt: 'desc' },
  })
}
