/** Bookings that several people share, that recur, that move more than once, and whose events lack what others have. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { calcomWebhookRequest } from '../testing.ts'
import { CALCOM_SECRET } from './calcom-secret.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

interface Sent {
  triggerEvent: string
  createdAt: string
  payload: Record<string, unknown>
}

async function deliver(...events: Sent[]) {
  for (const event of events) {
    const request = calcomWebhookRequest(event, { secret: CALCOM_SECRET })
    expect((await h.billing.handleCalComWebhook(request)).status).toBe(200)
    await h.billing.processEvents()
  }
}

async function buyer(name: string) {
  const ownerId = await h.owner(name)
  const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId })
  await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
  const { id: paymentId } = await h.billing.confirmPayment(id)
  const link = new URL(await h.billing.createCalComBookingLink(101, { ownerId, paymentId }))
  const ref = link.searchParams.get('metadata[ref]') as string
  return {
    ownerId,
    paymentId,
    metadata: { ref },
    person: { name, email: `${name}@example.com` },
    bookings: () => h.billing.listBookings(ownerId),
  }
}

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 9, minute)).toISOString()
const event = (trigger: string, minute: number, payload: Record<string, unknown>): Sent => ({
  triggerEvent: `BOOKING_${trigger}`,
  createdAt: at(minute),
  payload: {
    title: 'Workshop',
    eventTypeId: 101,
    startTime: '2026-02-01T10:00:00Z',
    endTime: '2026-02-01T10:30:00Z',
    ...payload,
  },
})

let count = 0
const newUid = () => {
  count += 1
  return `b${count}`
}

describe('a booking with seats', () => {
  /** As `handleSeats` sends it: the one who booked, with their own reference. */
  async function seated(uid: string, ...names: string[]) {
    const buyers = await Promise.all(names.map(buyer))
    const same = { uid, iCalUID: `${uid}@Cal.com`, iCalSequence: 0, seatsPerTimeSlot: 9 }
    await deliver(
      ...buyers.map(({ person, metadata }, minute) =>
        event('CREATED', minute, { ...same, attendees: [person], metadata }),
      ),
    )
    return { same, buyers }
  }
  type Buyer = Awaited<ReturnType<typeof buyer>>
  const statuses = async (buyers: Buyer[]) =>
    Promise.all(buyers.map(async ({ bookings }) => (await bookings()).map(({ status }) => status)))

  test('has a row for each attendee, with name and payment', async () => {
    const { buyers } = await seated(newUid(), 'ada', 'bob', 'eve')
    for (const { person, paymentId, bookings } of buyers) {
      expect(await bookings()).toMatchObject([
        { status: 'accepted', attendeeName: person.name, paymentId, needsAttention: null },
      ])
    }
  })

  test('is read where the list of attendees names the booker last, or in the answers', async () => {
    const uid = newUid()
    const [ada, bob, eve] = await Promise.all(['ada', 'bob', 'eve'].map(buyer))
    const people = [ada, bob, eve].map((each) => (each as Buyer).person)
    const same = { uid, seatsPerTimeSlot: 9 }
    await deliver(
      event('CREATED', 0, { ...same, attendees: people.slice(0, 1), metadata: ada?.metadata }),
      event('CREATED', 1, { ...same, attendees: people.slice(0, 2), metadata: bob?.metadata }),
      event('CREATED', 2, {
        ...same,
        attendees: [people[2], people[0], people[1]],
        responses: { email: { label: 'email_address', value: 'eve@example.com' } },
        metadata: eve?.metadata,
      }),
    )
    for (const each of [ada, bob, eve]) {
      expect(await each?.bookings()).toMatchObject([{ attendeeName: each?.person.name }])
    }
  })

  test('frees the seat of an attendee who leaves and who may take it again with another payment', async () => {
    const { same, buyers } = await seated(newUid(), 'ada', 'bob')
    const [, bob] = buyers
    const attendees = [bob?.person]
    await deliver(event('CANCELLED', 5, { ...same, iCalSequence: 1, attendees }))
    expect(await statuses(buyers)).toEqual([['accepted'], ['cancelled']])
    const { metadata, paymentId } = await buyer('bob')
    await deliver(event('CREATED', 6, { ...same, attendees, metadata }))
    const row = await h.db.booking.findFirst({ where: { paymentId } })
    expect(row).toMatchObject({ status: 'accepted', attendeeName: 'bob' })
    expect(await statuses(buyers.slice(0, 1))).toEqual([['accepted']])
  })

  test('keeps a seat cancelled if the cancellation arrives first', async () => {
    const uid = newUid()
    const bob = await buyer('bob')
    const same = { uid, seatsPerTimeSlot: 9, attendees: [bob.person] }
    await deliver(
      event('CANCELLED', 5, same),
      event('CREATED', 1, { ...same, metadata: bob.metadata }),
    )
    expect(await statuses([bob])).toEqual([['cancelled']])
  })

  test('is cancelled for all attendees by the host, with or without their names', async () => {
    for (const attendees of [
      ['ada', 'bob'].map((name) => ({ name, email: `${name}@example.com` })),
      [],
    ]) {
      const { same, buyers } = await seated(newUid(), 'ada', 'bob')
      await deliver(event('CANCELLED', 5, { ...same, iCalSequence: 1, attendees }))
      expect(await statuses(buyers)).toEqual([['cancelled'], ['cancelled']])
    }
  })

  test('is moved for one attendee, and for all by the host', async () => {
    const uid = newUid()
    const { same, buyers } = await seated(uid, 'ada', 'bob')
    const [ada, bob] = buyers as [Buyer, Buyer]
    const other = { startTime: '2026-03-01T10:00:00Z', endTime: '2026-03-01T10:30:00Z' }
    const moved = newUid()
    await deliver(
      event('RESCHEDULED', 5, {
        ...{ ...same, ...other, uid: moved, rescheduleUid: uid },
        attendees: [bob.person],
      }),
    )
    expect(await bob.bookings()).toMatchObject([
      { calBookingUid: moved, startsAt: new Date('2026-03-01T10:00:00Z') },
    ])
    expect(await ada.bookings()).toMatchObject([
      { calBookingUid: uid, startsAt: new Date('2026-02-01T10:00:00Z') },
    ])
    // The host moves a booking in its place: its uid stays.
    await deliver(event('RESCHEDULED', 6, { ...same, ...other, attendees: [ada.person] }))
    expect(await ada.bookings()).toMatchObject([{ startsAt: new Date('2026-03-01T10:00:00Z') }])
  })
})

