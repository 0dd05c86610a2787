/**
 * Grants the credits of plans, once a month. For a plan that is paid by the month, they are granted in the
 * transaction that records its paid invoice. For a plan that is paid by the year, only the first month is
 * granted there, and a job grants each later month. A trial's first invoice over 0 counts as paid, so a trial has its
 * plan's credits. A flagged subscription grants nothing, nor does a month that is already over, so that an
 * import does not grant years.
 *
 * @module
 */

import { isTollgateError, monthsAfter } from '@repo/core'
import { atomically, type Db, type Prisma } from '@repo/db'
import type { PlanCredits } from '../catalog/plan-credits.ts'
import { soldAs } from '../catalog/sold.ts'
import type { BillingContext } from '../context.ts'
import { creditTypeOf, priorityOf } from '../credit-input.ts'
import type { Effect, PaidFor } from '../effects/facts.ts'
import { inNumbers } from '../rows.ts'
import { isolated, type SweepOptions } from '../sweep.ts'
import { post, required } from './ledger.ts'
import { monthKey, nameInKey, paidKey } from './months.ts'
import { followMoney } from './plan-money.ts'

const HOUR = 60 * 60 * 1000
/** How long a month's credits outlive it, while the next month's invoice is being paid. */
const GRACE_MS = 72 * HOUR
/** The longest time between an invoice and the beginning of its period. */
const SLACK_MS = 24 * HOUR

const withPlan = {
  customer: true,
  price: { include: { product: true } },
} satisfies Prisma.SubscriptionInclude

type PlannedSubscription = Prisma.SubscriptionGetPayload<{ include: typeof withPlan }>

/** Grants the plan's credits for a paid invoice. `tx` is the transaction of the sync or settlement that found it. */
export async function grantPlanCredits(
  ctx: BillingContext,
  tx: Db,
  effect: Pick<Effect<'invoice.paid'>, 'payload'>,
): Promise<void> {
  const { subscriptionId, billingReason } = effect.payload
  if (!subscriptionId) return
  const subscription = await tx.subscription.findUnique({
    where: { id: subscriptionId },
    include: withPlan,
  })
  const now = subscription && termsOf(ctx, subscription)
  const terms = subscription && termsOf(ctx, subscription, effect.payload)
  if (!terms) return
  if (terms.interval === 'year') {
    // If the subscription is now paid by the month, the paid year has ended and grants no more
    // months.
    if (now?.interval === 'year') await grantMonths(ctx, subscription, terms.credits, tx)
    return
  }
  // Invoices for changes within a period grant nothing: the new plan's credits come with its next
  // month.
  if (billingReason !== 'subscription_create' && billingReason !== 'subscription_cycle') return
  const invoicedAt = await whenInvoiced(tx, effect.payload)
  if (!invoicedAt) return
  const { currentPeriodStart, currentPeriodEnd } = subscription
  // An invoice after the stored period belongs to the next period, which is not stored yet.
  const isPresent =
    invoicedAt.getTime() >= currentPeriodStart.getTime() - SLACK_MS &&
    invoicedAt < currentPeriodEnd &&
    now?.interval === 'month'
  const end = isPresent ? currentPeriodEnd : monthsAfter(invoicedAt, 1)
  const key = paidKey(effect.payload)
  await grantMonth(ctx, subscription, terms.credits, { key, end, tx })
}

/** When the invoice was created. At providers other than Stripe, when its order was paid or completed. */
async function whenInvoiced(
  tx: Db,
  { stripeInvoiceId, orderId }: Effect<'invoice.paid'>['payload'],
): Promise<Date | null> {
  if (stripeInvoiceId) {
    const invoice = await tx.invoice.findUnique({ where: { stripeInvoiceId } })
    return invoice?.createdAt ?? null
  }
  const order = orderId ? await tx.order.findUnique({ where: { id: orderId } }) : null
  return order?.paidAt ?? order?.completedAt ?? null
}

/** Subscriptions of one query. */
const PAGE = 100

/**
 * Grants the current month of subscriptions that are paid by the year.
 * The contract is in `functions/credits.ts`.
 */
