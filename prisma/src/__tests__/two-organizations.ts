/**
 * Two organizations with a row in every table. Whatever is the second one's says BETA, so that a
 * leak is seen wherever it is.
 */

import type { Database } from '../client.ts'
import { models } from '../tenancy/generated/models.ts'
import { seedHost } from './host-seed.ts'

export const ALPHA = 'org_alpha'
export const BETA = 'org_BETA'

const later = new Date('2030-01-01T00:00:00Z')
const period = { currentPeriodStart: later, currentPeriodEnd: later }

export async function seedTwoOrganizations(db: Database): Promise<void> {
  const product = await db.product.create({
    data: { id: 'product', stripeProductId: 'prod_1', name: 'Pro', active: true },
  })
  await db.price.create({
    data: {
      id: 'price',
      stripePriceId: 'price_1',
      productId: product.id,
      currency: 'usd',
      active: true,
    },
  })
  // Nobody owns these: a member's role says whose row it is.
  await db.$executeRaw`ALTER TABLE "Organization" DISABLE TRIGGER "Organization_has_an_owner"`
  await person(db, 'both')
  for (const [name, organizationId] of [
    ['alpha', ALPHA],
    ['BETA', BETA],
  ] as const) {
    await seedOrganization(db, name, organizationId)
  }
  await db.jwks.create({
    data: { id: 'BETA', publicKey: 'BETA', privateKey: 'BETA', createdAt: later },
  })
  await db.verificationToken.create({
    data: {
      id: 'BETA',
      identifier: `hashed:oauth-state:${'B'.repeat(43)}`,
      value: 'BETA',
      expiresAt: later,
    },
  })
  await db.webhookEvent.create({
    data: { provider: 'stripe', eventId: 'BETA', type: 'BETA', payload: 'BETA' },
  })
  await db.jobWorker.create({ data: { id: 'BETA', seenAt: later } })
  await db.trialRedemption.create({ data: { key: 'BETA', stripeSubscriptionId: 'BETA' } })
  const { id: sequenceId } = await db.nurtureSequence.create({
    data: { key: 'BETA', name: 'BETA' },
  })
  await db.nurtureEmailVariant.create({
    data: { sequenceId, step: 0, variant: 'BETA', template: 'BETA', delayHours: 1 },
  })
  await db.nurtureEnrollment.create({ data: { sequenceId, userId: 'user_BETA' } })
}

async function seedOrganization(db: Database, name: string, organizationId: string) {
  await person(db, name)
  await db.organization.create({ data: { id: organizationId, name, slug: name } })
  for (const user of [name, 'both']) {
    const id = `member_${name}_${user}`
    const role = name.toUpperCase()
    await db.member.create({ data: { id, organizationId, userId: `user_${user}`, role } })
  }
  await db.invitation.create({
    data: {
      id: `invitation_${name}`,
      organizationId,
      email: `${name}@example.com`,
      status: 'pending',
      expiresAt: later,
      inviterId: `user_${name}`,
      role: name.toUpperCase(),
    },
  })
  await db.integration.create({ data: { organizationId, type: name, credentials: name } })
  await db.auditLog.create({ data: { organizationId, action: name } })
  for (const [ownerId, ownerType] of [
    [organizationId, 'organization'],
    [`user_${name}`, 'user'],
  ] as const) {
    await seedBilling(db, ownerId, ownerType)
  }
  await seedHost(db, { organizationId, userId: `user_${name}`, mark: name })
}

async function person(db: Database, name: string) {
  const userId = `user_${name}`
  await db.user.create({ data: { id: userId, name, email: `${userId}@example.com` } })
  // Nothing of a person's own is an organization's to see.
  await db.session.create({
    data: { id: `session_${name}`, token: `token BETA ${name}`, userId, expiresAt: later },
  })
  await db.account.create({
    data: { id: `account_${name}`, accountId: `BETA ${name}`, providerId: 'github', userId },
  })
}

