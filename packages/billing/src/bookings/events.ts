/**
 * What Cal.com's events say of bookings: which fields are read, whose seat one is about, and which of two is later.
 * Its counter of changes does not always count on, and some events have neither counter nor calendar id; so the
 * order follows from what cannot be otherwise: a booking that was moved is before the one in its place, and one that
 * ended has not begun again.
 *
 * @see https://cal.com/docs/developing/guides/automation/webhooks
 * @module
 */

import { createHmac } from 'node:crypto'
import { storable } from '@repo/core'
import { z } from 'zod'

/** Cal.com's trigger for each status we store. Others are received and ignored. */
const STATUS_OF = {
  BOOKING_CREATED: 'accepted',
  BOOKING_RESCHEDULED: 'accepted',
  BOOKING_REQUESTED: 'pending',
  BOOKING_CANCELLED: 'cancelled',
  BOOKING_REJECTED: 'rejected',
} as const

export type BookingTrigger = keyof typeof STATUS_OF

export type BookingStatus = (typeof STATUS_OF)[BookingTrigger]

export const isBookingTrigger = (trigger: string): trigger is BookingTrigger =>
  Object.hasOwn(STATUS_OF, trigger)

const text = z.string().min(1).transform(storable)
const optionalText = text.nullish().catch(null)
const optionalInt = z.int().min(0).max(2_147_483_647).nullish().catch(null)
/** A null would be the beginning of 1970. */
const optionalDate = z
  .string()
  .transform((written) => new Date(written))
  .refine((date) => date.getTime() > 0 && date.getUTCFullYear() <= 9999)
  .nullish()
  .catch(null)

/** A list whose parts that cannot be read are left out. */
const people = z
  .array(z.object({ name: optionalText, email: optionalText }).catch({ name: null, email: null }))
  .nullish()
  .catch(null)

/** What is read of an event's payload. Everything Cal.com leaves out or sends as null may be absent. */
const bookingPayload = z.object({
  uid: text,
  rescheduleUid: optionalText,
  iCalUID: optionalText,
  iCalSequence: optionalInt,
  status: optionalText,
  eventTypeId: optionalInt,
  seatsPerTimeSlot: optionalInt,
  attendeeSeatId: optionalText,
  recurringEventId: optionalText,
  recurringEvent: z.object({}).nullish().catch(null),
  title: optionalText,
  startTime: optionalDate,
  endTime: optionalDate,
  attendees: people,
  responses: z
    .object({ email: z.object({ value: optionalText }).nullish().catch(null) })
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

/** What the booking is after the event. `BOOKING_REQUESTED` of one that needs nobody's word says so itself. */
export function statusOf({ trigger, payload }: BookingEvent): BookingStatus {
  const status = STATUS_OF[trigger]
  if (hasEnded(status)) return status
  if (payload.status === 'ACCEPTED') return 'accepted'
  return payload.status === 'PENDING' ? 'pending' : status
}

/** A booking that ended never begins again; a seat of it may be taken again. */
export const hasEnded = (status: string): boolean => status === 'cancelled' || status === 'rejected'

/** Every uid that the event names: the booking's, and that of the one in whose place it is. */
export const uidsOf = ({ uid, rescheduleUid }: BookingPayload): string[] =>
  rescheduleUid ? [rescheduleUid, uid] : [uid]

/** A person whom an event is about. */
export interface Attendee {
  name: string | null
  email: string | null
  /** Which seat of a booking with seats; empty for a booking without. */
  seat: string
}

/** Tells seats apart without holding an address. Cal.com takes an address once for each time. */
export const seatOf = (secret: string, email: string): string =>
  createHmac('sha256', secret)
    .update(`booking-seat:${email.trim().toLowerCase()}`)
    .digest('hex')
    .slice(0, 32)

/**
 * Whom the event is about: one person, or with seats whoever booked, moved or left. An empty list: everybody who has
 * a seat. `taken` are the seats that are known; a new one is the booker's who is not among them.
 */
export function attendeesOf(
  { trigger, payload }: BookingEvent,
  secret: string,
  taken: readonly string[],
): Attendee[] {
  const listed = (payload.attendees ?? []).map(({ name, email }) => ({
    name: name ?? null,
    email: email ?? null,
  }))
  const hasSeats =
    (payload.seatsPerTimeSlot ?? 0) > 0 ||
    payload.attendeeSeatId ||
    taken.some((seat) => seat !== '')
  if (!hasSeats) return [{ ...(listed[0] ?? { name: null, email: null }), seat: '' }]
  const seated = listed.flatMap(({ name, email }) =>
    email === null ? [] : [{ name, email, seat: seatOf(secret, email) }],
  )
  if (trigger !== 'BOOKING_CREATED' && trigger !== 'BOOKING_REQUESTED') return seated
  // Cal.com sends the one who booked, or all who have a seat and the one who booked last.
  const booker = payload.responses?.email?.value
  const named = booker ? seated.find(({ seat }) => seat === seatOf(secret, booker)) : undefined
  const one = named ?? seated.filter(({ seat }) => !taken.includes(seat)).at(-1) ?? seated.at(-1)
  return one ? [one] : []
}

/** What of a row tells which event made it. */
export interface BookingState {
  calBookingUid: string
  calUids: string[]
  calSeat: string
  calICalSequence: number
  calCreatedAt: Date
  status: string
}

/** Whether the event says something later of the booking than the row does. */
export function isLater(event: BookingEvent, row: BookingState): boolean {
  const { uid, rescheduleUid } = event.payload
  if (uid !== row.calBookingUid) {
    if (rescheduleUid === row.calBookingUid) return true
    if (row.calUids.includes(uid)) return false
    return isCountedLater(event, row)
  }
  // A seat may be given up and taken again, and its booking's counter does not count that.
  if (row.calSeat !== '') return event.createdAt > row.calCreatedAt
  const [before, after] = [stageOf(row.status), stageOf(statusOf(event))]
  return before === after ? isCountedLater(event, row) : after > before
}

/** A booking goes these stages, and none back. */
const stageOf = (status: string): number => (hasEnded(status) ? 2 : status === 'pending' ? 0 : 1)

function isCountedLater({ payload, createdAt }: BookingEvent, row: BookingState): boolean {
  const sequence = payload.iCalSequence ?? row.calICalSequence
  if (sequence !== row.calICalSequence) return sequence > row.calICalSequence
  return createdAt > row.calCreatedAt
}

/**
 * Of rows that turn out to be one booking, the latest first: the one that knows the event's uid comes after those
 * that know only what it replaces.
 */
export function latestFirst<Row extends BookingState>(rows: Row[], { uid }: BookingPayload): Row[] {
  const knows = (row: Row) => (row.calUids.includes(uid) ? 1 : 0)
  return [...rows].sort(
    (a, b) =>
      knows(b) - knows(a) ||
      b.calICalSequence - a.calICalSequence ||
      b.calCreatedAt.getTime() - a.calCreatedAt.getTime(),
  )
}
