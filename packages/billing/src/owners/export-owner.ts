/**
 * Exports everything that billing holds about an owner, for people who ask for their data.
 *
 * @module
 */

import type { Customer } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { loggedType } from '../credits/logged-type.ts'
import { mentionsOf } from './owners.ts'

/**
 * The owner's data as JSON values; null where billing holds nothing.
 * The contract is in `functions/customers.ts`.
 */
export async function exportOwner(
  ctx: BillingContext,
  ownerId: string,
): Promise<Record<string, unknown> | null> {
  const customer = await ctx.db.customer.findUnique({
    where: { ownerId },
    omit: { syncedTicket: true, partTicket: true },
    include: {
      subscriptions: { include: { price: { include: { product: true } } } },
      invoices: true,
      payments: true,
      refunds: true,
      bookings: true,
      checkoutSessions: true,
      orders: { omit: { returnKey: true, settledTicket: true } },
    },
  })
  const accounts = await ctx.db.creditAccount.findMany({
    where: { ownerId },
    include: { holds: true },
  })
  const log = await ctx.db.creditTransaction.findMany({
    where: { ownerId },
    orderBy: { id: 'asc' },
  })
  if (!customer && accounts.length === 0) return null
  const credits = accounts.map((account) => ({
    ...account,
    transactions: log
      .filter(({ creditType }) => creditType === account.creditType)
      .map((row) => ({ ...row, type: loggedType(row) })),
  }))
  return {
    exportedAt: new Date().toJSON(),
    customer: asJson(customer, Number),
    ...(customer ? ((await aboutCustomer(ctx, customer)) as object) : NOTHING),
    // Amounts and ids of the ledger may be larger than a number can hold, so they are strings.
    credits: asJson(credits, String),
  }
}

const NOTHING = { effects: [], trials: [], events: [] }

/** The rows about the customer in tables without a relation to it. */
async function aboutCustomer(
  ctx: BillingContext,
  customer: Pick<Customer, 'id' | 'stripeCustomerId' | 'formerStripeIds'> & {
    subscriptions: { stripeSubscriptionId: string | null }[]
    orders: { providerCustomerId: string | null }[]
  },
): Promise<unknown> {
  const { id: customerId, stripeCustomerId, formerStripeIds, subscriptions, orders } = customer
  const subscriptionIds = subscriptions.flatMap((each) => each.stripeSubscriptionId ?? [])
  const subjects = [
    ...(stripeCustomerId ? [stripeCustomerId] : []),
    ...formerStripeIds,
    ...orders.flatMap(({ providerCustomerId }) => providerCustomerId ?? []),
  ]
  const facts = { provider: true, eventId: true, type: true, receivedAt: true, payload: true }
  const [effects, trials, events, bookings] = await Promise.all([
    ctx.db.effect.findMany({ where: { customerId }, orderBy: { createdAt: 'asc' } }),
    ctx.db.trialRedemption.findMany({ where: { stripeSubscriptionId: { in: subscriptionIds } } }),
    ctx.db.webhookEvent.findMany({
      // Events without a body hold no personal data any more.
      where: {
        OR: [
          { subject: { in: subjects }, status: 'pending' },
          { subject: { in: subjects }, status: { not: 'pending' }, payload: { not: null } },
        ],
      },
      select: facts,
      orderBy: { receivedAt: 'asc' },
    }),
    mentionsOf(ctx, customerId),
  ])
  const about = await ctx.db.$queryRaw`
    SELECT "provider", "eventId", "type", "receivedAt", "payload" FROM "WebhookEvent"
    WHERE "provider" = 'calcom' AND "payload" LIKE ANY(${bookings}) ORDER BY "receivedAt"`
  return asJson({ effects, trials, events: [...events, ...(about as object[])] }, String)
}

/** `value` as JSON values, with each bigint replaced by what `read` returns. */
const asJson = (value: unknown, read: (bigint: bigint) => unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? read(each) : each)))
