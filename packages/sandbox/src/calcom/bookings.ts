/**
 * Bookings as Cal.com stores them. A reschedule makes a new booking with a new uid. `rescheduleUid` and the
 * unchanged id of the calendar entry link the two.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import type { Clock } from '@repo/core'
import { SandboxError } from '../errors.ts'

/** A kind of meeting that can be booked. */
export interface CalcomEventType {
  /** The number in the host's configuration and in events. */
  id: number
  /** User and event, as in a booking link: `acme/strategy-call`. */
  slug: string
  /** The title of the page and of bookings. */
  title: string
  /** How long a meeting lasts. */
  minutes: number
  /** How many attendees may book the same time and share one booking. Absent: one. */
  seats?: number
  /** Whether a booking waits until the host confirms or rejects it. Default false. */
  requiresConfirmation?: boolean
}

/** A person who books. */
export interface CalcomAttendee {
  /** The name that bookings show. */
  name: string
  /** The attendee's address. */
  email: string
  /** An IANA name of a time zone. Default UTC. */
  timeZone?: string
}

/** One booking. Times are ISO 8601 in UTC. */
export interface CalcomBooking {
  /** Sent as `bookingId`; new with each reschedule. */
  id: number
  /** The booking's name in links and events; new with each reschedule. */
  uid: string
  /** The event type's number. */
  eventTypeId: number
  /** When the meeting begins. */
  startTime: string
  /** When the meeting ends. */
  endTime: string
  /** Who booked it. */
  attendee: Required<CalcomAttendee>
  /** The metadata of the booking link. */
  metadata: Record<string, string>
  /** In Cal.com's words. */
  status: 'ACCEPTED' | 'PENDING' | 'CANCELLED' | 'REJECTED' | 'RESCHEDULED'
  /** For an event type with seats: the attendees who have a seat, including the first. */
  seated?: Required<CalcomAttendee>[]
  /** The id shared by the meetings of a recurring booking. */
  recurringEventId?: string
  /** The host has asked for another time: the booking is cancelled until the attendee chooses one. */
  requestReschedule?: boolean
  /** The uid of the first booking at Cal.com, which reschedules keep. */
  iCalUID: string
  /** 0 at first, 1 after the first move, one more after a cancellation. */
  iCalSequence: number
  /** The booking that this one replaced. */
  rescheduleUid: string | null
  /** Null: it was not cancelled, or without a reason. */
  cancellationReason: string | null
}

/** The bookings and event types of a stand-in. */
export interface BookingStore {
  readonly clock: Clock
  readonly eventTypes: readonly CalcomEventType[]
  bookings: Map<string, CalcomBooking>
}

/** Cal.com's limits on metadata. */
const MAX_KEYS = 50
const MAX_KEY = 40
const MAX_VALUE = 500

/** @throws `not_found` */
export function findEventType(store: BookingStore, slug: string): CalcomEventType {
  const found = store.eventTypes.find((type) => type.slug === slug)
  if (found !== undefined) return found
  throw new SandboxError('not_found', 404, `The event type ${slug} does not exist.`)
}

/** The event type of a booking. @throws `not_found` if it is no longer offered */
export function eventTypeOf(store: BookingStore, booking: CalcomBooking): CalcomEventType {
  const found = store.eventTypes.find((type) => type.id === booking.eventTypeId)
  if (found !== undefined) return found
  throw new SandboxError('not_found', 404, `The event type ${booking.eventTypeId} does not exist.`)
}

/** @throws `not_found` */
export function findBooking(store: BookingStore, uid: string): CalcomBooking {
  const found = store.bookings.get(uid)
  if (found !== undefined) return found
  throw new SandboxError('not_found', 404, `The booking ${uid} does not exist.`)
}

/**
 * Books a time.
 *
 * @throws `not_found` for an unknown event type, `invalid_body` for an invalid or past time, an attendee
 *   without name or address, or metadata over Cal.com's limits, and `invalid_state` if the time is taken.
 */
export function book(
  store: BookingStore,
  request: {
    slug: string
    start: Date
    attendee: CalcomAttendee
    metadata?: Record<string, string>
    recurringEventId?: string
  },
): CalcomBooking {
  const type = findEventType(store, request.slug)
  const { name, email, timeZone = 'UTC' } = request.attendee
  if (name.trim() === '' || !/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw new SandboxError('invalid_body', 400, 'A booking needs a name and an e-mail address.')
  }
  checkMetadata(request.metadata ?? {})
  const attendee = { name, email, timeZone }
  const shared = type.seats ? findSeated(store, type, request.start) : undefined
  if (shared) return takeSeat(shared, type, attendee)
  checkStart(store, type, request.start)
  const uid = newUid()
  return keep(store, {
    uid,
    eventTypeId: type.id,
    ...span(type, request.start),
    attendee,
    ...(type.seats ? { seated: [attendee] } : {}),
    ...(request.recurringEventId ? { recurringEventId: request.recurringEventId } : {}),
    metadata: { ...request.metadata },
    status: type.requiresConfirmation ? 'PENDING' : 'ACCEPTED',
    iCalUID: `${uid}@Cal.com`,
    iCalSequence: 0,
    rescheduleUid: null,
    cancellationReason: null,
  })
}

const findSeated = (store: BookingStore, type: CalcomEventType, start: Date) =>
  [...store.bookings.values()].find(
    ({ eventTypeId, status, startTime }) =>
      eventTypeId === type.id && status === 'ACCEPTED' && Date.parse(startTime) === start.getTime(),
  )

