/** Bookings, their webhooks, and the pages. */

import { createHmac } from 'node:crypto'
import { createTestClock } from '@repo/core/testing'
import { describe, expect, test } from 'vitest'
import { type Receiver, start, startReceiver } from './harness.ts'

const SLUG = 'acme/strategy-call'
const attendee = { name: 'Ada', email: 'ada@example.com' }
const START = new Date('2026-01-05T09:00:00Z')
const LATER = new Date('2026-01-06T13:00:00Z')

async function running(secret?: string) {
  const receiver = await startReceiver()
  const made = await start({
    clock: createTestClock('2026-01-02T12:00:00Z'),
    calcom: {
      webhooks: [{ url: receiver.url, ...(secret ? { secret } : {}) }],
      redirectUrl: 'http://localhost:3000/booked',
    },
  })
  return { ...made, receiver, calcom: made.sandbox.calcom }
}

const payloads = (receiver: Receiver) =>
  receiver.received.map(({ body }) => {
    const { triggerEvent, payload } = JSON.parse(body)
    return { triggerEvent, ...payload }
  })

test('a booking is made, moved and cancelled, and each webhook has its own fields', async () => {
  const { calcom, receiver } = await running('s3cret')
  const first = calcom.book({ slug: SLUG, start: START, attendee, metadata: { ref: 'o_1.abc' } })
  await calcom.settled()
  const second = calcom.reschedule(first.uid, LATER)
  await calcom.settled()
  calcom.cancel(second.uid, 'ill')
  await calcom.settled()

  const [created, moved, cancelled] = payloads(receiver)
  expect(created).toMatchObject({
    triggerEvent: 'BOOKING_CREATED',
    uid: first.uid,
    bookingId: 1,
    eventTypeId: 11,
    type: 'strategy-call',
    startTime: '2026-01-05T09:00:00Z',
    endTime: '2026-01-05T09:30:00Z',
    iCalUID: `${first.uid}@Cal.com`,
    iCalSequence: 0,
    status: 'ACCEPTED',
    price: 0,
    attendees: [{ email: 'ada@example.com', name: 'Ada' }],
    metadata: { ref: 'o_1.abc' },
  })
  expect(created).not.toHaveProperty('rescheduleUid')
  expect(moved).toMatchObject({
    triggerEvent: 'BOOKING_RESCHEDULED',
    uid: second.uid,
    bookingId: 2,
    rescheduleUid: first.uid,
    rescheduleId: 1,
    rescheduleStartTime: '2026-01-05T09:00:00Z',
    startTime: '2026-01-06T13:00:00Z',
    iCalUID: `${first.uid}@Cal.com`,
    iCalSequence: 1,
    metadata: { ref: 'o_1.abc' },
  })
  expect(second.uid).not.toBe(first.uid)
  expect(cancelled).toMatchObject({
    triggerEvent: 'BOOKING_CANCELLED',
    uid: second.uid,
    bookingId: 2,
    startTime: '2026-01-06T13:00:00+00:00',
    iCalUID: `${first.uid}@Cal.com`,
    iCalSequence: 2,
    status: 'CANCELLED',
    price: null,
    cancellationReason: 'ill',
    requestReschedule: false,
  })
  expect(cancelled).not.toHaveProperty('metadata')
  expect(calcom.bookings.map((booking) => booking.status)).toEqual(['RESCHEDULED', 'CANCELLED'])
})

test('the raw body is signed, and without a secret a fixed text stands in its place', async () => {
  const signed = await running('s3cret')
  signed.calcom.book({ slug: SLUG, start: START, attendee })
  await signed.calcom.settled()
  const { headers, body } = signed.receiver.received[0] ?? { headers: {}, body: '' }
  expect(headers['x-cal-signature-256']).toBe(
    createHmac('sha256', 's3cret').update(body).digest('hex'),
  )
  expect(headers['x-cal-webhook-version']).toBe('2021-10-20')
  const [delivery] = signed.calcom.deliveries
  expect(delivery?.request()).toMatchObject({ body, url: signed.receiver.url })
  await signed.calcom.redeliver(String(delivery?.eventId))
  expect(signed.receiver.received[1]?.body).toBe(body)

  const open = await running()
  open.calcom.book({ slug: SLUG, start: START, attendee })
  await open.calcom.settled()
  expect(open.receiver.received[0]?.headers['x-cal-signature-256']).toBe('no-secret-provided')
})

