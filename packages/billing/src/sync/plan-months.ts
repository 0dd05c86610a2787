/**
 * Credits of plans that Stripe bills, granted and taken in the transaction of a sync: the plan that an
 * invoice pays for, the credits of months that were paid while the subscription was flagged, and the clawback
 * after refunds and disputes.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { planOfPrice } from '../catalog/plans.ts'
import type { BillingContext } from '../context.ts'
import { paidKey } from '../credits/months.ts'
import { grantPlanCredits } from '../credits/plan-credits.ts'
import { followMoney } from '../credits/plan-money.ts'
import type { LinkedCustomer } from '../customers/customers.ts'
import type { Effect, Fact, PaidFor } from '../effects/facts.ts'
import { moneyOfInvoice } from '../providers/stripe/invoice-money.ts'
import type { InvoiceShape } from '../providers/stripe/shapes-money.ts'
import type { PriceRow } from './prices.ts'
import type { ProviderState } from './provider-state.ts'

/**
 * Returns a function that gives the plan and interval an invoice pays for, or nulls where none of its prices
 * is a plan's.
 */
export const paidForOf =
  (ctx: BillingContext, prices: ReadonlyMap<string, PriceRow>) =>
  ({ stripePriceIds }: InvoiceShape): PaidFor => {
    // The first prices may be those of add-ons.
    for (const id of stripePriceIds) {
      const price = prices.get(id)
      const sold = price && planOfPrice(ctx.plans, price)
      if (sold) return sold
    }
    return { plan: null, interval: null }
  }

/**
 * Grants the credits of months that were paid while their subscription was flagged. `unflagged` holds our ids
 * of the subscriptions that lost their flag in this sync.
 */
export async function grantUnflagged(
  ctx: BillingContext,
  tx: Db,
  facts: readonly Fact[],
  unflagged: ReadonlySet<string>,
): Promise<void> {
  if (unflagged.size === 0) return
  for (const fact of facts) {
    if (fact.name !== 'invoice.paid' || !unflagged.has(fact.payload.subscriptionId ?? '')) continue
    await grantPlanCredits(ctx, tx, fact as Pick<Effect<'invoice.paid'>, 'payload'>)
  }
}

/** Adjusts the credits of invoices to refunds and disputes of their payments; see `followMoney`. */
export async function followInvoices(
  ctx: BillingContext,
  tx: Db,
  { ownerId }: LinkedCustomer,
  { state, paidFor }: { state: ProviderState; paidFor(invoice: InvoiceShape): PaidFor },
): Promise<void> {
  const loaded = new Map(state.payments.map((each) => [each.stripePaymentIntentId, each]))
  for (const invoice of state.invoices) {
    const { payments, stripeSubscriptionId: subscription, createdAt } = invoice
    if (subscription === null || invoice.amountPaid === 0) continue
    const money = moneyOfInvoice(invoice, loaded)
    // A payment with refunds is looked at even if the refunded amount is 0: after a failed refund
    // the credits come back.
    const hasMoved = payments.some(({ stripePaymentIntentId }) => {
      const payment = loaded.get(stripePaymentIntentId)
      return payment && (payment.refunds.length > 0 || payment.dispute !== null)
    })
    if (!money || !(hasMoved || money.amountRefunded > 0)) continue
    const { interval } = paidFor(invoice)
    await followMoney(ctx, tx, {
      ownerId,
      key: paidKey({ stripeInvoiceId: invoice.stripeInvoiceId, orderId: null }),
      // The interval of an old invoice is unknown (null), and such an invoice may be a year's.
      year: interval === 'month' ? null : { subscription, paidAt: createdAt },
      amountPaid: invoice.amountPaid,
      ...money,
      disputeId: money.disputeStatus === null ? null : invoice.stripeInvoiceId,
    })
  }
}
