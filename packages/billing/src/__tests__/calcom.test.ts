/** Cal.com: signed links out, signed events in, one row a chain. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readReference, signReference } from '../bookings/calcom.ts'
import { calcomWebhookRequest } from '../testing.ts'
import { CALCOM_SECRET } from './calcom-secret.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

const deliver = async (event: unknown, secret = CALCOM_SECRET) => {
  const answer = await h.billing.handleCalComWebhook(calcomWebhookRequest(event, { secret }))
  await h.billing.processEvents()
  return answer
}

/** An owner with a paid call and the reference in its booking link. */
async function buyer() {
  const ownerId = await h.owner()
  const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId })
  await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
  const payment = await h.billing.confirmPayment(id)
  const link = new URL(
    await h.billing.createCalComBookingLink(101, { ownerId, paymentId: payment.id }),
  )
  return {
    ownerId,
    paymentId: payment.id,
    link,
    ref: link.searchParams.get('metadata[ref]') as string,
  }
}

let sequence = 0
/** Events of one booking, each later than the one before, with the fields Cal.com sends. */
function chain() {
  sequence += 1
  const first = `uid-${sequence}-a`
  const iCalUID = `${first}@Cal.com`
  const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 9, minute)).toISOString()
  const base = {
    title: 'Strategy call',
    eventTypeId: 101,
    startTime: '2026-02-01T10:00:00Z',
    endTime: '2026-02-01T10:30:00Z',
    attendees: [{ name: 'Ada', email: 'ada@example.com' }],
    iCalUID,
  }
  return {
    created: (ref?: string) => ({
      triggerEvent: 'BOOKING_CREATED',
      createdAt: at(0),
      payload: {
        ...base,
        uid: first,
        iCalSequence: 0,
        metadata: ref ? { ref } : {},
        status: 'ACCEPTED',
        price: 0,
      },
    }),
    rescheduled: (ref?: string) => ({
      triggerEvent: 'BOOKING_RESCHEDULED',
      createdAt: at(5),
      payload: {
        ...base,
        uid: `uid-${sequence}-b`,
        rescheduleUid: first,
        iCalSequence: 1,
        startTime: '2026-02-03T10:00:00Z',
        endTime: '2026-02-03T10:30:00Z',
        metadata: ref ? { ref } : {},
      },
    }),
    cancelled: (uid = first) => ({
      triggerEvent: 'BOOKING_CANCELLED',
      createdAt: at(9),
      payload: {
        ...base,
        uid,
        iCalSequence: 2,
        startTime: '2026-02-03T10:00:00+00:00',
        endTime: '2026-02-03T10:30:00+00:00',
        price: null,
        status: 'CANCELLED',
        cancellationReason: '',
      },
    }),
  }
}

test('a booking link leads to the page of the event type with a signed reference', async () => {
  const { link, ref, ownerId, paymentId } = await buyer()
  expect(link.origin + link.pathname).toBe('https://cal.example/acme/strategy-call')
  expect(link.searchParams.get('email')).toBe(`${ownerId}@example.com`)
  const customer = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  expect(readReference(CALCOM_SECRET, ref)).toEqual({ customerId: customer.id, paymentId })
  expect(ref.length).toBeLessThanOrEqual(500)
})

test('booking.created creates a Booking that belongs to the payer', async () => {
  const { ownerId, paymentId, ref } = await buyer()
  const event = chain().created(ref)
  expect((await deliver(event)).status).toBe(200)
  const rows = await h.billing.listBookings(ownerId)
  expect(rows).toHaveLength(1)
  expect(rows[0]).toMatchObject({
    calBookingUid: event.payload.uid,
    paymentId,
    status: 'accepted',
    title: 'Strategy call',
    startsAt: new Date('2026-02-01T10:00:00Z'),
    needsAttention: null,
  })
})

