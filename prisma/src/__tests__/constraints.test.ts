/** The database keeps the promises: each named constraint exists and refuses what it is there for. */

import { until } from '@repo/core/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { atomically } from '../client.ts'
import {
  countLockWaits,
  createTestDatabase,
  type TestDatabase,
  WITHOUT_HURRY,
} from '../testing/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
})
afterAll(() => database.drop())

let count = 0

async function subscribe(status: string, customerId?: string) {
  count += 1
  const { db } = database
  const product = await db.product.create({
    data: { stripeProductId: `prod_${count}`, name: 'Pro', active: true },
  })
  const price = await db.price.create({
    data: {
      stripePriceId: `price_${count}`,
      productId: product.id,
      currency: 'usd',
      active: true,
    },
  })
  const owner =
    customerId ??
    (await db.customer.create({ data: { ownerId: `owner-${count}`, ownerType: 'user' } })).id
  return db.subscription.create({
    data: {
      customerId: owner,
      priceId: price.id,
      stripeSubscriptionId: `sub_${count}`,
      status,
      currentPeriodStart: new Date(),
      currentPeriodEnd: new Date(),
    },
  })
}

test('promise 2: an ended subscription is never brought back', async () => {
  const { id } = await subscribe('canceled')
  const revive = database.db.subscription.update({ where: { id }, data: { status: 'active' } })
  await expect(revive).rejects.toThrow('has ended as canceled')
  const after = await database.db.subscription.findUniqueOrThrow({ where: { id } })
  expect(after.status).toBe('canceled')
})

test('promise 2: one customer has at most one current subscription', async () => {
  const first = await subscribe('active')
  await expect(subscribe('trialing', first.customerId)).rejects.toThrow('customerId')
  await subscribe('canceled', first.customerId)
  const rows = await database.db.subscription.findMany({ where: { customerId: first.customerId } })
  expect(rows.map((row) => row.status).sort()).toEqual(['active', 'canceled'])
})

test.each([
  [
    'a role that does not exist',
    `INSERT INTO "User" (id, name, email, role, "updatedAt") VALUES ('1', '', 'a', 'ROOT', now())`,
    'User_role_check',
  ],
  [
    'a member in a role there is not',
    `INSERT INTO "Member" (id, "organizationId", "userId", role) VALUES ('1', '1', '1', 'OWNER,ADMIN')`,
    'Member_role_check',
  ],
  [
    'an invitation into a role there is not',
    `INSERT INTO "Invitation" (id, "organizationId", email, role, status, "expiresAt", "inviterId") VALUES ('1', '1', 'a', 'owner', 'pending', now(), '1')`,
    'Invitation_role_check',
  ],
  [
    'an invitation in a state nobody knows',
    `INSERT INTO "Invitation" (id, "organizationId", email, role, status, "expiresAt", "inviterId") VALUES ('1', '1', 'a', 'VIEWER', 'lost', now(), '1')`,
    'Invitation_status_check',
  ],
  [
    'an organization without an owner',
    `INSERT INTO "Organization" (id, name, slug) VALUES ('1', '1', '1')`,
    'must have an owner',
  ],
  [
    'an owner of another kind',
    `INSERT INTO "Customer" (id, "ownerId", "ownerType", "updatedAt") VALUES ('1', '1', 'team', now())`,
    'Customer_ownerType_check',
  ],
  [
    'a status nobody knows',
    `INSERT INTO "WebhookEvent" (provider, "eventId", type, payload, status) VALUES ('stripe', 'e', 't', '', 'lost')`,
    'WebhookEvent_status_check',
  ],
  [
    'an event from nowhere',
    `INSERT INTO "WebhookEvent" (provider, "eventId", type, payload, source) VALUES ('stripe', 'e', 't', '', 'guess')`,
    'WebhookEvent_source_check',
  ],
  [
    'promise 1: emptying an event that is not dealt with',
    `INSERT INTO "WebhookEvent" (provider, "eventId", type, status) VALUES ('stripe', 'e', 't', 'pending')`,
    'WebhookEvent_payload_check',
  ],
  [
    'a refund of nothing',
    `INSERT INTO "Refund" (id, "customerId", "stripeRefundId", amount, currency, status, "createdAt", "updatedAt") VALUES ('1', '1', '1', 0, 'usd', 'succeeded', now(), now())`,
    'Refund_amount_check',
  ],
  [
    'a checkout that is neither open nor closed',
    `INSERT INTO "CheckoutSession" (id, "customerId", terms, status) VALUES ('1', '1', '1', 'ajar')`,
    'CheckoutSession_status_check',
  ],
  ...['x', 'hashed:magic-link:x', `magic-link:${'x'.repeat(43)}`].map((identifier) => [
    `promise 5: a verification row called ${identifier}, which names no purpose or holds no hash,`,
    `INSERT INTO "VerificationToken" (id, identifier, value, "expiresAt") VALUES ('1', '${identifier}', '', now())`,
    'VerificationToken_identifier_check',
  ]),
  [
    'a session of an unknown assurance level',
    `WITH "someone" AS (INSERT INTO "User" (id, name, email, "updatedAt")
       VALUES ('1', 'Ada', 'ada@example.com', now()) RETURNING id)
     INSERT INTO "Session" (id, token, "userId", "expiresAt", "updatedAt", aal)
       SELECT '1', '1', id, now(), now(), 4 FROM "someone"`,
    'Session_aal_check',
  ],
])('%s is refused', async (_, statement, constraint) => {
  await expect(database.db.$executeRawUnsafe(statement)).rejects.toThrow(constraint)
})

