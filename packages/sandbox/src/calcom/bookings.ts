/**
 * Bookings as Cal.com keeps them: a reschedule makes a new booking with a new uid, and what ties the
 * two together is `rescheduleUid` and the calendar entry's own id, which stays.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import type { Clock } from '@repo/core'
import { SandboxError } from '../errors.ts'

/** What can be booked. */
export interface CalcomEventType {
  id: number
  /** User and event, as in the link: `acme/strategy-call`. */
  slug: string
  title: string
  minutes: number
}

export interface CalcomAttendee {
  name: string
  email: string
  /** An IANA name. Default UTC. */
  timeZone?: string
}

/** One booking. Times are ISO 8601 in UTC. */
export interface CalcomBooking {
  /** `bookingId` on the wire; new with each reschedule. */
  id: number
  uid: string
  eventTypeId: number
  startTime: string
  endTime: string
  attendee: Required<CalcomAttendee>
  metadata: Record<string, string>
  status: 'ACCEPTED' | 'CANCELLED' | 'RESCHEDULED'
  /** The first booking's uid at Cal.com; the same over reschedules. */
  iCalUID: string
  /** 0 at first, one more with each change. */
  iCalSequence: number
  /** The booking this one replaced. */
  rescheduleUid: string | null
  cancellationReason: string | null
}

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
  throw new SandboxError('not_found', 404, `There is no event type ${slug}.`)
}

/** The event type of a booking. @throws `not_found` where it is no longer offered */
export function eventTypeOf(store: BookingStore, booking: CalcomBooking): CalcomEventType {
  const found = store.eventTypes.find((type) => type.id === booking.eventTypeId)
  if (found !== undefined) return found
  throw new SandboxError('not_found', 404, `There is no event type ${booking.eventTypeId}.`)
}

/** @throws `not_found` */
export function findBooking(store: BookingStore, uid: string): CalcomBooking {
  const found = store.bookings.get(uid)
  if (found !== undefined) return found
  throw new SandboxError('not_found', 404, `There is no booking ${uid}.`)
}

/**
 * Books a time.
 *
 * @throws `not_found` for an unknown event type, `invalid_body` for a time that is past or no time,
 * an attendee without name or address, or metadata over Cal.com's limits, and `invalid_state` where
 * the time is taken.
 */
export function book(
  store: BookingStore,
  request: {
    slug: string
    start: Date
    attendee: CalcomAttendee
    metadata?: Record<string, string>
  },
): CalcomBooking {
  const type = findEventType(store, request.slug)
  const { name, email, timeZone = 'UTC' } = request.attendee
  if (name.trim() === '' || !/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw new SandboxError('invalid_body', 400, 'A booking needs a name and an e-mail address.')
  }
  checkMetadata(request.metadata ?? {})
  checkStart(store, type, request.start)
  const uid = newUid()
  return keep(store, {
    uid,
    eventTypeId: type.id,
    ...span(type, request.start),
    attendee: { name, email, timeZone },
    metadata: { ...request.metadata },
    status: 'ACCEPTED',
    iCalUID: `${uid}@Cal.com`,
    iCalSequence: 0,
    rescheduleUid: null,
    cancellationReason: null,
  })
}

/**
 * Moves a booking: a new one takes its place.
 *
 * @throws `not_found`, `invalid_body` for a bad time, `invalid_state` where it is not accepted or
 * the time is taken.
 */
export function reschedule(store: BookingStore, uid: string, start: Date): CalcomBooking {
  const old = findAccepted(store, uid)
  const type = eventTypeOf(store, old)
  checkStart(store, type, start, old.uid)
  old.status = 'RESCHEDULED'
  return keep(store, {
    ...old,
    uid: newUid(),
    ...span(type, start),
    status: 'ACCEPTED',
    iCalSequence: old.iCalSequence + 1,
    rescheduleUid: old.uid,
  })
}

/** Cancels a booking. @throws `not_found`, `invalid_state` where it is not accepted */
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

/** Cal.com writes whole seconds: `2026-01-05T09:00:00Z`. */
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

/** Whether nothing accepted overlaps; the booking that is moved away does not count. */
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