test('a reschedule moves the row to its new uid, a cancellation ends it', async () => {
  const { ownerId, ref } = await buyer()
  const events = chain()
  await deliver(events.created(ref))
  const rescheduled = events.rescheduled(ref)
  await deliver(rescheduled)
  const [moved, ...more] = await h.billing.listBookings(ownerId)
  expect(more).toEqual([])
  expect(moved).toMatchObject({
    calBookingUid: rescheduled.payload.uid,
    startsAt: new Date('2026-02-03T10:00:00Z'),
    status: 'accepted',
  })
  await deliver(events.cancelled(rescheduled.payload.uid))
  const after = await h.billing.listBookings(ownerId)
  expect(after).toEqual([expect.objectContaining({ id: moved?.id, status: 'cancelled' })])
})

const ORDERS = [
  ['created', 'rescheduled', 'cancelled'],
  ['created', 'cancelled', 'rescheduled'],
  ['rescheduled', 'created', 'cancelled'],
  ['rescheduled', 'cancelled', 'created'],
  ['cancelled', 'created', 'rescheduled'],
  ['cancelled', 'rescheduled', 'created'],
] as const

test.each(ORDERS)(
  'in the order %s, %s, %s the chain ends as one cancelled row',
  async (...order) => {
    const { ownerId, ref } = await buyer()
    const events = chain()
    const second = events.rescheduled(ref)
    const made = {
      created: events.created(ref),
      rescheduled: second,
      cancelled: events.cancelled(second.payload.uid),
    }
    for (const name of order) {
      expect((await deliver(made[name])).status).toBe(200)
      expect((await deliver(made[name])).status).toBe(200)
    }
    expect(await h.billing.listBookings(ownerId)).toEqual([
      expect.objectContaining({
        calBookingUid: second.payload.uid,
        status: 'cancelled',
        startsAt: new Date('2026-02-03T10:00:00Z'),
        needsAttention: null,
      }),
    ])
  },
)

test('the sequence number decides, and not the time of the sender', async () => {
  const { ownerId, ref } = await buyer()
  const events = chain()
  await deliver(events.created(ref))
  const rescheduled = { ...events.rescheduled(ref), createdAt: '2025-12-31T00:00:00.000Z' }
  await deliver(rescheduled)
  expect(await h.billing.listBookings(ownerId)).toEqual([
    expect.objectContaining({ calBookingUid: rescheduled.payload.uid }),
  ])
})

test('a replay of an old delivery does not undo a cancellation', async () => {
  const { ownerId, ref } = await buyer()
  const events = chain()
  const created = events.created(ref)
  await deliver(created)
  await deliver(events.cancelled())
  expect(await (await deliver(created)).json()).toEqual({ received: true, duplicate: true })
  expect((await h.billing.listBookings(ownerId))[0]).toMatchObject({ status: 'cancelled' })
})

test('a second booking on one payment is kept and flagged', async () => {
  const { ownerId, ref } = await buyer()
  await deliver(chain().created(ref))
  await deliver(chain().created(ref))
  const flags = (await h.billing.listBookings(ownerId)).map((row) => row.needsAttention)
  expect(flags.sort()).toEqual(['payment_already_used', null].sort())
})

test('a signature is accepted only in its exact spelling', () => {
  const reference = { customerId: 'c', paymentId: null }
  const signed = signReference('a-secret-of-16-characters', reference)
  const bytes = Buffer.from(signed.split('.')[1] as string, 'base64url')
  expect(readReference('a-secret-of-16-characters', signed)).toEqual(reference)
  const spellings = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
    .map((last) => signed.slice(0, -1) + last)
    .filter((other) => Buffer.from(other.split('.')[1] as string, 'base64url').equals(bytes))
  expect(spellings.length).toBe(4)
  const taken = spellings.filter((other) => readReference('a-secret-of-16-characters', other))
  expect(taken).toEqual([signed])
})

