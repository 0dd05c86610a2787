/**
 * How a subscription at Stripe is ended with its period, and how that is taken back. A schedule refuses a
 * direct change of the end, so there the schedule is told, in the one request that counts: what was scheduled
 * never falls away without the end being set.
 *
 * @module
 */

import type Stripe from 'stripe'
import { BillingError } from '../../errors.ts'
import { ask, hasNewShape, needsHolder } from './client.ts'
import { endWithSchedule, releaseSchedule, scheduleIdOf } from './schedules.ts'
import { idOf, type Raw, record } from './shapes.ts'
import { invoicePaymentIntent } from './shapes-money.ts'

interface Client {
  stripe: Stripe
}
type Details = Pick<Stripe.SubscriptionUpdateParams, 'cancellation_details'>

/** Ends a subscription with its period. Repeated, it does what is left to do. */
export async function endAtPeriodEnd(
  ctx: Client,
  id: string,
  details: Details = {},
  options: { idempotencyKey?: string } = {},
): Promise<void> {
  const { subscriptions } = ctx.stripe
  const live = await ask('subscription', subscriptions.retrieve(id))
  const scheduleId = scheduleIdOf(live)
  if (!scheduleId) {
    const change = { cancel_at_period_end: true, ...details }
    await ask('subscription', subscriptions.update(id, change, options))
    return
  }
  await endWithSchedule(ctx, live, scheduleId)
  if (Object.keys(details).length > 0) await ask('subscription', subscriptions.update(id, details))
}

/** Takes back what is scheduled, an end or a change, or begins anew what is paused. */
export async function resume(
  ctx: Client,
  id: string,
  options: { idempotencyKey?: string } = {},
): Promise<void> {
  const { subscriptions } = ctx.stripe
  let live = await ask('subscription', subscriptions.retrieve(id))
  const scheduleId = scheduleIdOf(live)
  if (scheduleId) {
    // An end that the schedule has set falls away with it.
    await releaseSchedule(ctx, scheduleId)
    live = await ask('subscription', subscriptions.retrieve(id))
  }
  const isEnding = live.cancel_at_period_end || live.cancel_at !== null
  if (isEnding) {
    // Stripe takes only one of the two in a request: take back the one that was set.
    const change = live.cancel_at_period_end
      ? { cancel_at_period_end: false }
      : { cancel_at: '' as const }
    await ask('subscription', subscriptions.update(id, change, options))
  }
  if (live.status === 'paused') await unpause(ctx, live)
  else if (live.pause_collection && !isEnding && !scheduleId) {
    await ask('subscription', subscriptions.update(id, { pause_collection: '' }))
  }
}

/**
 * Begins a paused subscription anew. It is charged for that; unpaid, it stays paused.
 *
 * @see https://docs.stripe.com/billing/subscriptions/pause
 */
async function unpause(ctx: Client, live: Stripe.Subscription): Promise<void> {
  const { stripe } = ctx
  const customer = await ask('customer', stripe.customers.retrieve(idOf(live.customer) as string))
  const settings = record(record(customer)?.invoice_settings)
  const source = live.default_source ?? record(customer)?.default_source
  if (!(live.default_payment_method ?? settings?.default_payment_method ?? source)) {
    throw new BillingError(
      'payment_method_required',
      'The subscription is paused because its trial ended without a payment method: add one, then resume.',
    )
  }
  // An earlier try has left its invoice, and one is enough.
  const open = await latestInvoice(ctx, live.id)
  try {
    if (open?.status === 'open') await ask('invoice', stripe.invoices.pay(String(open.id)))
    else await ask('subscription', stripe.subscriptions.resume(live.id))
  } catch (error) {
    throw needsHolder(error) ? confirmationRequired(error) : error
  }
  const { status } = await ask('subscription', stripe.subscriptions.retrieve(live.id))
  if (status === 'paused') throw await whyPaused(ctx, live.id)
}

async function latestInvoice({ stripe }: Client, id: string): Promise<Raw | null> {
  const expand = [hasNewShape(stripe) ? 'latest_invoice.payments' : 'latest_invoice']
  const { latest_invoice } = await ask(
    'subscription',
    stripe.subscriptions.retrieve(id, { expand }),
  )
  return record(latest_invoice)
}

/** What became of the payment. */
async function whyPaused(ctx: Client, id: string): Promise<BillingError> {
  const invoice = await latestInvoice(ctx, id)
  const payment = invoice && invoicePaymentIntent(invoice)
  if (payment) {
    const { status } = await ask('payment_intent', ctx.stripe.paymentIntents.retrieve(payment))
    if (status === 'requires_action') return confirmationRequired()
    if (status === 'processing') {
      const message = 'The payment is under way: the subscription begins once it is confirmed.'
      return new BillingError('subscription_not_active', message)
    }
  }
  return new BillingError('card_declined', 'The card was declined: the subscription stays paused.')
}

const confirmationRequired = (cause?: unknown): BillingError =>
  new BillingError(
    'authentication_required',
    "The card's bank asks its holder to confirm the payment on the page of the open invoice.",
    { cause },
  )