/** An organization of as many owners. */
async function found(slug: string, owners: number): Promise<string[]> {
  const users = Array.from({ length: owners }, (_, at) => `${slug}-${at}`)
  await database.db.user.createMany({
    data: users.map((id) => ({ id, name: id, email: `${id}@example.com` })),
  })
  const members = { create: users.map((id) => ({ id, userId: id, role: 'OWNER' })) }
  await database.db.organization.create({ data: { id: slug, name: slug, slug, members } })
  return users
}

test('the last owner of an organization stays its owner, whichever way they try to leave', async () => {
  const { db } = database
  const [owner = ''] = await found('lone', 1)
  const refused = 'must have an owner'
  await expect(db.member.delete({ where: { id: owner } })).rejects.toThrow(refused)
  await expect(db.user.delete({ where: { id: owner } })).rejects.toThrow(refused)
  await expect(db.member.update({ where: { id: owner }, data: { role: 'ADMIN' } })).rejects.toThrow(
    refused,
  )
  expect(await db.member.count({ where: { organizationId: 'lone', role: 'OWNER' } })).toBe(1)
  await db.organization.delete({ where: { id: 'lone' } })
  expect(await db.member.count({ where: { organizationId: 'lone' } })).toBe(0)
})

test('the second of two owners who leave at once is refused, although the first has not committed', async () => {
  const { db } = database
  const owners = await found('pair', 2)
  // It writes one row for both, and so would make the second wait by chance.
  await db.$executeRaw`ALTER TABLE "Member" DISABLE TRIGGER "Member_tells"`
  const leave = (id: string, andThen: () => Promise<unknown> = async () => {}) =>
    atomically(
      db,
      async (tx) => {
        await tx.member.delete({ where: { id } })
        await tx.$executeRaw`SET CONSTRAINTS ALL IMMEDIATE`
        await andThen()
      },
      WITHOUT_HURRY,
    )
  let second: Promise<unknown> = Promise.resolve()
  await leave(owners[0] ?? '', async () => {
    second = expect(leave(owners[1] ?? '')).rejects.toThrow('must have an owner')
    await until(async () => (await countLockWaits(db)) === 1)
  })
  await second
  await db.$executeRaw`ALTER TABLE "Member" ENABLE TRIGGER "Member_tells"`
  expect(await db.member.count({ where: { organizationId: 'pair', role: 'OWNER' } })).toBe(1)
})

test('an owner can be exchanged within one transaction', async () => {
  const { db } = database
  const [first = '', second = ''] = await found('exchange', 2)
  await db.member.update({ where: { id: second }, data: { role: 'VIEWER' } })
  await atomically(db, async (tx) => {
    await tx.member.update({ where: { id: first }, data: { role: 'ADMIN' } })
    await tx.member.update({ where: { id: second }, data: { role: 'OWNER' } })
  })
  const roles = await db.member.findMany({ where: { organizationId: 'exchange' } })
  expect(roles.map(({ role }) => role).sort()).toEqual(['ADMIN', 'OWNER'])
})

test('a customer has one open checkout, and any number of closed ones', async () => {
  const { db } = database
  const { id: customerId } = await db.customer.create({
    data: { ownerId: 'two-clicks', ownerType: 'user' },
  })
  const open = () => db.checkoutSession.create({ data: { customerId, terms: 'pro' } })
  const first = await open()
  await expect(open()).rejects.toThrow('customerId')
  await db.checkoutSession.update({ where: { id: first.id }, data: { status: 'closed' } })
  await open()
  expect(await db.checkoutSession.count({ where: { customerId } })).toBe(2)
})

test('a transaction commits all or nothing, and an inner transaction joins it', async () => {
  const { db } = database
  const work = atomically(db, async (tx) => {
    await atomically(tx, (inner) =>
      inner.customer.create({ data: { ownerId: 'rolled-back', ownerType: 'user' } }),
    )
    throw new Error('after the write')
  })
  await expect(work).rejects.toThrow('after the write')
  expect(await db.customer.count({ where: { ownerId: 'rolled-back' } })).toBe(0)
})