test('a reference without our signature gives the booking to nobody', async () => {
  const { ownerId, ref } = await buyer()
  const customer = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const forged = [
    ref.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    signReference('another-secret-of-16', { customerId: customer.id, paymentId: null }),
    ownerId,
    '',
  ]
  for (const reference of forged) {
    const event = chain().created(reference)
    await deliver({ ...event, payload: { ...event.payload, metadata: { ref: reference } } })
    const row = await h.db.booking.findFirstOrThrow({
      where: { calBookingUid: event.payload.uid },
    })
    expect(row).toMatchObject({ customerId: null, needsAttention: 'invalid_reference' })
  }
  expect(await h.billing.listBookings(ownerId)).toEqual([])
})

test('a link needs an event type, an owner, and a payment of that owner that is paid', async () => {
  const { paymentId } = await buyer()
  const ownerId = await h.owner()
  const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId })
  const open = await h.billing.confirmPayment(id)
  const attempts = [
    [999, { ownerId }, 'event_type_not_found', 404],
    [101, { ownerId: 'nobody' }, 'owner_not_found', 404],
    [101, { ownerId, paymentId }, 'payment_not_found', 404],
    [101, { ownerId, paymentId: randomUUID() }, 'payment_not_found', 404],
    [101, { ownerId, paymentId: open.id }, 'payment_not_confirmed', 402],
  ] as const
  for (const [type, metadata, code, status] of attempts) {
    const link = h.billing.createCalComBookingLink(type, metadata)
    await expect(link).rejects.toMatchObject({ code, status })
  }
})

test.each([
  ['no signature', undefined, 'missing_signature'],
  ['the words Cal.com sends without a secret', 'no-secret-provided', 'invalid_signature'],
  ['a wrong signature', '0'.repeat(64), 'invalid_signature'],
  ['an upper-case one', 'A'.repeat(64), 'invalid_signature'],
])('%s is refused and nothing is stored', async (_, signature, code) => {
  const before = await h.db.webhookEvent.count()
  const answer = await h.billing.handleCalComWebhook(
    new Request('http://x/', {
      method: 'POST',
      body: JSON.stringify(chain().created()),
      headers: signature ? { 'x-cal-signature-256': signature } : {},
    }),
  )
  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({ code })
  expect(await h.db.webhookEvent.count()).toBe(before)
})

test.each([
  'not json',
  'null',
  '[1]',
  '{}',
  '{"triggerEvent":"BOOKING_CREATED","createdAt":"never"}',
])('the signed body %s is refused', async (body) => {
  const answer = await deliver(body)
  expect(answer.status).toBe(400)
  expect(await answer.json()).toMatchObject({ code: 'invalid_payload' })
})

test('an unknown trigger and a ping are received and ignored, an unreadable booking is flagged', async () => {
  const createdAt = '2026-01-01T00:00:00Z'
  const bookings = await h.db.booking.count()
  const outcomes = [
    [{ triggerEvent: 'PING', createdAt, payload: {} }, 'ignored'],
    [{ triggerEvent: 'MEETING_STARTED', createdAt }, 'ignored'],
    [{ triggerEvent: 'BOOKING_CREATED', createdAt, payload: { uid: 'x' } }, 'needs_attention'],
  ] as const
  for (const [event, status] of outcomes) {
    expect((await deliver(event)).status).toBe(200)
    const row = await h.db.webhookEvent.findFirstOrThrow({
      where: { provider: 'calcom', type: event.triggerEvent },
      orderBy: { receivedAt: 'desc' },
    })
    expect(row.status).toBe(status)
  }
  expect(await h.db.booking.count()).toBe(bookings)
})

test('deliveries for two seats of one booking are two events', async () => {
  const event = chain().created()
  const other = { ...event.payload, attendees: [{ name: 'Bob', email: 'bob@example.com' }] }
  await deliver(event)
  expect(await (await deliver({ ...event, payload: other })).json()).toEqual({ received: true })
})
