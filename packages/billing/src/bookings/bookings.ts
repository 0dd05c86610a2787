/**
 * Bookings at Cal.com. A reschedule brings a new uid, events arrive in any order, and the attendees of a booking with
 * seats share a uid. Each chain, and each seat, is one row, and the latest event decides what the row holds.
 *
 * @module
 */

import { atomically, type Db } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { customerIdOf } from '../customers/customer-id.ts'
import { BillingError } from '../errors.ts'
import { endOf, following, PAGE, type PageOptions, type Sorting } from '../page.ts'
import type { Booking } from '../rows.ts'
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
 * Applies an event to the rows of its chain. Applying it again, or an older event, changes nothing. `within` runs last
 * in the same transaction, and learns whether the booking belongs to a forgotten owner.
 *
 * @throws `processing_failed` for a cancellation or rejection without times of a booking that is not known yet. A
 * retry may know the booking.
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
  /** The rows of the seat; several where the event shows that separate rows are one booking. */
  rows: Row[]
  reference: Reference
}

/** Applies an event to one seat. True: the owner was forgotten, and no names were written. */
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
  // The other rows go first, because the row that stays may take one of their unique uids.
  const gone = rows.filter(({ id }) => id !== kept.id).map(({ id }) => id)
  if (gone.length > 0) await tx.booking.deleteMany({ where: { id: { in: gone } } })
  const later = isLater(event, latest)
  const data = later ? factsOf(event, attendee, latest) : stateOf(latest)
  const isForgotten = owned?.customer ? owned.customer.forgottenAt !== null : reference.isForgotten
  const calRecurringId = latest.calRecurringId ?? recurringIdOf(payload)
  // A seat that is taken again is paid for again. Otherwise any event may bring the reference, even an older one,
  // because cancellations have no reference.
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
 * Locks an event's chain and returns its rows, those of all seats included. Two events of one chain share a uid or the
 * uid of the calendar entry, so locking all of them makes one transaction wait for the other. The locks are taken in
 * sorted order to prevent deadlocks. The meetings of a recurring booking may share a calendar entry but are separate
 * bookings.
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

/** Locks `keys` until the transaction ends, and waits for other transactions that have locked one of them. */
async function lockKeys(tx: Db, keys: readonly string[]): Promise<void> {
  for (const key of [...keys].sort()) {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`
  }
}

const noteUids = (tx: Db, bookingId: string, uids: readonly string[]) =>
  tx.bookingUid.createMany({ data: uids.map((uid) => ({ uid, bookingId })), skipDuplicates: true })

/** An id that the meetings of a recurring booking share. A server that sends no id sends the rule of recurrence. */
const recurringIdOf = ({ recurringEventId, recurringEvent }: BookingPayload): string | null =>
  recurringEventId ?? (recurringEvent ? 'without-id' : null)

const FACTS = [
  ...['calBookingUid', 'calICalUid', 'calICalSequence', 'calCreatedAt', 'calEventTypeId', 'title'],
  ...['status', 'startsAt', 'endsAt', 'attendeeName', 'attendeeEmail', 'meetingUrl', 'reason'],
] as const

type Facts = ReturnType<typeof factsOf>

const stateOf = (row: Row): Facts =>
  Object.fromEntries(FACTS.map((name) => [name, Reflect.get(row, name)])) as Facts

/** The columns that an event sets. What the event leaves out stays as `before` has it. */
function factsOf(event: BookingEvent, attendee: Attendee, before: Row | null) {
  const { createdAt, payload } = event
  const startsAt = payload.startTime ?? before?.startsAt
  const endsAt = payload.endTime ?? before?.endsAt
  if (!startsAt || !endsAt) {
    const message = 'The event has no times, and its booking is not known yet.'
    throw new BillingError('processing_failed', message)
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

/** The erased values of the columns that name people. Cal.com's titles hold the attendee's name. */
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

/**
 * The owner of a booking. A payment pays for one accepted or pending booking, or for the meetings of one recurring
 * booking. Another booking with the same payment is stored and flagged.
 */
async function ownership(
  tx: Db,
  { customerId, paymentId, needsAttention }: Owned,
  recurringId: string | null,
  bookingId: string | null,
): Promise<Owned> {
  if (!paymentId) return { customerId, paymentId, needsAttention }
  // This is the last lock of the transaction, so it cannot cause a deadlock.
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

/** The owner that a row has already. Its flag is checked again, because rows of one booking may flag each other. */
async function stillOwned(
  tx: Db,
  { id, customerId, paymentId, needsAttention, calRecurringId }: Booking,
): Promise<Owned> {
  const owned = { customerId, paymentId, needsAttention }
  return needsAttention === 'payment_already_used'
    ? ownership(tx, owned, calRecurringId, id)
    : owned
}

const LATEST_FIRST: Sorting<Booking> = [
  ['startsAt', 'desc'],
  ['id', 'desc'],
]

/** The owner's bookings, the latest start first. The contract is in `functions/bookings.ts`. */
export async function listBookings(
  ctx: BillingContext,
  ownerId: string,
  { limit = PAGE, after }: PageOptions = {},
): Promise<Booking[]> {
  const customerId = (await customerIdOf(ctx, ownerId)) ?? ''
  const last = await endOf(after, "one of the owner's bookings", (id) =>
    ctx.db.booking.findFirst({ where: { customerId, id } }),
  )
  const { where, orderBy } = following<Booking>(LATEST_FIRST, last)
  return ctx.db.booking.findMany({ where: { customerId, ...where }, orderBy, take: limit })
}
