/** Billing with a plan and an ordered plan, whose invoices are paid past us: in parts, by several payments, or together. */

import { createTestClock } from '@repo/core/testing'
import { expect, inject } from 'vitest'
import { definePlans, defineProducts } from '../index.ts'
import { ledgerViolations } from '../testing.ts'
import { createHarness } from './harness.ts'

export const HOUR = 3_600_000
const price = { amount: 3000, currency: 'usd' }
const plans = definePlans({
  FREE: { name: 'Free' },
  PRO: {
    name: 'Pro',
    prices: {
      month: { ...price, lookupKey: 'pro_monthly' },
      year: { ...price, amount: 30_000, lookupKey: 'pro_yearly' },
    },
    credits: { amount: 100, rollover: 'unlimited' },
  },
  PLAIN: { name: 'Plain', prices: { month: { ...price, lookupKey: 'plain_monthly' } } },
})
const products = defineProducts({
  PLAIN: { name: 'Plain', ...price, plan: 'PLAIN', interval: 'month', credits: 200 },
})

/** An owner with a subscription. */
export interface Subscribed {
  ownerId: string
  subscriptionId: string
}

export async function createInvoiceHarness(apiVersion: string) {
  const clock = createTestClock('2030-01-10T09:00:00Z')
  const settings = { plans, products }
  const h = await createHarness(inject('postgres'), { apiVersion, clock, settings })
  return {
    ...h,
    clock,
    /** An owner who has just bought PRO. */
    async subscribed(interval: 'month' | 'year' = 'month'): Promise<Subscribed> {
      const ownerId = await h.owner()
      const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO', interval })
      await h.pay(id)
      await h.billing.confirmCheckout(ownerId, id)
      const { stripeSubscriptionId } = await h.billing.getSubscription(ownerId)
      return { ownerId, subscriptionId: stripeSubscriptionId as string }
    },
    /** The invoice of the next period, whose card is declined. */
    async unpaid({ ownerId, subscriptionId }: Subscribed) {
      const { currentPeriodEnd } = await h.billing.getSubscription(ownerId)
      clock.set(new Date((currentPeriodEnd as Date).getTime() + HOUR))
      return (h.sandbox.stripe.failPayment(subscriptionId) as { id: string }).id
    },
    /** A payment of its own, attached to the invoices past us before it is made. */
    async payInvoices(ownerId: string, amount: number, ...invoices: string[]) {
      const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
      const { id } = await h.stripe.paymentIntents.create({
        ...{ amount, currency: 'usd', customer: stripeCustomerId as string },
        automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      })
      for (const each of invoices) {
        await h.stripe.invoices.attachPayment(each, { payment_intent: id })
      }
      await h.stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' })
      return id
    },
    /** A payment of its own, attached to an invoice past us after it was made. */
    async attachPaid(ownerId: string, invoice: string, amount: number) {
      const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
      const { id } = await h.stripe.paymentIntents.create({
        ...{ amount, currency: 'usd', customer: stripeCustomerId as string },
        payment_method: 'pm_card_visa',
        automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
        confirm: true,
      })
      await h.stripe.invoices.attachPayment(invoice, { payment_intent: id })
      return id
    },
    /** Closes, after the ledger and the daily totals were compared. */
    async closeCompared() {
      expect(await ledgerViolations(h.db)).toEqual([])
      const report = await h.billing.reconcileOrders({ since: new Date(0) })
      for (const day of report.days) expect(day.ours).toEqual(day.theirs)
      expect(report).toMatchObject({ withoutOrder: 0, differing: [], mended: [] })
      await h.close()
    },
  }
}

export type InvoiceHarness = Awaited<ReturnType<typeof createInvoiceHarness>>