describe('the calls of a recurring booking', () => {
  test.each([
    ['by its id', { recurringEventId: 'weekly' }],
    ['by its rule', { recurringEvent: { freq: 2, count: 3, interval: 1 } }],
  ])('share a payment, known %s, and end one by one', async (_, recurring) => {
    const ada = await buyer('ada')
    const uids = [newUid(), newUid(), newUid()]
    // Calendars give one entry to all calls of a series.
    const same = { ...recurring, iCalUID: `${uids[0]}@Cal.com`, attendees: [ada.person] }
    for (const uid of uids) {
      await deliver(event('CREATED', 0, { ...same, uid, metadata: ada.metadata }))
    }
    await deliver(event('CANCELLED', 5, { ...same, uid: uids[1] }))
    const rows = await ada.bookings()
    expect(rows.map(({ status }) => status).sort()).toEqual(['accepted', 'accepted', 'cancelled'])
    expect(rows.map(({ needsAttention }) => needsAttention)).toEqual([null, null, null])
  })

  test('flag another booking on their payment', async () => {
    const ada = await buyer('ada')
    const recurring = { attendees: [ada.person], metadata: ada.metadata }
    await deliver(
      event('CREATED', 0, { ...recurring, uid: newUid(), recurringEventId: 'one' }),
      event('CREATED', 1, { ...recurring, uid: newUid(), recurringEventId: 'two' }),
      event('CREATED', 2, { ...recurring, uid: newUid() }),
    )
    const flags = (await ada.bookings()).map(({ needsAttention }) => needsAttention)
    expect(flags.filter((flag) => flag === 'payment_already_used')).toHaveLength(2)
  })
})

/** All orders of some things. */
const ordersOf = <T>(things: T[]): T[][] =>
  things.length < 2
    ? [things]
    : things.flatMap((first, index) =>
        ordersOf(things.filter((_, at) => at !== index)).map((rest) => [first, ...rest]),
      )

describe.each([
  ['with a counter that stays', (step: number) => Math.min(step, 1), true],
  ['in the shape of 2023, with neither', () => undefined, false],
])('a call that is moved twice and cancelled, %s', (_, counted, hasCalendarId) => {
  test.each(ordersOf(['created', 'moved', 'moved again', 'cancelled'] as const))(
    'with events in the order %s, %s, %s, %s is one cancelled row of the payer',
    async (...order) => {
      const ada = await buyer('ada')
      const [a, b, c] = [newUid(), newUid(), newUid()]
      const same = (step: number) => ({
        attendees: [ada.person],
        ...(hasCalendarId ? { iCalUID: `${a}@Cal.com`, iCalSequence: counted(step) } : {}),
      })
      const { metadata } = ada
      const last = { startTime: '2026-02-09T10:00:00Z', endTime: '2026-02-09T10:30:00Z' }
      const told = {
        created: event('CREATED', 0, { ...same(0), uid: a, metadata }),
        moved: event('RESCHEDULED', 1, { ...same(1), uid: b, rescheduleUid: a, metadata }),
        'moved again': event('RESCHEDULED', 2, {
          ...{ ...same(2), ...last, uid: c, rescheduleUid: b },
          metadata,
        }),
        cancelled: event('CANCELLED', 3, { ...same(3), ...last, uid: c }),
      }
      await deliver(...order.map((name) => told[name]))
      const expected = [
        {
          calBookingUid: c,
          status: 'cancelled',
          startsAt: new Date(last.startTime),
          paymentId: ada.paymentId,
          needsAttention: null,
        },
      ]
      expect(await ada.bookings()).toMatchObject(expected)
      expect(await h.db.booking.count({ where: { calUids: { hasSome: [a, b, c] } } })).toBe(1)
      // Each once more, as Cal.com's queue may send it, changes nothing.
      await deliver(...order.map((name) => ({ ...told[name], createdAt: at(0) })))
      expect(await ada.bookings()).toMatchObject(expected)
    },
  )
})

