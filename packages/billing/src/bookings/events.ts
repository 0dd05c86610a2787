/**
 * Reads Cal.com's events: the fields of a booking, the seat that an event is about, and which of two events is later.
 * Cal.com's sequence number does not always rise, and some events have neither a number nor a calendar id. So the order
 * rests on two facts: a rescheduled booking comes before its successor, and an ended booking never starts again.
 *
 * @see https://cal.com/docs/developing/guides/automation/webhooks
 * @module
 */

import { createHmac } from 'node:crypto'
import { storable } from '@repo/core'
import * as z from 'zod'

/** Our status for each of Cal.com's triggers. Events with other triggers are stored and ignored. */
const STATUS_OF = {
  BOOKING_CREATED: 'accepted',
  BOOKING_RESCHEDULED: 'accepted',
  BOOKING_REQUESTED: 'pending',
  BOOKING_CANCELLED: 'cancelled',
  BOOKING_REJECTED: 'rejected',
} as const

/** A trigger that changes bookings. */
export type BookingTrigger = keyof typeof STATUS_OF

/** The status of a booking. */
export type BookingStatus = (typeof STATUS_OF)[BookingTrigger]

/** Whether a trigger changes bookings. */
export const isBookingTrigger = (trigger: string): trigger is BookingTrigger =>
  Object.hasOwn(STATUS_OF, trigger)

const text = z.string().min(1).transform(storable)
const optionalText = text.nullish().catch(null)
const optionalInt = z.int().min(0).max(2_147_483_647).nullish().catch(null)
/** A date in a string. Other types are refused, because null would become a date in 1970. */
const optionalDate = z
  .string()
  .transform((written) => new Date(written))
  .refine((date) => date.getTime() > 0 && date.getUTCFullYear() <= 9999)
  .nullish()
  .catch(null)

/** A list of people. A person that cannot be read has neither name nor address. */
const people = z
  .array(z.object({ name: optionalText, email: optionalText }).catch({ name: null, email: null }))
  .nullish()
  .catch(null)

/** The fields of an event's payload that are read. All but `uid` may be absent or null. */
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

/** The payload of a booking event. */
export type BookingPayload = z.output<typeof bookingPayload>

/** Reads a payload; null where it has no uid. */
export const readBookingPayload = (value: unknown): BookingPayload | null =>
  bookingPayload.safeParse(value).data ?? null

/** A booking event. */
export interface BookingEvent {
  trigger: BookingTrigger
  /** When Cal.com made the event. */
  createdAt: Date
  payload: BookingPayload
}

/** The booking's status after the event. A status in the payload takes precedence, unless the booking has ended. */
export function statusOf({ trigger, payload }: BookingEvent): BookingStatus {
  const status = STATUS_OF[trigger]
  if (hasEnded(status)) return status
  if (payload.status === 'ACCEPTED') return 'accepted'
  return payload.status === 'PENDING' ? 'pending' : status
}

/** Whether a booking has ended. An ended booking never starts again, but a seat in it may be taken again. */
export const hasEnded = (status: string): boolean => status === 'cancelled' || status === 'rejected'

/** The uids that an event names: the booking's, and that of the booking it replaces. */
export const uidsOf = ({ uid, rescheduleUid }: BookingPayload): string[] =>
  rescheduleUid ? [rescheduleUid, uid] : [uid]

/** A person whom an event is about. */
export interface Attendee {
  name: string | null
  email: string | null
  /** The key of the seat; empty for a booking without seats. */
  seat: string
}

/** The key of a seat: a hash of the address, which Cal.com accepts only once per booking. */
export const seatOf = (secret: string, email: string): string =>
  createHmac('sha256', secret)
    .update(`booking-seat:${email.trim().toLowerCase()}`)
    .digest('hex')
    .slice(0, 32)

/**
 * The attendees that an event is about: one person, or with seats the people who booked, moved or left. An empty list
 * means everybody with a seat. `taken` are the known seats; a seat that is not among them is the new booker's.
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
  // Cal.com lists only the new booker, or everybody with a seat and the new booker last.
  const booker = payload.responses?.email?.value
  const named = booker ? seated.find(({ seat }) => seat === seatOf(secret, booker)) : undefined
  const one = named ?? seated.filter(({ seat }) => !taken.includes(seat)).at(-1) ?? seated.at(-1)
  return one ? [one] : []
}

/** The columns of a row that tell which event it was written from. */
export interface BookingState {
  calBookingUid: string
  calUids: string[]
  calSeat: string
  calICalSequence: number
  calCreatedAt: Date
  status: string
}

/** Whether the event is later than the state of the row. */
export function isLater(event: BookingEvent, row: BookingState): boolean {
  const { uid, rescheduleUid } = event.payload
  if (uid !== row.calBookingUid) {
    if (rescheduleUid === row.calBookingUid) return true
    if (row.calUids.includes(uid)) return false
    return isCountedLater(event, row)
  }
  // A seat may be given up and taken again, which the booking's sequence number does not count.
  if (row.calSeat !== '') return event.createdAt > row.calCreatedAt
  const [before, after] = [stageOf(row.status), stageOf(statusOf(event))]
  return before === after ? isCountedLater(event, row) : after > before
}

/** The stage of a status: requested, accepted, ended. A booking never goes back to an earlier stage. */
const stageOf = (status: string): number => (hasEnded(status) ? 2 : status === 'pending' ? 0 : 1)

function isCountedLater({ payload, createdAt }: BookingEvent, row: BookingState): boolean {
  const sequence = payload.iCalSequence ?? row.calICalSequence
  if (sequence !== row.calICalSequence) return sequence > row.calICalSequence
  return createdAt > row.calCreatedAt
}

/**
 * Sorts rows of one booking, the latest first. A row with the event's own uid is later than the rows that have only the
 * uid of the booking it replaces.
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
