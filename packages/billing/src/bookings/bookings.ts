/**
 * Bookings, as Cal.com tells of them. A reschedule brings a new uid, events come in any order, and the attendees of a
 * booking with seats share one: each chain, and each seat, is one row, and the latest of its events decides.
 *
 * @module
 */

import { atomically, type Booking, type Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { readReference } from './calcom.ts'
import {
  type Attendee,
  attendeesOf,
  type BookingEvent,
  type BookingPayload,
  hasEnded,
  isLater,
  latestFirst,
  statusOf,
  uidsOf,
} from './events.ts'

/**
 * Applies an event to the rows of its chain. Applying it again, or an older one, changes nothing.
 * `within` runs in the same transaction, last; it is told whether the booking is a forgotten owner's.
 *
 * @throws `processing_failed` for the end of a booking without times that is not known yet: later it may be.
 */
export async function applyBooking(
  ctx: BillingContext,
  event: BookingEvent,
  within: (tx: Db, isForgotten: boolean) => Promise<unknown>,
): Promise<void> {
  await atomically(ctx.db, async (tx) => {
    await within(tx, await applyTo(tx, ctx, event))
  })
}

type Row = Booking & { customer: { forgottenAt: Date | null } | null }

async function applyTo(tx: Db, ctx: BillingContext, event: BookingEvent): Promise<boolean> {
  const rows = await lockChain(tx, event.payload)
  const reference = await referenceOf(tx, ctx, event.payload)
  const seats = rows.map(({ calSeat }) => calSeat)
  const about = attendeesOf(event, ctx.calcom.webhookSecret, seats)
  const everybody = () =>
    rows.map((row) => ({ name: row.attendeeName, email: row.attendeeEmail, seat: row.calSeat }))
  let isForgotten = false
  const nobody = { name: null, email: null, seat: '' }
  const affected = about.length > 0 ? about : rows.length > 0 ? everybody() : [nobody]
  for (const attendee of affected) {
    const own = rows.filter(({ calSeat }) => calSeat === attendee.seat)
    const isOf = await applyToSeat(tx, event, { attendee, rows: own, reference })
    isForgotten ||= isOf
  }
  return isForgotten
}

interface Seat {
  attendee: Attendee
  /** Those that turn out to be one, where an event joins what came apart. */
  rows: Row[]
  reference: Reference
}

/** True: whoever the booking is of was forgotten, and no name of theirs was written. */
async function applyToSeat(
  tx: Db,
  event: BookingEvent,
  { attendee, rows, reference }: Seat,
): Promise<boolean> {
  const { payload } = event
  const [latest, ...others] = latestFirst(rows, payload)
  if (!latest) {
    const data = factsOf(event, attendee, null)
    const facts = reference.isForgotten ? withoutNames(data) : data
    const calUids = uidsOf(payload)
    const calRecurringId = recurringIdOf(payload)
    const owned = await ownership(tx, reference, calRecurringId, null)
    const { id } = await tx.booking.create({
      data: { ...facts, calSeat: attendee.seat, calUids, calRecurringId, ...owned },
    })
    await noteUids(tx, id, calUids)
    return reference.isForgotten
  }
  const calUids = [...new Set([...rows.flatMap((row) => row.calUids), ...uidsOf(payload)])]
  const owned = rows.find(({ customerId }) => customerId !== null)
  const kept = owned ?? others.at(-1) ?? latest
  // Their uids are free before the row that stays takes one of them.
  const gone = rows.filter(({ id }) => id !== kept.id).map(({ id }) => id)
  if (gone.length > 0) await tx.booking.deleteMany({ where: { id: { in: gone } } })
  const later = isLater(event, latest)
  const data = later ? factsOf(event, attendee, latest) : stateOf(latest)
  const isForgotten = owned?.customer ? owned.customer.forgottenAt !== null : reference.isForgotten
  const calRecurringId = latest.calRecurringId ?? recurringIdOf(payload)
  // A seat that is taken again is paid for again. Else an older event may still be the one that carries the
  // reference: a cancellation has none.
  const isTakenAgain = later && hasEnded(latest.status) && !hasEnded(data.status)
  const isNamed = reference.customerId !== null || reference.needsAttention !== null
  const whose =
    isNamed && (!owned || isTakenAgain)
      ? await ownership(tx, reference, calRecurringId, kept.id)
      : await stillOwned(tx, { ...(owned ?? latest), id: kept.id, calRecurringId })
  await tx.booking.update({
    where: { id: kept.id },
    data: { ...(isForgotten ? withoutNames(data) : data), calUids, calRecurringId, ...whose },
  })
  await noteUids(tx, kept.id, calUids)
  return isForgotten
}

/**
 * The rows of an event's chain, and of every seat of its bookings. Two events of one chain share a uid or Cal.com's
 * uid of the calendar entry, so whoever locks all of those waits for the other. In one order, so that none waits in a
 * circle. The calls of a recurring booking may share the entry and are bookings of their own.
 */
async function lockChain(tx: Db, payload: BookingPayload): Promise<Row[]> {
  const uids = uidsOf(payload)
  const iCalUID = payload.recurringEventId || payload.recurringEvent ? null : payload.iCalUID
  const keys = [...uids, ...(iCalUID ? [`ical:${iCalUID}`] : [])].map((key) => `booking:${key}`)
  await lockKeys(tx, keys)
  const known = await tx.bookingUid.findMany({ where: { uid: { in: uids } } })
  const ids = known.map(({ bookingId }) => bookingId)
  return tx.booking.findMany({
    where: { OR: [{ id: { in: ids } }, ...(iCalUID ? [{ calICalUid: iCalUID }] : [])] },
    include: { customer: { select: { forgottenAt: true } } },
  })
}

/** Waits for every other transaction that has locked one of `keys`. */
async function lockKeys(tx: Db, keys: readonly string[]): Promise<void> {
  for (const key of [...keys].sort()) {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`
  }
}

const noteUids = (tx: Db, bookingId: string, uids: readonly string[]) =>
  tx.bookingUid.createMany({ data: uids.map((uid) => ({ uid, bookingId })), skipDuplicates: true })

/** What the calls of one recurring booking share. A server that sends no id sends the rule of its recurrence. */
const recurringIdOf = ({ recurringEventId, recurringEvent }: BookingPayload): string | null =>
  recurringEventId ?? (recurringEvent ? 'without-id' : null)

const FACTS = [
  ...['calBookingUid', 'calICalUid', 'calICalSequence', 'calCreatedAt', 'calEventTypeId', 'title'],
  ...['status', 'startsAt', 'endsAt', 'attendeeName', 'attendeeEmail', 'meetingUrl', 'reason'],
] as const

type Facts = ReturnType<typeof factsOf>

const stateOf = (row: Row): Facts =>
  Object.fromEntries(FACTS.map((name) => [name, Reflect.get(row, name)])) as Facts

/** What the event says; what it leaves out stays as `before` has it. */
function factsOf(event: BookingEvent, attendee: Attendee, before: Row | null) {
  const { createdAt, payload } = event
  const startsAt = payload.startTime ?? before?.startsAt
  const endsAt = payload.endTime ?? before?.endsAt
  if (!startsAt || !endsAt) {
    throw new BillingError('processing_failed', 'The booking has no times, and is not known yet.')
  }
  const videoUrl = payload.metadata?.videoCallUrl
  return {
    calBookingUid: payload.uid,
    calICalUid: payload.iCalUID ?? before?.calICalUid ?? null,
    calICalSequence: payload.iCalSequence ?? before?.calICalSequence ?? 0,
    calCreatedAt: createdAt,
    calEventTypeId: payload.eventTypeId ?? before?.calEventTypeId ?? null,
    title: payload.title ?? before?.title ?? '',
    status: statusOf(event) as string,
    startsAt,
    endsAt,
    attendeeName: attendee.name ?? before?.attendeeName ?? null,
    attendeeEmail: attendee.email ?? before?.attendeeEmail ?? null,
    meetingUrl: payload.videoCallData?.url ?? (typeof videoUrl === 'string' ? videoUrl : null),
    reason: payload.cancellationReason ?? payload.rejectionReason ?? null,
  }
}

/** What of a booking names people, as it is once they are forgotten. Cal.com's titles hold the attendee's name. */
export const NAMELESS = {
  title: '',
  attendeeName: null,
  attendeeEmail: null,
  meetingUrl: null,
  reason: null,
} as const

const withoutNames = (facts: Facts): Facts => ({ ...facts, ...NAMELESS })

interface Owned {
  customerId: string | null
  paymentId: string | null
  needsAttention: string | null
}

interface Reference extends Owned {
  isForgotten: boolean
}

const NOBODY: Reference = {
  customerId: null,
  paymentId: null,
  needsAttention: null,
  isForgotten: false,
}

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
  return { ...reference, needsAttention: null, isForgotten: customer.forgottenAt !== null }
}

/** One payment serves one booking that stands, or the calls of one that recurs; another is stored and flagged. */
async function ownership(
  tx: Db,
  { customerId, paymentId, needsAttention }: Owned,
  recurringId: string | null,
  bookingId: string | null,
): Promise<Owned> {
  if (!paymentId) return { customerId, paymentId, needsAttention }
  // The last lock of a transaction, so it closes no circle.
  await lockKeys(tx, [`payment:${paymentId}`])
  const others = await tx.booking.count({
    where: {
      paymentId,
      status: { in: ['accepted', 'pending'] },
      ...(bookingId ? { id: { not: bookingId } } : {}),
      ...(recurringId
        ? { OR: [{ calRecurringId: null }, { NOT: { calRecurringId: recurringId } }] }
        : {}),
    },
  })
  return { customerId, paymentId, needsAttention: others === 0 ? null : 'payment_already_used' }
}

/** Rows that came apart may have been flagged for each other. */
async function stillOwned(
  tx: Db,
  { id, customerId, paymentId, needsAttention, calRecurringId }: Booking,
): Promise<Owned> {
  const owned = { customerId, paymentId, needsAttention }
  return needsAttention === 'payment_already_used'
    ? ownership(tx, owned, calRecurringId, id)
    : owned
}

/** The owner's bookings, the latest start first. */
export function listBookings(ctx: BillingContext, ownerId: string): Promise<Booking[]> {
  return ctx.db.booking.findMany({
    where: { customer: { ownerId } },
    orderBy: { startsAt: 'desc' },
  })
}
