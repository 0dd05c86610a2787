/** Nobody who was forgotten can be found: every text and JSON column of every table is searched for them. */

import { randomUUID } from 'node:crypto'
import { until } from '@repo/core/testing'
import { atomically } from '@repo/db'
import { countLockWaits, WITHOUT_HURRY } from '@repo/db/testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createBilling, definePlans } from '../index.ts'
import { calcomWebhookRequest } from '../testing.ts' // #calcom
import { CALCOM_SECRET } from './calcom-secret.ts' // #calcom
import { createHarness, type Harness } from './harness.ts'

const plans = definePlans({
  FREE: { name: 'Free' },
  PRO: {
    name: 'Pro',
    trialDays: 7,
    prices: { month: { lookupKey: 'pro_monthly', amount: 2900, currency: 'usd' } },
  },
})

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'), { settings: { plans } })
})
afterAll(() => h.close())

/** A card has one trial. */
const CARDS = ['5555555555554444', '378282246310005', '4242424242424242']

/** Ids of an owner that stay, for the books: orders and the ledger know an owner by id alone. */
const STAYS = [
  'Order.ownerId',
  'CreditAccount.ownerId',
  'CreditTransaction.ownerId',
  'CreditGrant.ownerId',
  // That the user is gone, until the host has heard of it.
  'AuthEvent.subjectId',
]

/** Where any of `words` stands, as table.column. */
async function placesOf(words: readonly string[]): Promise<string[]> {
  const client = new pg.Client({
    connectionString: h.databaseUrl,
    options: '-c tollgate.system=on',
  })
  await client.connect()
  try {
    const { rows: columns } = await client.query(`
      SELECT c.table_schema AS "schema", c.table_name AS "table", c.column_name AS "column"
      FROM information_schema.columns c
      JOIN information_schema.tables t USING (table_schema, table_name)
      WHERE t.table_type = 'BASE TABLE' AND c.table_schema IN ('public', 'graphile_worker')
        AND (c.data_type IN ('text', 'character varying', 'json', 'jsonb', 'ARRAY', 'bytea'))`)
    const found: string[] = []
    for (const { schema, table, column } of columns) {
      const { rows } = await client.query(
        `SELECT 1 FROM "${schema}"."${table}" WHERE "${column}"::text ILIKE ANY ($1) LIMIT 1`,
        [words.map((word) => `%${word}%`)],
      )
      if (rows.length > 0) found.push(`${table}.${column}`)
    }
    return found
  } finally {
    await client.end()
  }
}

/** An owner with something in every table, and what names them. */
async function known() {
  const ownerId = randomUUID()
  const mark = randomUUID().slice(0, 8)
  const name = `Lovelace${mark}`
  const email = `ada.${mark}@private.example`
  await h.db.user.create({ data: { id: ownerId, name, email, emailVerified: true } })
  const { id: sessionId } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(sessionId, CARDS.pop())
  await h.billing.confirmCheckout(ownerId, sessionId)
  const { id } = await h.billing.createPaymentIntent(4900, 'usd', { ownerId, note: `for ${name}` })
  await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
  const { id: paymentId } = await h.billing.confirmPayment(id)
  await h.stripe.refunds.create({ payment_intent: id, amount: 100 })
  // #region calcom
  const link = new URL(await h.billing.createCalComBookingLink(101, { ownerId, paymentId }))
  const uid = randomUUID()
  const booking = (triggerEvent: string, sequence: number) => ({
    triggerEvent,
    createdAt: new Date(Date.UTC(2026, 0, 1, 9, sequence)).toISOString(),
    payload: {
      uid,
      iCalUID: `${uid}@Cal.com`,
      iCalSequence: sequence,
      title: `Call between acme and ${name}`,
      startTime: '2026-12-01T10:00:00Z',
      endTime: '2026-12-01T10:30:00Z',
      attendees: [{ name, email }],
      metadata: { ref: link.searchParams.get('metadata[ref]') },
      cancellationReason: `${name} is ill`,
      videoCallData: { url: `https://video.example/${name}` },
    },
  })
  const tell = async (event: object) => {
    await h.billing.handleCalComWebhook(calcomWebhookRequest(event, { secret: CALCOM_SECRET }))
    await h.billing.processEvents()
  }
  await tell(booking('BOOKING_CREATED', 0))
  // #endregion
  await h.billing.cancelSubscription(ownerId, { comment: `I am ${name}` })
  await h.billing.updateCustomer(ownerId, { billingEmail: `bills.${email}` })
  await h.deliverAll()
  const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const calcom = { booking, tell } // #calcom
  return {
    ...{ ownerId, name, email, stripeCustomerId, paymentId: id },
    calcom, // #calcom
  }
}

