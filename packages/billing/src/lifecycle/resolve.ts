/**
 * What is flagged and waits for a person: a second subscription, a trial that was had before. Only
 * a command ends one and gives money back: a database copied to another environment must never move
 * money by itself.
 *
 * @module
 */

import { isCurrentStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { isLinked } from '../customers/customers.ts'
import { BillingError } from '../errors.ts'
import { ask } from '../providers/stripe/client.ts'
import { inNumbers } from '../rows.ts'
import { CURRENT } from '../subscriptions/subscriptions.ts'
import { syncLinked } from '../sync/sync.ts'

export interface FlaggedSubscription {
  ownerId: string
  /** Stripe's id, or that of the provider that bills it. */
  stripeSubscriptionId: string
  status: string
  /** `second_current_subscription`, `trial_already_used`, `unknown_price`. */
  needsAttention: string
}

/** Subscriptions that run and are flagged, of one owner or of all, the oldest first. */
export async function listFlagged(
  ctx: BillingContext,
  ownerId?: string,
): Promise<FlaggedSubscription[]> {
  const rows = await ctx.db.subscription.findMany({
    where: {
      needsAttention: { not: null },
      status: { in: [...CURRENT] },
      ...(ownerId ? { customer: { ownerId } } : {}),
    },
    include: { customer: true },
    orderBy: { createdAt: 'asc' },
  })
  return rows.map(({ customer, status, needsAttention, ...ids }) => ({
    ownerId: customer.ownerId,
    stripeSubscriptionId: ids.stripeSubscriptionId ?? ids.providerSubscriptionId ?? ids.id,
    status,
    needsAttention: needsAttention as string,
  }))
}

export interface ResolveOptions {
  /** The subscription that stays. Default: the one that counts now. */
  keep?: string
  /** True: do it. Default: only say what would be done. */
  confirmed?: boolean
}

export interface Resolution {
  stripeSubscriptionId: string
  /** What is given back, minor units, with its currency; null where nothing was paid. */
  refund: { amount: number; currency: string } | null
}

/**
 * Gives back what the newest paid invoice of every other running subscription of the owner took, and ends it at
 * once. A payment that was given back already is not given back again. Refused or cut off, the command is
 * repeated and does what is left to do.
 *
 * @throws `customer_not_found`; `subscription_not_found` where `keep` is none of the owner's running
 * ones; `provider_unavailable`, `provider_rejected`.
 */
export async function resolveSubscriptions(
  ctx: BillingContext,
  ownerId: string,
  options: ResolveOptions = {},
): Promise<Resolution[]> {
  const customer = await ctx.db.customer.findUnique({ where: { ownerId } })
  if (!isLinked(customer)) {
    throw new BillingError('customer_not_found', `${ownerId} has no customer at the provider.`)
  }
  await syncLinked(ctx, customer, { depth: 'full' })
  const rows = await ctx.db.subscription.findMany({ where: { customerId: customer.id } })
  // Another provider's stays, or is cancelled through its order.
  const running = rows.flatMap((row) => {
    const { stripeSubscriptionId, status } = row
    return stripeSubscriptionId && isCurrentStatus(status) ? [{ ...row, stripeSubscriptionId }] : []
  })
  const kept = running.find((row) =>
    options.keep ? row.stripeSubscriptionId === options.keep : row.needsAttention === null,
  )
  if (!kept) {
    const message = `${ownerId} has no running subscription${options.keep ? ` ${options.keep}` : ''} to keep.`
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

interface PaidInvoice {
  /** Several where more than one payment paid it. */
  stripePaymentIntentIds: string[]
  refund: { amount: number; currency: string }
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
  // Paid past Stripe: there is nothing that Stripe could give back.
  if (!invoice?.stripePaymentIntentId) return null
  const { stripeInvoiceId, stripePaymentIntentId, currency } = invoice
  const rows = await ctx.db.order.findMany({
    where: { provider: 'stripe', invoiceId: stripeInvoiceId },
    orderBy: { paidAt: 'asc' },
  })
  const orders = rows.map(inNumbers)
  const amount =
    orders.length === 0
      ? invoice.amountPaid - invoice.amountRefunded
      : orders.reduce((sum, each) => sum + each.amountPaid - each.amountRefunded, 0)
  if (amount <= 0) return null
  const ids = orders.flatMap((each) =>
    each.paymentId !== null && each.amountRefunded < each.amountPaid ? each.paymentId : [],
  )
  const stripePaymentIntentIds = orders.length === 0 ? [stripePaymentIntentId] : ids
  return { stripePaymentIntentIds, refund: { amount, currency } }
}

/**
 * The refund comes first: refused or cut off, the subscription still runs and is still flagged, so the repeated
 * command finds it and gives back what is left of the payment. All that is left is asked for, and the provider
 * gives no payment back twice, so a try needs no key: under one, a refusal would be repeated for a day.
 */
async function end(
  ctx: BillingContext,
  stripeSubscriptionId: string,
  invoice: PaidInvoice | null,
): Promise<void> {
  if (invoice) await giveBack(ctx, invoice)
  await ask('subscription', ctx.stripe.subscriptions.cancel(stripeSubscriptionId))
}

async function giveBack(
  { stripe }: Pick<BillingContext, 'stripe'>,
  { stripePaymentIntentIds }: PaidInvoice,
): Promise<void> {
  for (const payment_intent of stripePaymentIntentIds) {
    try {
      await ask('refund', stripe.refunds.create({ payment_intent, reason: 'duplicate' }))
    } catch (error) {
      // Somebody gave it back since it was looked at.
      const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
      if (code !== 'charge_already_refunded') throw error
    }
  }
}