export async function grantMonthlyCredits(
  ctx: BillingContext,
  options: SweepOptions = {},
): Promise<void> {
  if (!Object.values(ctx.plans).some(({ credits }) => credits)) return
  const skus = Object.keys(ctx.products).filter((sku) => ctx.products[sku]?.interval === 'year')
  const prices = await ctx.db.price.findMany({ where: { interval: 'year' }, select: { id: true } })
  const priceIds = prices.map(({ id }) => id)
  let after = ''
  for (;;) {
    const page = await ctx.db.subscription.findMany({
      where: {
        id: { gt: after },
        status: { in: ['active', 'trialing'] },
        needsAttention: null,
        OR: [{ priceId: { in: priceIds } }, { sku: { in: skus } }],
      },
      include: withPlan,
      orderBy: { id: 'asc' },
      take: PAGE,
    })
    const yearly = page.filter((subscription) => termsOf(ctx, subscription)?.interval === 'year')
    for (const subscription of await thoseToDo(ctx, yearly)) {
      if (options.signal?.aborted) return
      const { id: subscriptionId } = subscription
      await isolated(ctx, 'could not grant the months of a plan', { subscriptionId }, async () => {
        const terms = termsOf(ctx, subscription)
        if (terms) await grantMonths(ctx, subscription, terms.credits)
        await followYear(ctx, subscription)
      })
    }
    const last = page.at(-1)
    if (!last || page.length < PAGE) return
    after = last.id
  }
}

/** The subscriptions of `page` whose current month is not granted yet, or whose payment was refunded or disputed. */
async function thoseToDo(
  ctx: BillingContext,
  page: readonly PlannedSubscription[],
): Promise<PlannedSubscription[]> {
  if (page.length === 0) return []
  const now = ctx.clock.now()
  const months = page.map((subscription) => [...presentMonths(subscription, now)])
  const keys = page.flatMap(({ customer: { ownerId } }, at) =>
    (months[at] ?? []).map(({ key }) => ({ ownerId, key })),
  )
  const rows = await ctx.db.$queryRaw<{ key: string }[]>`
    SELECT k."key" FROM unnest(${keys.map(({ ownerId }) => ownerId)}::text[], ${keys.map(({ key }) => key)}::text[])
      AS k("ownerId", "key")
    WHERE EXISTS (SELECT FROM "CreditTransaction" t WHERE t."ownerId" = k."ownerId" AND t."idempotencyKey" = k."key")`
  const granted = new Set(rows.map(({ key }) => key))
  const idOf = (row: PlannedSubscription) => row.stripeSubscriptionId ?? row.providerSubscriptionId
  const providers = [...new Set(page.map(({ provider }) => provider))]
  const orders = await ctx.db.order.findMany({
    where: {
      provider: { in: providers },
      subscriptionId: { in: page.flatMap((row) => idOf(row) ?? []) },
      OR: MONEY_BACK,
    },
    select: { subscriptionId: true },
  })
  const back = new Set(orders.map(({ subscriptionId }) => subscriptionId))
  return page.filter(
    (row, at) => back.has(idOf(row)) || months[at]?.some(({ key }) => !granted.has(key)),
  )
}

/**
 * The credits and interval of the plan that was paid for, or of the subscription's present plan if that is unknown.
 * Null: flagged, or no credits.
 */
function termsOf(
  ctx: BillingContext,
  subscription: PlannedSubscription,
  paid: Partial<PaidFor> = {},
) {
  if (subscription.needsAttention !== null) return null
  const { plan, interval } = paid
  const sold = plan && interval ? { plan, interval } : soldAs(ctx, subscription)
  const credits = sold && ctx.plans[sold.plan]?.credits
  return credits ? { credits, interval: sold.interval } : null
}

/** Grants the months of the current period that have begun and are not over, each under a key with its first day. */
async function grantMonths(
  ctx: BillingContext,
  subscription: PlannedSubscription,
  credits: PlanCredits,
  tx?: Db,
): Promise<void> {
  for (const month of presentMonths(subscription, ctx.clock.now())) {
    await grantMonth(ctx, subscription, credits, { ...month, ...(tx ? { tx } : {}) })
  }
}

/** The months of the current period that have begun and are not over. */
function* presentMonths(
  { currentPeriodStart, currentPeriodEnd, ...ids }: PlannedSubscription,
  now: Date,
): Generator<{ key: string; end: Date }> {
  const name = nameInKey(ids)
  for (let month = 0; ; month += 1) {
    const start = monthsAfter(currentPeriodStart, month)
    if (start > now || start >= currentPeriodEnd) return
    const next = monthsAfter(currentPeriodStart, month + 1)
    const end = new Date(Math.min(next.getTime(), currentPeriodEnd.getTime()))
    if (end > now) yield { key: monthKey(name, start), end }
  }
}

