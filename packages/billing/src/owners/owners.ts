/**
 * Forgets an owner: names and addresses are erased, and what bookkeeping needs stays. Rows that the sync and webhooks
 * write later hold no names either.
 *
 * @module
 */

import { NAMELESS } from '../bookings/bookings.ts' // #calcom
import { mentionsOf } from '../bookings/mentions.ts' // #calcom
import { isEndedStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { isLinked, type LinkedCustomer } from '../customers/customers.ts'
import { isBillingError } from '../errors.ts'
import { cancelOrder } from '../orders/cancel.ts'
import { cancelElsewhere } from '../orders/subscriptions.ts'
import { ask, isMissing } from '../providers/stripe/client.ts'
import { syncLinked } from '../sync/sync.ts'

/** The options of `forgetOwner`. */
export interface ForgetOptions {
  /** Also delete the customer at Stripe, which keeps what the law requires. Default false. */
  deleteAtProvider?: boolean
}

/**
 * Forgets an owner; the host calls this when it deletes a user or organization.
 * The contract is in `functions/customers.ts`.
 */
export async function forgetOwner(
  ctx: BillingContext,
  ownerId: string,
  options: ForgetOptions = {},
): Promise<void> {
  const customer = await ctx.db.customer.findUnique({ where: { ownerId } })
  if (!customer) return
  if (isLinked(customer)) await leaveProvider(ctx, customer, options.deleteAtProvider ?? false)
  const { id: customerId, stripeCustomerId, formerStripeIds } = customer
  const customerOf = { customerId }
  const open = await ctx.db.order.findMany({ where: { ...customerOf, status: 'pending' } })
  for (const { id } of open) await cancelOrder(ctx, id, { givesUp: true })
  const elsewhere = await ctx.db.subscription.findMany({
    where: { ...customerOf, provider: { not: 'stripe' }, endedAt: null },
  })
  for (const each of elsewhere) {
    if (isEndedStatus(each.status)) continue
    await cancelElsewhere(ctx, each, 'now').catch((error: unknown) => {
      // The subscriptions of a local provider are gone once its process has ended.
      if (!isBillingError(error, 'not_known_here')) throw error
    })
  }
  const orders = await ctx.db.order.findMany({
    where: { ...customerOf, providerCustomerId: { not: null } },
    distinct: ['providerCustomerId'],
  })
  const subjects = [
    ...formerStripeIds,
    ...(stripeCustomerId ? [stripeCustomerId] : []),
    ...orders.flatMap(({ providerCustomerId }) => providerCustomerId ?? []),
  ]
  const mentions = await mentionsOf(ctx, customerId) // #calcom
  await ctx.db.$transaction([
    // The customer is locked before its rows, as in a sync. Another order would allow a deadlock.
    ctx.db.$queryRaw`SELECT "id" FROM "Customer" WHERE "id" = ${customerId} FOR UPDATE`,
    ctx.db.booking.updateMany({ where: customerOf, data: NAMELESS }), // #calcom
    ctx.db.payment.updateMany({ where: customerOf, data: { metadata: {} } }),
    ctx.db.invoice.updateMany({
      where: customerOf,
      data: { hostedInvoiceUrl: null, invoicePdf: null },
    }),
    ctx.db.subscription.updateMany({
      where: customerOf,
      data: { cancellationComment: null, pendingUrl: null },
    }),
    ctx.db.effect.updateMany({ where: customerOf, data: { payload: {} } }),
    ctx.db.order.updateMany({ where: customerOf, data: { successUrl: null, cancelUrl: null } }),
    ctx.db.checkoutSession.updateMany({ where: customerOf, data: { status: 'closed' } }),
    ctx.db.webhookEvent.updateMany({
      where: {
        subject: { in: subjects },
        // Pending events are emptied once they are processed.
        status: { not: 'pending' },
        payload: { not: null },
      },
      data: { payload: null },
    }),
    // #region calcom
    // Cal.com's events name a booking and no customer. There are few, so their bodies are searched.
    ctx.db.$executeRaw`
      UPDATE "WebhookEvent" SET "payload" = NULL
      WHERE "provider" = 'calcom' AND "status" <> 'pending' AND "payload" LIKE ANY(${mentions})`,
    // #endregion
    ctx.db.customer.update({
      where: { id: customerId },
      data: { ownerId: `deleted:${customerId}`, billingEmail: null, forgottenAt: new Date() },
    }),
  ])
  ctx.logger.info({ customerId }, 'owner forgotten')
}

async function leaveProvider(
  ctx: BillingContext,
  customer: LinkedCustomer,
  deletes: boolean,
): Promise<void> {
  const { stripe } = ctx
  const { stripeCustomerId } = customer
  const gone = (error: unknown) => {
    if (!isMissing(error)) throw error
    return null
  }
  if (deletes) {
    // Stripe cancels the subscriptions of a customer that it deletes.
    await ask('customer', stripe.customers.del(stripeCustomerId)).catch(gone)
  } else {
    const request = stripe.subscriptions.list({ customer: stripeCustomerId, limit: 100 })
    await ask('list', request).catch(gone)
    for await (const { id, status } of request) {
      if (isEndedStatus(status)) continue
      await ask('subscription', stripe.subscriptions.cancel(id)).catch(gone)
    }
  }
  await syncLinked(ctx, customer, { depth: 'full', mayBeDeleted: true })
}