/** As the host does it: billing first, then its own rows. */
async function forget(ownerId: string, deleteAtProvider: boolean) {
  await h.billing.forgetOwner(ownerId, { deleteAtProvider })
  await h.db.user.delete({ where: { id: ownerId } })
}

describe.each([true, false])('deleted at the provider: %s', (deleteAtProvider) => {
  test('a forgotten owner’s name is in no row, whatever arrives before and after', async () => {
    const customer = await known()
    const { ownerId, name, email, stripeCustomerId } = customer
    const { booking, tell } = customer.calcom // #calcom
    const exported = JSON.stringify(await h.billing.exportOwner(ownerId))
    for (const part of ['customer.subscription', '"invoice.paid"', 'mailbox:']) {
      expect(exported).toContain(part)
    }
    expect(exported).toContain('"triggerEvent') // #calcom
    expect(await placesOf([name, email, ownerId])).toContain('WebhookEvent.payload')
    // One event is dead, and one is flagged.
    await h.db.$executeRaw`
      UPDATE "WebhookEvent" SET "status" = 'dead'
      WHERE "subject" = ${stripeCustomerId} AND "type" = 'customer.updated'`
    await h.db.$executeRaw`
      UPDATE "WebhookEvent" SET "status" = 'needs_attention'
      WHERE "subject" = ${stripeCustomerId} AND "type" = 'invoice.paid'`
    await forget(ownerId, deleteAtProvider)
    await tell(booking('BOOKING_RESCHEDULED', 1)) // #calcom
    await tell(booking('BOOKING_CANCELLED', 2)) // #calcom
    await h.deliverAll()
    await h.billing.emptyPayloads()
    expect(await placesOf([name, email])).toEqual([])
    expect((await placesOf([ownerId])).filter((place) => !STAYS.includes(place))).toEqual([])
    // #region calcom
    expect(
      await h.db.booking.findFirst({ where: { calUids: { has: booking('', 0).payload.uid } } }),
    ).toMatchObject({ status: 'cancelled', title: '', attendeeName: null })
    // #endregion
  })
})

test('a sync that began before the forgetting brings no name back', async () => {
  const { ownerId, name, email, paymentId } = await known()
  const { stripe } = h
  let arrived = () => {}
  const isLoading = new Promise<void>((resolve) => {
    arrived = resolve
  })
  let go = () => {}
  const mayGo = new Promise<void>((resolve) => {
    go = resolve
  })
  const list = stripe.paymentIntents.list.bind(stripe.paymentIntents)
  // What Stripe says is read before, and written after.
  stripe.paymentIntents.list = ((...args: Parameters<typeof list>) => {
    const page = list(...args)
    const late = page.then(async (read) => {
      arrived()
      await mayGo
      return read
    })
    return Object.assign(late, { [Symbol.asyncIterator]: page[Symbol.asyncIterator].bind(page) })
  }) as typeof list
  const syncing = h.billing.syncCustomer(ownerId)
  try {
    await isLoading
    stripe.paymentIntents.list = list
    await h.stripe.paymentIntents.update(paymentId, { metadata: { note: `again ${name}` } })
    const customer = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
    // Forgotten by a process whose sync drew an earlier ticket.
    await h.billing.forgetOwner(ownerId)
    await h.db.$executeRaw`UPDATE "Customer" SET "syncedTicket" = 0 WHERE "id" = ${customer.id}`
  } finally {
    go()
  }
  await syncing
  await h.db.user.delete({ where: { id: ownerId } })
  expect(await placesOf([name, email])).toEqual([])
})

test('a forgotten owner who returns is a new customer', async () => {
  const { ownerId } = await h.subscriber()
  const before = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  await h.billing.forgetOwner(ownerId)
  const one = await h.billing.ensureCustomer(ownerId)
  expect(await h.billing.ensureCustomer(ownerId)).toMatchObject({ id: one.id })
  expect(one.stripeCustomerId).not.toBe(before.stripeCustomerId)
  const { url } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  expect(url).toContain('http')
  expect(await h.billing.listInvoices(ownerId)).toEqual([])
})