/** Selects orders that were refunded or disputed. */
const MONEY_BACK: Prisma.OrderWhereInput[] = [
  { amountRefunded: { gt: 0 } },
  { disputeId: { not: null } },
]

/** Adjusts the granted months of a year to refunds and disputes of its payment. */
async function followYear(ctx: BillingContext, subscription: PlannedSubscription): Promise<void> {
  const { customer, currentPeriodStart } = subscription
  const since = new Date(currentPeriodStart.getTime() - SLACK_MS)
  if ((await movedOf(ctx.db, subscription, since)).length === 0) return
  await atomically(ctx.db, async (tx) => {
    // Locks the customer as a sync and a settlement do, so that their changes come before or after
    // this one.
    await tx.$queryRaw`SELECT "id" FROM "Customer" WHERE "id" = ${customer.id} FOR NO KEY UPDATE`
    for (const { paidAt, paid, ...money } of await movedOf(tx, subscription, since)) {
      const year = { subscription: nameInKey(subscription), paidAt }
      const { ownerId } = customer
      await followMoney(ctx, tx, { ...money, ownerId, key: paidKey(paid), year })
    }
  })
}

/** Payments of a subscription since `since` that were refunded or disputed. */
async function movedOf(
  db: Db,
  { provider, id, stripeSubscriptionId, providerSubscriptionId }: PlannedSubscription,
  since: Date,
) {
  if (stripeSubscriptionId === null) {
    const orders = await db.order.findMany({
      where: { provider, subscriptionId: providerSubscriptionId, paidAt: { gte: since }, ...MOVED },
    })
    return orders.map(inNumbers).flatMap((order) => {
      const paid = { stripeInvoiceId: null, orderId: order.id }
      return order.paidAt ? [{ ...order, paidAt: order.paidAt, paid }] : []
    })
  }
  // An invoice's row has the sums of all its payments and credit notes.
  const invoices = await db.invoice.findMany({
    where: {
      subscriptionId: id,
      createdAt: { gte: since },
      status: 'paid',
      OR: [{ amountRefunded: { gt: 0 } }, { disputeStatus: { not: null } }],
    },
  })
  return invoices.map(inNumbers).map(({ stripeInvoiceId, createdAt, ...money }) => {
    const disputeId = money.disputeStatus === null ? null : stripeInvoiceId
    return { ...money, disputeId, paid: { stripeInvoiceId, orderId: null }, paidAt: createdAt }
  })
}

const MOVED = {
  OR: [{ amountRefunded: { gt: 0 } }, { disputeId: { not: null } }],
} satisfies Prisma.OrderWhereInput

async function grantMonth(
  ctx: BillingContext,
  { customer: { ownerId } }: PlannedSubscription,
  credits: PlanCredits,
  { key, end, tx }: { key: string; end: Date; tx?: Db },
): Promise<void> {
  if (end <= ctx.clock.now()) return
  const db = tx ?? ctx.db
  // A month that was granted stays granted. Changed terms of the plan must not cause a conflict.
  const where = { ownerId_idempotencyKey: { ownerId, idempotencyKey: key } }
  if (await db.creditTransaction.findUnique({ where, select: { id: true } })) return
  const { amount, rollover, priority = 40 } = credits
  const creditType = creditTypeOf(credits.creditType)
  const change = {
    ownerId,
    type: 'grant' as const,
    amount,
    description: 'plan credits',
    expiresAt: rollover === 'unlimited' ? null : new Date(end.getTime() + GRACE_MS),
    priority: priorityOf(priority),
    ...(rollover === 'unlimited'
      ? {}
      : { series: 'plan', rollover: rollover === 'none' ? 0 : rollover.max }),
  }
  try {
    required(
      await post(ctx, change, { creditType, idempotencyKey: key, ...(tx ? { tx } : {}) }),
      change,
    )
  } catch (error) {
    // The account is full, or its time is ahead of the clock. A retry would not change that.
    if (!isTollgateError(error) || error.status >= 500) throw error
    ctx.logger.error({ ownerId, key, code: error.code }, 'could not grant plan credits')
  }
}
