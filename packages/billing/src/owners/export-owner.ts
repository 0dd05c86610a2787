/**
 * Everything billing holds of one owner, for a person who asks for their data.
 *
 * @module
 */

import type { Customer } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { loggedType } from '../credits/logged-type.ts'
import { mentionsOf } from './owners.ts'

/**
 * As JSON values; null where billing holds nothing. `events` are the webhooks about the owner as they arrived, of which
 * the bodies are kept for a while; `effects` is what they set off; `trials` are the hashes by which a second trial is
 * known.
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
    // The ledger's are larger than a number may hold.
    credits: asJson(credits, String),
  }
}

const NOTHING = { effects: [], trials: [], events: [] }

/** What refers to the customer and hangs on another table. */
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
      // Emptied ones say nothing of anybody any more.
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

/** `value` as JSON has it, with its bigints as `read` reads them. */
const asJson = (value: unknown, read: (bigint: bigint) => unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? read(each) : each)))