test('a requested booking is stored as accepted or as pending, as the event says', async () => {
  const ada = await buyer('ada')
  const same = { uid: newUid(), attendees: [ada.person], metadata: ada.metadata }
  await deliver(event('REQUESTED', 0, { ...same, status: 'PENDING' }))
  expect(await ada.bookings()).toMatchObject([{ status: 'pending' }])
  await deliver(event('CREATED', 1, { ...same, status: 'ACCEPTED' }))
  expect(await ada.bookings()).toMatchObject([{ status: 'accepted' }])
  const moved = { ...same, uid: newUid(), rescheduleUid: same.uid }
  await deliver(event('REQUESTED', 2, { ...moved, status: 'ACCEPTED' }))
  expect(await ada.bookings()).toMatchObject([{ status: 'accepted', calBookingUid: moved.uid }])
})

test('a rejection without calendar id and counter revives nothing', async () => {
  const ada = await buyer('ada')
  const uid = newUid()
  const known = { uid, iCalUID: `${uid}@Cal.com`, attendees: [ada.person] }
  const created = event('CREATED', 1, { ...known, iCalSequence: 0, metadata: ada.metadata })
  await deliver(
    event('REQUESTED', 0, { ...known, iCalSequence: 0, metadata: ada.metadata }),
    event('CANCELLED', 3, { ...known, iCalSequence: 1 }),
    event('REJECTED', 2, { uid, attendees: [ada.person], rejectionReason: 'no' }),
    created,
    event('REQUESTED', 4, { ...known, iCalSequence: 0 }),
  )
  expect(await ada.bookings()).toMatchObject([{ status: 'cancelled', calICalSequence: 1 }])
})

describe('times that are null', () => {
  const none = { startTime: null, endTime: null }
  test('of an ended booking keep the known times', async () => {
    const ada = await buyer('ada')
    const same = { uid: newUid(), attendees: [ada.person] }
    await deliver(
      event('CREATED', 0, { ...same, metadata: ada.metadata }),
      event('CANCELLED', 1, { ...same, ...none }),
    )
    expect(await ada.bookings()).toMatchObject([
      { status: 'cancelled', startsAt: new Date('2026-02-01T10:00:00Z') },
    ])
  })

  test('of a booking whose end arrives first are filled in later', async () => {
    const ada = await buyer('ada')
    const same = { uid: newUid(), attendees: [ada.person] }
    await deliver(
      event('CANCELLED', 1, { ...same, ...none }),
      event('CREATED', 0, { ...same, metadata: ada.metadata }),
    )
    await h.skipDelays()
    await h.billing.processEvents()
    expect(await ada.bookings()).toMatchObject([{ status: 'cancelled' }])
  })

  test('of a new booking flag it and are not read as a day in 1970', async () => {
    const uid = newUid()
    await deliver(event('CREATED', 0, { uid, ...none }))
    expect(await h.db.booking.count({ where: { calBookingUid: uid } })).toBe(0)
    const [flagged] = await h.billing.listEvents({ status: ['needs_attention'] })
    expect(flagged).toMatchObject({ type: 'BOOKING_CREATED', reason: 'unreadable_booking' })
    const dateless = { ...event('CREATED', 0, { uid }), createdAt: null }
    const request = calcomWebhookRequest(dateless, { secret: CALCOM_SECRET })
    expect((await h.billing.handleCalComWebhook(request)).status).toBe(400)
  })
})

test('text that PostgreSQL refuses is stored with a replacement character', async () => {
  const uid = newUid()
  const odd = 'Ada\u0000 \ud800'
  await deliver(
    event('CREATED', 0, { uid, title: odd, attendees: [{ name: odd, email: 'ada@example.com' }] }),
  )
  expect(await h.db.booking.findFirst({ where: { calBookingUid: uid } })).toMatchObject({
    title: 'Ada\ufffd \ufffd',
    attendeeName: 'Ada\ufffd \ufffd',
  })
})