/** Adds an attendee to a time that others have booked; booking and uid stay the same. @throws `invalid_state` */
function takeSeat(
  booking: CalcomBooking,
  type: CalcomEventType,
  attendee: Required<CalcomAttendee>,
): CalcomBooking {
  const seated = booking.seated ?? []
  if (seated.some(({ email }) => email === attendee.email) || seated.length >= (type.seats ?? 1)) {
    throw new SandboxError('invalid_state', 409, 'There is no seat left for this attendee.')
  }
  booking.seated = [...seated, attendee]
  return booking
}

/** Lets the host confirm or reject a waiting booking. @throws `not_found`, `invalid_state` */
export function decide(
  store: BookingStore,
  uid: string,
  status: 'ACCEPTED' | 'REJECTED',
  reason: string | null = null,
): CalcomBooking {
  const booking = findBooking(store, uid)
  if (booking.status !== 'PENDING') {
    throw new SandboxError('invalid_state', 409, `Booking ${uid} is ${booking.status}.`)
  }
  return Object.assign(booking, { status, cancellationReason: reason })
}

/** Frees one seat; freeing the last seat cancels the booking. @throws `not_found`, `invalid_state` */
export function leave(store: BookingStore, uid: string, email: string): CalcomBooking {
  const booking = findAccepted(store, uid)
  const seated = booking.seated ?? []
  const left = seated.filter((attendee) => attendee.email !== email)
  if (left.length === seated.length) {
    throw new SandboxError('not_found', 404, `No attendee with that address has a seat in ${uid}.`)
  }
  if (left.length === 0) return cancel(store, uid)
  booking.seated = left
  return booking
}

/**
 * Moves a booking: a new booking replaces it.
 *
 * @throws `not_found`, `invalid_body` for an invalid time, `invalid_state` if the booking is not accepted or
 *   the time is taken.
 */
export function reschedule(store: BookingStore, uid: string, start: Date): CalcomBooking {
  const known = findBooking(store, uid)
  const old = known.requestReschedule ? known : findAccepted(store, uid)
  const type = eventTypeOf(store, old)
  checkStart(store, type, start, old.uid)
  old.status = 'RESCHEDULED'
  const { requestReschedule: _, ...same } = old
  return keep(store, {
    ...same,
    uid: newUid(),
    ...span(type, start),
    status: 'ACCEPTED',
    // Cal.com counts the first move and no later one.
    iCalSequence: 1,
    rescheduleUid: old.uid,
  })
}

/** Cancels a booking. @throws `not_found`, `invalid_state` if it is not accepted */
export function cancel(store: BookingStore, uid: string, reason = ''): CalcomBooking {
  const booking = findAccepted(store, uid)
  booking.status = 'CANCELLED'
  booking.iCalSequence += 1
  booking.cancellationReason = reason
  return booking
}

function findAccepted(store: BookingStore, uid: string): CalcomBooking {
  const booking = findBooking(store, uid)
  if (booking.status === 'ACCEPTED') return booking
  throw new SandboxError('invalid_state', 409, `Booking ${uid} is ${booking.status}.`)
}

function keep(store: BookingStore, booking: Omit<CalcomBooking, 'id'>): CalcomBooking {
  const kept = { ...booking, id: store.bookings.size + 1 }
  store.bookings.set(kept.uid, kept)
  return kept
}

const newUid = (): string => randomUUID().replaceAll('-', '').slice(0, 22)

function span(type: CalcomEventType, start: Date): { startTime: string; endTime: string } {
  const end = new Date(start.getTime() + type.minutes * 60_000)
  return { startTime: seconds(start), endTime: seconds(end) }
}

/** Cal.com writes times without milliseconds: `2026-01-05T09:00:00Z`. */
const seconds = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`

function checkStart(
  store: BookingStore,
  type: CalcomEventType,
  start: Date,
  replaced?: string,
): void {
  if (Number.isNaN(start.getTime()) || start <= store.clock.now()) {
    throw new SandboxError('invalid_body', 400, 'The time has to be in the future.')
  }
  if (isFree(store, type, start, replaced)) return
  throw new SandboxError('invalid_state', 409, 'This time is no longer free.')
}

/** Whether no accepted booking overlaps; the booking that is being moved does not count. */
function isFree(
  store: BookingStore,
  type: CalcomEventType,
  start: Date,
  replaced?: string,
): boolean {
  const end = start.getTime() + type.minutes * 60_000
  return ![...store.bookings.values()].some(
    (booking) =>
      booking.status === 'ACCEPTED' &&
      booking.uid !== replaced &&
      booking.eventTypeId === type.id &&
      Date.parse(booking.startTime) < end &&
      Date.parse(booking.endTime) > start.getTime(),
  )
}

function checkMetadata(metadata: Record<string, string>): void {
  const entries = Object.entries(metadata)
  const isLong = entries.some(([key, value]) => key.length > MAX_KEY || value.length > MAX_VALUE)
  if (entries.length <= MAX_KEYS && !isLong) return
  throw new SandboxError(
    'invalid_body',
    400,
    `Metadata has at most ${MAX_KEYS} keys of ${MAX_KEY} characters with values of ${MAX_VALUE}.`,
  )
}

/** Hours and minutes of the offered times, in UTC. */
const TIMES = [
  [9, 0],
  [10, 30],
  [13, 0],
  [15, 30],
] as const

/** The free times of the next five working days. */
export function freeTimes(store: BookingStore, type: CalcomEventType, replaced?: string): Date[] {
  const today = store.clock.now()
  const times: Date[] = []
  for (let ahead = 1, days = 0; days < 5; ahead += 1) {
    const date = new Date(today.getTime() + ahead * 86_400_000)
    if (date.getUTCDay() === 0 || date.getUTCDay() === 6) continue
    days += 1
    for (const [hour, minute] of TIMES) {
      const start = new Date(date)
      start.setUTCHours(hour, minute, 0, 0)
      if (isFree(store, type, start, replaced)) times.push(start)
    }
  }
  return times
}
