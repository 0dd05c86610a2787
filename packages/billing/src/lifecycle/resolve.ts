/**
 * Flagged subscriptions that wait for a person, such as a second subscription or a second trial. Only a command cancels
 * and refunds them, because a database that was copied to another environment must never move money by itself.
 *
 * @module
 */

import { Prisma } from '@repo/db'
import { isCurrentStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { isLinked } from '../customers/customers.ts'
import { underKey } from '../customers/request-keys.ts'
import { BillingError } from '../errors.ts'
import { endOf, PAGE, type PageOptions } from '../page.ts'
import { ask } from '../providers/stripe/client.ts'
import { leftOfInvoice } from '../providers/stripe/invoice-money.ts'
import { refundNameOf } from '../providers/stripe/refund-shares.ts'
import { inNumbers } from '../rows.ts'
import { syncLinked } from '../sync/sync.ts'

/** A current subscription that is flagged. */
export interface FlaggedSubscription {
  /** The id of the row, for the next page of the list. */
  id: string
  ownerId: string
  /** The subscription's id at Stripe, or at the provider that bills it. */
  stripeSubscriptionId: string
  status: string
  /** The reason, such as `second_current_subscription`, `trial_already_used` or `unknown_price`. */
  needsAttention: string
}

/** Which subscriptions `listFlagged` returns. */
export interface ListFlaggedOptions extends PageOptions {
  /** Default: subscriptions of all owners. */
  ownerId?: string
}

/**
 * The flagged current subscriptions of one owner, or of all owners, the oldest first.
 * The contract is in `functions/subscriptions.ts`.
 */
export async function listFlagged(
  ctx: BillingContext,
  filter: string | ListFlaggedOptions = {},
): Promise<FlaggedSubscription[]> {
  const { ownerId, limit = PAGE, after } = typeof filter === 'string' ? { ownerId: filter } : filter
  const ofOwner = ownerId === undefined ? {} : { customer: { ownerId } }
  const last = await endOf(after, 'one of these subscriptions', (id) =>
    ctx.db.subscription.findFirst({ where: { ...ofOwner, id } }),
  )
  const customer =
    ownerId === undefined
      ? Prisma.empty
      : Prisma.sql`AND s."customerId" = (SELECT "id" FROM "Customer" WHERE "ownerId" = ${ownerId})`
  const next = last
    ? Prisma.sql`AND (s."createdAt", s."id") > (${last.createdAt}, ${last.id})`
    : Prisma.empty
  // The words of the statuses are those of the partial index "Subscription_flagged".
  return ctx.db.$queryRaw<FlaggedSubscription[]>`
    SELECT s."id", c."ownerId", s."status", s."needsAttention",
      coalesce(s."stripeSubscriptionId", s."providerSubscriptionId", s."id") AS "stripeSubscriptionId"
    FROM "Subscription" s JOIN "Customer" c ON c."id" = s."customerId"
    WHERE s."needsAttention" IS NOT NULL
      AND s."status" IN ('trialing', 'active', 'past_due', 'unpaid', 'paused') ${customer} ${next}
    ORDER BY s."createdAt", s."id" LIMIT ${limit}`
}

/** The options of `resolveSubscriptions`. */
export interface ResolveOptions {
  /** Stripe's id of the subscription to keep. Default: the subscription that is not flagged. */
  keep?: string
  /** True: refund and cancel. Default false: only return what would be done. */
  confirmed?: boolean
}

/** An amount that goes back to a customer. */
export interface RefundedAmount {
  /** Minor units. */
  amount: number
  /** Lower case. */
  currency: string
}

/** A subscription that is cancelled, and its refund. */
export interface Resolution {
  stripeSubscriptionId: string
  /** The refund; null where there is nothing to refund at Stripe. */
  refund: RefundedAmount | null
}

/**
 * Keeps one of the owner's current subscriptions at Stripe, and cancels all others at once after a refund of the
 * newest paid invoice of each.
 * The contract is in `functions/subscriptions.ts`.
 */
export async function resolveSubscriptions(
  ctx: BillingContext,
  ownerId: string,
  options: ResolveOptions = {},
): Promise<Resolution[]> {
  const customer = await ctx.db.customer.findUnique({ where: { ownerId } })
  if (!isLinked(customer)) {
    throw new BillingError('customer_not_found', `${ownerId} has no customer at Stripe.`)
  }
  await syncLinked(ctx, customer, { depth: 'full' })
  const rows = await ctx.db.subscription.findMany({ where: { customerId: customer.id } })
  // A subscription at another provider stays, or is cancelled through its order.
  const running = rows.flatMap((row) => {
    const { stripeSubscriptionId, status } = row
    return stripeSubscriptionId && isCurrentStatus(status) ? [{ ...row, stripeSubscriptionId }] : []
  })
  const kept = running.find((row) =>
    options.keep ? row.stripeSubscriptionId === options.keep : row.needsAttention === null,
  )
  if (!kept) {
    const message = options.keep
      ? `${ownerId} has no current subscription ${options.keep} to keep.`
      : `${ownerId} has no current subscription that is not flagged. Name the one to keep.`
    throw new BillingError('subscription_not_found', message)
  }
  const resolutions: Resolution[] = []
  for (const { id, stripeSubscriptionId } of running) {
    if (id === kept.id) continue
    const invoice = await newestPaid(ctx, id)
    if (options.confirmed) await end(ctx, stripeSubscriptionId, invoice)
    resolutions.push({ stripeSubscriptionId, refund: invoice?.refund ?? null })
  }
  if (options.confirmed) await syncLinked(ctx, customer, { depth: 'full' })
  return resolutions
}

/** A payment to give back, whole or the part of it that paid one invoice. */
interface PaidPart {
  stripePaymentIntentId: string
  /** Minor units. */
  amount: number
  /** Whether this is all that is left of the payment. */
  isAll: boolean
}

interface PaidInvoice {
  stripeInvoiceId: string
  /** The payments to refund; several where more than one payment paid the invoice. */
  parts: PaidPart[]
  refund: RefundedAmount
}

async function newestPaid(
  ctx: BillingContext,
  subscriptionId: string,
): Promise<PaidInvoice | null> {
  const row = await ctx.db.invoice.findFirst({
    where: { subscriptionId, status: 'paid', amountPaid: { gt: 0 } },
    orderBy: { createdAt: 'desc' },
  })
  const invoice = inNumbers(row)
  // An invoice that was paid out of band cannot be refunded by Stripe.
  if (!invoice?.stripePaymentIntentId) return null
  const { stripeInvoiceId, stripePaymentIntentId, currency } = invoice
  const parts: PaidPart[] = []
  // Credit notes may have given back amounts that no refund shows.
  let left = invoice.amountPaid - invoice.amountRefunded
  const paid = await leftOfInvoice(ctx.stripe, stripeInvoiceId)
  for (const payment of paid) {
    const amount = Math.min(payment.left, left)
    if (amount <= 0) continue
    left -= amount
    const { stripePaymentIntentId: id, leftAtAll } = payment
    parts.push({ stripePaymentIntentId: id, amount, isAll: amount === leftAtAll })
  }
  if (paid.length === 0 && left > 0) {
    parts.push({ stripePaymentIntentId, amount: left, isAll: invoice.amountRefunded === 0 })
  }
  const amount = parts.reduce((sum, part) => sum + part.amount, 0)
  return amount > 0 ? { stripeInvoiceId, parts, refund: { amount, currency } } : null
}

/**
 * Refunds the invoice and then cancels the subscription. If the refund is refused or cut off, the subscription is still
 * flagged, so a repeated command finds it.
 */
async function end(
  ctx: BillingContext,
  stripeSubscriptionId: string,
  invoice: PaidInvoice | null,
): Promise<void> {
  if (invoice) await refundParts(ctx, invoice)
  await ask('subscription', ctx.stripe.subscriptions.cancel(stripeSubscriptionId))
}

async function refundParts(
  ctx: BillingContext,
  { stripeInvoiceId, parts }: PaidInvoice,
): Promise<void> {
  for (const { stripePaymentIntentId, amount, isAll } of parts) {
    if (isAll) await refundAll(ctx, stripePaymentIntentId)
    else {
      const name = refundNameOf(stripeInvoiceId, stripePaymentIntentId)
      // A repeated command finds the refund by its name.
      const refund = { paymentId: stripePaymentIntentId, amount, name, isRetry: true }
      await underKey(ctx, name, (idempotencyKey) =>
        ctx.providerNamed('stripe').refund({ ...refund, idempotencyKey }),
      )
    }
  }
}

/**
 * Refunds all that is left of a payment. This needs no idempotency key, because Stripe refunds no payment twice; with a
 * key, Stripe would repeat a refusal for a day.
 */
async function refundAll(
  { stripe }: Pick<BillingContext, 'stripe'>,
  payment_intent: string,
): Promise<void> {
  try {
    await ask('refund', stripe.refunds.create({ payment_intent, reason: 'duplicate' }))
  } catch (error) {
    // The payment was refunded after we read it.
    const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
    if (code !== 'charge_already_refunded') throw error
  }
}
