/**
 * The Cal.com stand-in: pages to book, move and cancel, and the webhooks that follow. Cal.com itself sends
 * each webhook once; the stand-in retries, so that a host that was down loses nothing.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { type Clock, consoleLogger, createLogger, type Logger, systemClock } from '@repo/core'
import type { Hono } from 'hono'
import {
  createDeliveryQueue,
  type Delivery,
  type DeliveryOptions,
  type DeliveryRecord,
} from '../deliveries.ts'
import { showError } from '../layout.tsx'
import {
  type BookingStore,
  book,
  type CalcomAttendee,
  type CalcomBooking,
  type CalcomEventType,
  cancel,
  decide,
  leave,
  reschedule,
} from './bookings.ts'
import { createCalcomPages } from './pages.tsx'
import {
  type CalcomSeat,
  type CalcomTrigger,
  type CalcomWebhookTarget,
  calcomBody,
  calcomHeaders,
} from './webhooks.ts'

/** The options of `createCalcomSandbox`. */
export interface CalcomSandboxOptions {
  /** The event types that can be booked. */
  eventTypes: readonly CalcomEventType[]
  /** The receivers of webhooks. Default none. */
  webhooks?: readonly CalcomWebhookTarget[]
  /** The page that a booking's page links back to, with `uid` and the times in the query. Default none. */
  redirectUrl?: string
  /** The origin of the pages, without `/cal`. Default `http://127.0.0.1`. */
  origin?: string
  /** Retries, timeout and concurrency of webhooks. */
  delivery?: DeliveryOptions
  /** Domain time. Default: the machine's clock. */
  clock?: Clock
  /** Default: one JSON line per entry on standard error. */
  logger?: Logger
  /** Called after each change of the state. */
  onChange?: () => void
}

/** The whole state of the stand-in as JSON. */
export interface CalcomSnapshot {
  version: 1
  /** Every booking, the oldest first. */
  bookings: CalcomBooking[]
  /** Every delivery, the oldest first. */
  deliveries: DeliveryRecord[]
}

/** A stand-in for Cal.com. */
export interface CalcomSandbox {
  /** The pages under `/cal`. */
  app: Hono
  /** Answers a request to the pages. */
  fetch(request: Request): Promise<Response>
  /** Sets the origin of the pages. */
  setOrigin(origin: string): void
  /** Adds a receiver, as if the options had named it. */
  addWebhook(target: CalcomWebhookTarget): void

  /** The event types that can be booked. */
  readonly eventTypes: readonly CalcomEventType[]
  /** Every booking, the oldest first. A moved booking stays, with status `RESCHEDULED`. */
  readonly bookings: CalcomBooking[]
  /** Every delivery with its raw body, the oldest first. */
  readonly deliveries: Delivery[]
  /** Books a time. @throws `not_found`, `invalid_body`, `invalid_state` if the time is taken */
  book(request: {
    /** User and event, as in a booking link. */
    slug: string
    /** When the meeting begins. */
    start: Date
    /** Who books. */
    attendee: CalcomAttendee
    /** The metadata of the booking link. Default: none. */
    metadata?: Record<string, string>
  }): CalcomBooking
  /** Moves a booking. @returns the new booking. @throws `not_found`, `invalid_body`, `invalid_state` */
  reschedule(uid: string, start: Date): CalcomBooking
  /** Cancels a booking; `reason` is empty unless given. @throws `not_found`, `invalid_state` */
  cancel(uid: string, reason?: string): CalcomBooking
  /** Frees the seat of one attendee of a shared booking. @throws `not_found`, `invalid_state` */
  cancelSeat(uid: string, email: string): CalcomBooking
  /** Books the same time in each of `weeks` weeks, each as a booking. @throws as `book` */
  bookWeekly(request: Parameters<CalcomSandbox['book']>[0], weeks: number): CalcomBooking[]
  /** The host confirms a waiting booking. @throws `not_found`, `invalid_state` */
  confirm(uid: string): CalcomBooking
  /** The host rejects a waiting booking. @throws `not_found`, `invalid_state` */
  reject(uid: string, reason?: string): CalcomBooking
  /** The host asks for another time, which `reschedule` chooses. @throws `not_found`, `invalid_state` */
  requestReschedule(uid: string, reason?: string): CalcomBooking