test('a time is booked once, and what cannot be booked sends nothing', async () => {
  const { calcom, receiver } = await running()
  const booking = calcom.book({ slug: SLUG, start: START, attendee })
  const overlapping = new Date(START.getTime() + 15 * 60_000)
  const refused = (act: () => unknown, code: string) =>
    expect(act).toThrow(expect.objectContaining({ code }))
  refused(() => calcom.book({ slug: SLUG, start: overlapping, attendee }), 'invalid_state')
  refused(() => calcom.book({ slug: 'acme/none', start: LATER, attendee }), 'not_found')
  refused(() => calcom.book({ slug: SLUG, start: new Date(0), attendee }), 'invalid_body')
  refused(
    () => calcom.book({ slug: SLUG, start: LATER, attendee: { name: '', email: 'a@b.c' } }),
    'invalid_body',
  )
  const metadata = { ref: 'x'.repeat(501) }
  refused(() => calcom.book({ slug: SLUG, start: LATER, attendee, metadata }), 'invalid_body')
  calcom.reschedule(booking.uid, overlapping)
  refused(() => calcom.reschedule(booking.uid, LATER), 'invalid_state')
  refused(() => calcom.cancel(booking.uid), 'invalid_state')
  await calcom.settled()
  expect(
    payloads(receiver)
      .map(({ triggerEvent }) => triggerEvent)
      .sort(),
  ).toEqual(['BOOKING_CREATED', 'BOOKING_RESCHEDULED'])
})

test('a person books, moves and cancels on the pages', async () => {
  const { calcom, receiver, url, calcomUrl, post } = await running()
  const get = async (path: string) => (await fetch(new URL(path, url))).text()
  const link = new URL(`${calcomUrl}/${SLUG}`)
  link.searchParams.set('name', 'Ada "L"')
  link.searchParams.set('email', attendee.email)
  link.searchParams.set('metadata[ref]', 'o_1.<sig>')
  const page = await get(link.pathname + link.search)
  expect(page).toContain('name="metadata[ref]" value="o_1.&lt;sig&gt;"')
  expect(page).toContain('value="Ada &quot;L&quot;"')
  expect(page).not.toContain('2026-01-03')
  const [, first = ''] = /name="start" value="([^"]+)"/.exec(page) ?? []
  expect(first).toBe('2026-01-05T09:00:00.000Z')

  const fields = { start: first, ...attendee, 'metadata[ref]': 'o_1.<sig>' }
  expect((await post(`/cal/${SLUG}`, fields, 'http://localhost:3000')).status).toBe(403)
  const booked = await post(`/cal/${SLUG}`, fields)
  expect(booked.status).toBe(303)
  const path = String(booked.headers.get('location'))
  expect((await post(`/cal/${SLUG}`, fields)).status).toBe(409)
  const view = await get(path)
  const uid = path.split('/').at(-1) ?? ''
  expect(view).toContain(`http://localhost:3000/booked?uid=${uid}&amp;`)

  expect(await get(`/cal/${SLUG}`)).not.toContain(first)
  expect(await get(`/cal/reschedule/${uid}`)).toContain(first)
  const moved = await post(`/cal/reschedule/${uid}`, { start: LATER.toISOString() })
  const next = String(moved.headers.get('location'))
  expect(await get(path)).toContain(next)
  expect((await post(`${next}/cancel`, { reason: 'ill' })).status).toBe(303)
  expect(await get(next)).toContain('This meeting is cancelled')
  await calcom.settled()
  expect(receiver.received).toHaveLength(3)
  expect(payloads(receiver)[0]?.metadata).toMatchObject({ ref: 'o_1.<sig>' })
  expect((await fetch(new URL('/cal/booking/none', url))).status).toBe(404)
})

