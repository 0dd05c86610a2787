/**
 * Webhooks as Cal.com sends them. Only the body is signed, without a time or a delivery id, so a receiver
 * must recognise duplicates itself.
 *
 * @see https://cal.com/docs/developing/guides/automation/webhooks
 * @module
 */

import { createHmac } from 'node:crypto'
import {
  type BookingStore,
  type CalcomBooking,
  type CalcomEventType,
  eventTypeOf,
  findBooking,
} from './bookings.ts'

/** A receiver of webhooks. */
export interface CalcomWebhookTarget {
  /** The address that events are sent to. */
  url: string
  /** The key of the signature. Without a key Cal.com sends a fixed text instead of a signature. */
  secret?: string
}

/** Cal.com's event types that the stand-in sends. */
export type CalcomTrigger =
  | 'BOOKING_CREATED'
  | 'BOOKING_RESCHEDULED'
  | 'BOOKING_CANCELLED'
  | 'BOOKING_REQUESTED'
  | 'BOOKING_REJECTED'

/** The attendee of a seat, whom the event names instead of the booking's first attendee. */
export interface CalcomSeat {
  attendee: CalcomBooking['attendee']
  /** A cancelled seat has no metadata. */
  metadata?: Record<string, string>
}

/** The headers of a delivery. */
export function calcomHeaders(body: string, secret: string | undefined): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-cal-webhook-version': '2021-10-20',
    'x-cal-signature-256': secret
      ? createHmac('sha256', secret).update(body).digest('hex')
      : 'no-secret-provided',
  }
}

/** The raw body of a delivery. `origin` is the origin of the pages. */
export function calcomBody(
  store: BookingStore,
  triggerEvent: CalcomTrigger,
  booked: CalcomBooking,
  origin: string,
  seat?: CalcomSeat,
): string {
  const type = eventTypeOf(store, booked)
  const booking = seat ? { ...booked, metadata: {}, ...seat } : booked
  const isRejected = triggerEvent === 'BOOKING_REJECTED'
  const isCancelled = triggerEvent === 'BOOKING_CANCELLED'
  const payload = {
    ...shared(type, booking),
    ...(isRejected || isCancelled
      ? cancelledFields(booking)
      : acceptedFields(booking, type, origin)),
    // An attendee who frees a seat gets a cancellation, but the booking stays.
    ...(isCancelled ? { status: 'CANCELLED' } : {}),
    // A rejection contains neither the calendar id nor the sequence number.
    ...(isRejected
      ? {
          iCalUID: undefined,
          iCalSequence: undefined,
          rejectionReason: booking.cancellationReason ?? '',
        }
      : {}),
    ...(triggerEvent === 'BOOKING_RESCHEDULED' ? rescheduledFields(store, booking) : {}),
  }
  return JSON.stringify({ triggerEvent, createdAt: store.clock.now().toISOString(), payload })
}

function shared(type: CalcomEventType, booking: CalcomBooking): object {
  const { attendee } = booking
  const [username = '', slug = ''] = type.slug.split('/')
  const organizer = `${username}@example.com`
  return {
    type: slug,
    title: `${type.title} between ${username} and ${attendee.name}`,
    description: '',
    additionalNotes: '',
    customInputs: {},
    organizer: {
      id: 1,
      name: username,
      email: organizer,
      username,
      timeZone: 'UTC',
      language: { locale: 'en' },
      timeFormat: 'h:mma',
      utcOffset: 0,
    },
    responses: {
      name: { label: 'your_name', value: attendee.name, isHidden: false },
      email: { label: 'email_address', value: attendee.email, isHidden: false },
    },
    userFieldsResponses: {},
    attendees: [
      {
        email: attendee.email,
        name: attendee.name,
        timeZone: attendee.timeZone,
        language: { locale: 'en' },
        utcOffset: 0,
      },
    ],
    location: 'integrations:daily',
    destinationCalendar: null,
    hideCalendarNotes: false,
    requiresConfirmation: null,
    eventTypeId: type.id,
    seatsShowAttendees: true,
    seatsPerTimeSlot: type.seats ?? null,
    ...(booking.recurringEventId ? { recurringEventId: booking.recurringEventId } : {}),
    uid: booking.uid,
    bookingId: booking.id,
    iCalUID: booking.iCalUID,
    iCalSequence: booking.iCalSequence,
    eventTitle: type.title,
    eventDescription: null,
    length: type.minutes,
    currency: 'usd',
    status: booking.status,
  }
}

const acceptedFields = (booking: CalcomBooking, type: CalcomEventType, origin: string): object => ({
  startTime: booking.startTime,
  endTime: booking.endTime,
  price: 0,
  metadata: { ...booking.metadata, videoCallUrl: `${origin}/cal/video/${booking.uid}` },
  appsStatus: [{ appName: type.title, type: 'daily_video', success: 1, failures: 0, errors: [] }],
})

// Cal.com's cancellations have no metadata, and their times are written with an offset.
const cancelledFields = (booking: CalcomBooking): object => ({
  startTime: booking.startTime.replace('Z', '+00:00'),
  endTime: booking.endTime.replace('Z', '+00:00'),
  price: null,
  cancellationReason: booking.cancellationReason ?? '',
  requestReschedule: booking.requestReschedule ?? false,
})

function rescheduledFields(store: BookingStore, booking: CalcomBooking): object {
  const old = findBooking(store, booking.rescheduleUid ?? '')
  return {
    rescheduleId: old.id,
    rescheduleUid: old.uid,
    rescheduleStartTime: old.startTime,
    rescheduleEndTime: old.endTime,
  }
}