  /** Holds webhooks back. */
  pause(): void
  /** Sends the held webhooks, and all later ones at once. */
  resume(): void
  /** Resolves once no delivery runs and no retry is left. Held webhooks are not waited for. */
  settled(): Promise<void>
  /** Sends an event, named by a delivery's `eventId`, again to each of its receivers. */
  redeliver(eventId: string): Promise<Delivery[]>
  /** The whole state as JSON. */
  snapshot(): CalcomSnapshot
  /** Replaces the state by a snapshot; the options' receivers and event types stay. */
  restore(snapshot: CalcomSnapshot): void
  /** Stops delivering. Pending deliveries stay pending. */
  stop(): Promise<void>
}

const WEEK_MS = 7 * 24 * 60 * 60_000

/** Creates a Cal.com stand-in. It opens no connection before a request arrives or a webhook is sent. */
export function createCalcomSandbox(options: CalcomSandboxOptions): CalcomSandbox {
  const { clock = systemClock, webhooks = [], redirectUrl = null } = options
  const logger = createLogger(options.logger ?? consoleLogger)
  const onChange = options.onChange ?? (() => {})
  const targets = [...webhooks]
  const store: BookingStore = { clock, eventTypes: options.eventTypes, bookings: new Map() }
  let origin = options.origin ?? 'http://127.0.0.1'

  const queue = createDeliveryQueue({
    ...options.delivery,
    compose(record) {
      const target = targets[Number(record.endpointId)]
      if (target === undefined || record.body === null) return null
      const headers = calcomHeaders(record.body, target.secret)
      return { url: target.url, headers, body: record.body }
    },
    onChange,
    logger,
  })

  const announce = (
    type: CalcomTrigger,
    booking: CalcomBooking,
    seat?: CalcomSeat,
  ): CalcomBooking => {
    const body = calcomBody(store, type, booking, origin, seat)
    const eventId = randomUUID()
    for (const [index, { url }] of targets.entries()) {
      queue.add({ eventId, type, endpointId: String(index), url, body })
    }
    onChange()
    return structuredClone(booking)
  }

  const actions = {
    book(request: Parameters<typeof book>[1]) {
      const booking = book(store, request)
      const { metadata = {} } = request
      const attendee = booking.seated?.at(-1)
      const trigger = booking.status === 'PENDING' ? 'BOOKING_REQUESTED' : 'BOOKING_CREATED'
      return announce(trigger, booking, attendee && { attendee, metadata })
    },
    bookWeekly(request: Parameters<typeof book>[1], weeks: number) {
      const recurringEventId = randomUUID()
      return Array.from({ length: weeks }, (_, week) => {
        const start = new Date(request.start.getTime() + week * WEEK_MS)
        return announce('BOOKING_CREATED', book(store, { ...request, start, recurringEventId }))
      })
    },
    confirm: (uid: string) => announce('BOOKING_CREATED', decide(store, uid, 'ACCEPTED')),
    reject: (uid: string, reason = '') =>
      announce('BOOKING_REJECTED', decide(store, uid, 'REJECTED', reason)),
    cancelSeat(uid: string, email: string) {
      const attendee = store.bookings.get(uid)?.seated?.find((seat) => seat.email === email)
      return announce('BOOKING_CANCELLED', leave(store, uid, email), attendee && { attendee })
    },
    requestReschedule(uid: string, reason = '') {
      const booking = Object.assign(cancel(store, uid, reason), { requestReschedule: true })
      return announce('BOOKING_CANCELLED', booking)
    },
    reschedule: (uid: string, start: Date) =>
      announce('BOOKING_RESCHEDULED', reschedule(store, uid, start)),
    cancel: (uid: string, reason = '') => announce('BOOKING_CANCELLED', cancel(store, uid, reason)),
  }
  const app = createCalcomPages({ store, actions, redirectUrl })
  app.onError(showError('Cal.com', logger))

  return {
    app,
    fetch: async (request) => app.fetch(request),
    setOrigin(next) {
      origin = next
    },
    addWebhook(target) {
      targets.push(target)
    },
    eventTypes: options.eventTypes,
    get bookings() {
      return structuredClone([...store.bookings.values()])
    },
    get deliveries() {
      return queue.list()
    },
    ...actions,
    pause: queue.pause,
    resume: queue.resume,
    settled: queue.settled,
    redeliver: queue.redeliver,
    snapshot: () => ({
      version: 1,
      bookings: structuredClone([...store.bookings.values()]),
      deliveries: queue.records(),
    }),
    restore(snapshot) {
      const bookings = structuredClone(snapshot.bookings)
      store.bookings = new Map(bookings.map((booking) => [booking.uid, booking]))
      queue.restore(snapshot.deliveries)
    },
    stop: queue.stop,
  }
}