describe('what several people share, what recurs and what the host decides', () => {
  const types = [
    { id: 21, slug: 'acme/workshop', title: 'Workshop', minutes: 30, seats: 2 },
    { id: 22, slug: 'acme/audit', title: 'Audit', minutes: 30, requiresConfirmation: true },
    { id: 11, slug: SLUG, title: 'Strategy call', minutes: 30 },
  ]
  async function typed() {
    const receiver = await startReceiver()
    const made = await start({
      clock: createTestClock('2026-01-02T12:00:00Z'),
      calcom: { webhooks: [{ url: receiver.url }], eventTypes: types },
    })
    return { receiver, calcom: made.sandbox.calcom }
  }
  const bob = { name: 'Bob', email: 'bob@example.com' }

  test('two book one time: one uid, each with their own name and metadata, and one leaves', async () => {
    const { calcom, receiver } = await typed()
    const at = { slug: 'acme/workshop', start: START }
    const first = calcom.book({ ...at, attendee, metadata: { ref: 'ada' } })
    const second = calcom.book({ ...at, attendee: bob, metadata: { ref: 'bob' } })
    expect(second.uid).toBe(first.uid)
    expect(() =>
      calcom.book({ ...at, attendee: { name: 'Eve', email: 'eve@example.com' } }),
    ).toThrow(expect.objectContaining({ code: 'invalid_state' }))
    calcom.cancelSeat(first.uid, bob.email)
    await calcom.settled()
    const told = payloads(receiver)
    expect(told).toMatchObject([
      { triggerEvent: 'BOOKING_CREATED', attendees: [{ name: 'Ada' }], metadata: { ref: 'ada' } },
      { triggerEvent: 'BOOKING_CREATED', attendees: [{ name: 'Bob' }], metadata: { ref: 'bob' } },
      { triggerEvent: 'BOOKING_CANCELLED', attendees: [{ name: 'Bob' }], status: 'CANCELLED' },
    ])
    expect(told.map(({ seatsPerTimeSlot }) => seatsPerTimeSlot)).toEqual([2, 2, 2])
    expect(calcom.bookings).toMatchObject([{ status: 'ACCEPTED', seated: [attendee] }])
  })

  test('a series is a booking each week, with one id', async () => {
    const { calcom, receiver } = await typed()
    const bookings = calcom.bookWeekly({ slug: SLUG, start: START, attendee }, 3)
    await calcom.settled()
    expect(new Set(bookings.map(({ uid }) => uid)).size).toBe(3)
    expect(new Set(payloads(receiver).map((told) => told.recurringEventId)).size).toBe(1)
  })

  test('a request waits, and a rejection has neither calendar id nor counter', async () => {
    const { calcom, receiver } = await typed()
    const taken = calcom.book({ slug: 'acme/audit', start: START, attendee })
    const refused = calcom.book({ slug: 'acme/audit', start: LATER, attendee: bob })
    expect(calcom.confirm(taken.uid).status).toBe('ACCEPTED')
    calcom.reject(refused.uid, 'no time')
    expect(() => calcom.reject(taken.uid)).toThrow(
      expect.objectContaining({ code: 'invalid_state' }),
    )
    await calcom.settled()
    const [, , created, rejected] = payloads(receiver)
    expect(created).toMatchObject({ triggerEvent: 'BOOKING_CREATED', status: 'ACCEPTED' })
    expect(rejected).toMatchObject({ triggerEvent: 'BOOKING_REJECTED', rejectionReason: 'no time' })
    expect(Object.keys(rejected)).not.toContain('iCalUID')
    expect(Object.keys(rejected)).not.toContain('iCalSequence')
  })

  test('the host asks for another time, and the counter stays after the first move', async () => {
    const { calcom, receiver } = await typed()
    const first = calcom.book({ slug: SLUG, start: START, attendee })
    const second = calcom.reschedule(first.uid, LATER)
    calcom.requestReschedule(second.uid, 'travelling')
    const third = calcom.reschedule(second.uid, new Date('2026-01-07T13:00:00Z'))
    await calcom.settled()
    const told = payloads(receiver)
    expect(told.map(({ iCalSequence }) => iCalSequence)).toEqual([0, 1, 2, 1])
    expect(told.at(2)).toMatchObject({ requestReschedule: true, uid: second.uid })
    expect(told.at(3)).toMatchObject({ rescheduleUid: second.uid, uid: third.uid })
  })
})