describe('payloads', () => {
  test('of dead and flagged events are emptied like others, and waiting events keep theirs', async () => {
    await h.subscriber()
    await h.deliverAll()
    const statuses = ['processed', 'dead', 'needs_attention', 'ignored', 'pending']
    for (const status of statuses) {
      await h.db.webhookEvent.create({
        data: {
          provider: 'stripe',
          eventId: `evt_old_${status}`,
          type: 'customer.updated',
          payload: '{}',
          status,
          receivedAt: new Date(Date.now() - 400 * 86_400_000),
          nextAttemptAt: new Date(Date.now() + 86_400_000),
        },
      })
    }
    await h.billing.emptyPayloads()
    const kept = await h.db.webhookEvent.findMany({
      where: { eventId: { startsWith: 'evt_old_' }, payload: { not: null } },
    })
    expect(kept.map(({ status }) => status)).toEqual(['pending'])
    // Without its body an event cannot be tried again.
    expect(await h.billing.retryDeadEvents()).toBe(0)
  })
})

describe('the hashes of trials', () => {
  const key = (secret: string) => createBilling({ ...h.settings, trialSecrets: [secret] })
  const rowsOf = async (stripeSubscriptionId: string) =>
    (await h.db.trialRedemption.findMany({ where: { stripeSubscriptionId } })).map(({ key }) => key)

  test('are keyed: a new secret makes other hashes, and hashes of the old secret are recognized', async () => {
    const ownerId = await h.owner()
    const begin = async (billing: typeof h.billing, card: string) => {
      const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
      await h.pay(id, card)
      await billing.confirmCheckout(ownerId, id)
      return billing.getSubscription(ownerId)
    }
    const first = await begin(key('first secret'), '4000000000000341')
    expect(first.status).toBe('trialing')
    const rows = await rowsOf(first.stripeSubscriptionId as string)
    expect(rows.map((row) => row.split(':')[0]).sort()).toEqual(['mailbox', 'payment-card'])
    await h.billing.forgetOwner(ownerId)
    const rotated = createBilling({ ...h.settings, trialSecrets: ['second', 'first secret'] })
    expect((await begin(rotated, '4242424242424242')).status).toBe('active')
  })

  test('without a key are converted by the nightly job and recognized all along', async () => {
    const unkeyed = `email:${'a'.repeat(64)}`
    await h.db.trialRedemption.create({ data: { key: unkeyed, stripeSubscriptionId: 'sub_old' } })
    await h.db.trialRedemption.create({
      data: { key: 'card:fingerprint', stripeSubscriptionId: 'sub_old' },
    })
    const nightly = h.billing.jobs.find(({ name }) => name === 'billing.emptyPayloads')
    await nightly?.run({}, {} as never)
    const rows = await rowsOf('sub_old')
    expect(rows).toHaveLength(2)
    expect(rows.join()).not.toMatch(/aaaa|fingerprint/)
  })
})

test('forgetting and a sync do not wait for each other', async () => {
  const ownerId = await h.owner()
  const { id: customerId } = await h.db.customer.create({ data: { ownerId, ownerType: 'user' } })
  const now = new Date()
  const { id } = await h.db.invoice.create({
    data: {
      ...{ customerId, stripeInvoiceId: `in_${ownerId}`, status: 'open', currency: 'usd' },
      ...{ total: 1, amountDue: 1, amountPaid: 0 },
      ...{ createdAt: now, updatedAt: now, periodStart: now, periodEnd: now },
    },
  })
  let forgetting: Promise<unknown> = Promise.resolve()
  await atomically(
    h.db,
    async (tx) => {
      // What a sync does: the customer's row, then what hangs on it.
      await tx.$queryRaw`SELECT "id" FROM "Customer" WHERE "id" = ${customerId} FOR NO KEY UPDATE`
      forgetting = h.billing.forgetOwner(ownerId)
      forgetting.catch(() => {})
      await until(async () => (await countLockWaits(h.db)) > 0)
      await tx.invoice.update({ where: { id }, data: { number: 'from the sync' } })
    },
    WITHOUT_HURRY,
  )
  await forgetting
  expect(await h.db.customer.findUnique({ where: { id: customerId } })).toMatchObject({
    ownerId: `deleted:${customerId}`,
  })
})