async function seedBilling(db: Database, ownerId: string, ownerType: 'organization' | 'user') {
  const mark = ownerType === 'user' ? `${ownerId}_BETA` : ownerId
  const { id: customerId } = await db.customer.create({
    data: { id: `customer_${mark}`, ownerId, ownerType },
  })
  const { id: subscriptionId } = await db.subscription.create({
    data: {
      id: `subscription_${mark}`,
      customerId,
      stripeSubscriptionId: `sub_${mark}`,
      priceId: 'price',
      status: 'active',
      ...period,
    },
  })
  const { id: invoiceId } = await db.invoice.create({
    data: {
      id: `invoice_${mark}`,
      customerId,
      stripeInvoiceId: `in_${mark}`,
      subscriptionId,
      status: 'paid',
      total: 1,
      amountDue: 1,
      amountPaid: 1,
      currency: 'usd',
      periodStart: later,
      periodEnd: later,
      createdAt: later,
      updatedAt: later,
    },
  })
  const { id: paymentId } = await db.payment.create({
    data: {
      id: `payment_${mark}`,
      customerId,
      stripePaymentIntentId: `pi_${mark}`,
      amount: 1,
      currency: 'usd',
      status: 'succeeded',
    },
  })
  await db.refund.create({
    data: {
      id: `refund_${mark}`,
      customerId,
      stripeRefundId: `re_${mark}`,
      invoiceId,
      paymentId,
      amount: 1,
      currency: 'usd',
      status: 'succeeded',
      createdAt: later,
      updatedAt: later,
    },
  })
  await db.checkoutSession.create({
    data: { id: `checkout_${mark}`, customerId, terms: mark },
  })
  await db.booking.create({
    data: {
      id: `booking_${mark}`,
      calBookingUid: mark,
      calCreatedAt: later,
      customerId,
      paymentId,
      title: mark,
      status: 'accepted',
      startsAt: later,
      endsAt: later,
    },
  })
  await db.order.create({
    data: {
      id: `order_${mark}`,
      ownerId,
      customerId,
      sku: mark,
      provider: 'local',
      amount: 1,
      currency: 'usd',
      returnKey: mark,
    },
  })
  await seedCredits(db, ownerId, mark)
  await db.effect.create({
    data: { key: `${mark}_BETA`, customerId, name: 'BETA', payload: {} },
  })
}

async function seedCredits(db: Database, ownerId: string, mark: string) {
  const account = { ownerId, creditType: 'credits' }
  await db.creditAccount.create({ data: { ...account, updatedAt: new Date(0) } })
  const lot = { ...account, amount: 2, remaining: 1, priority: 50 }
  const { id: grantId } = await db.creditGrant.create({ data: lot })
  const row = { ...account, description: mark, idempotencyKey: mark }
  const came = { ...row, type: 'grant', amount: 2, balanceAfter: 2, lots: [[`${grantId}`, 2]] }
  await db.creditTransaction.create({ data: came })
  const { id: transactionId } = await db.creditTransaction.create({
    data: {
      ...row,
      type: 'deduction',
      amount: -1,
      balanceAfter: 1,
      idempotencyKey: `${mark} hold`,
      lots: [[`${grantId}`, -1]],
    },
  })
  await db.creditHold.create({ data: { ...account, transactionId, expiresAt: later } })
  await db.creditTopUp.create({ data: { ...account, transactionId, day: later, number: 1 } })
}

/** What the database notes by itself of the changes an organization makes. */
const NOTES = new Set(['AccessDenial', 'AuthEvent'])

/** Every row of every table as text, but those of the first organization that it may change. */
export const everythingElse = (db: Database): Promise<string[]> =>
  rowsOf(db, (column) => (column ? `WHERE "${column}" IS DISTINCT FROM '${ALPHA}'` : ''))

/** The rows that the first organization may change. */
export const ownRows = (db: Database): Promise<string[]> =>
  rowsOf(db, (column) => (column ? `WHERE "${column}" = '${ALPHA}'` : 'WHERE false'))

/** `where` gets the column that names the organization, and null for a table that is not an organization's. */
async function rowsOf(db: Database, where: (column: string | null) => string): Promise<string[]> {
  const tables = Object.values(models).filter(({ table }) => !NOTES.has(table))
  const queries = tables.map(({ table, tenancy, by }) => {
    const column = tenancy === 'organization' ? (by[0] ?? 'organizationId') : null
    return `SELECT '${table} ' || to_jsonb(t)::text AS row FROM "${table}" t ${where(column)}`
  })
  const sql = `${queries.join(' UNION ALL ')} ORDER BY 1`
  const rows = await db.$queryRawUnsafe<{ row: string }[]>(sql)
  return rows.map(({ row }) => row)
}
