/**
 * Cancels a subscription at the end of its period, and takes the cancellation back. Stripe refuses to change the end of
 * a subscription under a schedule, so the end is then set through the schedule. One request does both, so a
 * scheduled change is never dropped without setting the end.
 *
 * @module
 */

import type Stripe from 'stripe'
import { BillingError } from '../../errors.ts'
import { idOf, type Raw, record } from '../json.ts'
import { ask, hasNewShape, needsHolder } from './client.ts'
import { endWithSchedule, releaseSchedule, scheduleIdOf } from './schedules.ts'
import { invoicePaymentIntent } from './shapes-money.ts'

interface Client {
  stripe: Stripe
}
type Details = Pick<Stripe.SubscriptionUpdateParams, 'cancellation_details'>

/** Cancels a subscription at the end of its period. A repeated call does what the first left undone. */
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

/** Takes back a scheduled end or change, or resumes a paused subscription. */
export async function resume(
  ctx: Client,
  id: string,
  options: { idempotencyKey?: string } = {},
): Promise<void> {
  const { subscriptions } = ctx.stripe
  let live = await ask('subscription', subscriptions.retrieve(id))
  const scheduleId = scheduleIdOf(live)
  if (scheduleId) {
    // Releasing the schedule also drops an end that it has set.
    await releaseSchedule(ctx, scheduleId)
    live = await ask('subscription', subscriptions.retrieve(id))
  }
  const isEnding = live.cancel_at_period_end || live.cancel_at !== null
  if (isEnding) {
    // Stripe accepts only one of the two fields in a request, so the field that was set is cleared.
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
 * Resumes a paused subscription. Stripe charges for it, and the subscription stays paused until that is paid.
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
      'The subscription is paused because its trial ended without a payment method. ' +
        'Add one, then resume.',
    )
  }
  // An earlier try may have left an open invoice, which is paid before another is made.
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

/** The error that tells why the subscription is still paused, from the state of its payment. */
async function whyPaused(ctx: Client, id: string): Promise<BillingError> {
  const invoice = await latestInvoice(ctx, id)
  const payment = invoice && invoicePaymentIntent(invoice)
  if (payment) {
    const { status } = await ask('payment_intent', ctx.stripe.paymentIntents.retrieve(payment))
    if (status === 'requires_action') return confirmationRequired()
    if (status === 'processing') {
      const message = 'The payment is processing. The subscription resumes once it succeeds.'
      return new BillingError('subscription_not_active', message, { data: { status: 'paused' } })
    }
  }
  return new BillingError(
    'card_declined',
    'The card was declined, so the subscription stays paused.',
  )
}

const confirmationRequired = (cause?: unknown): BillingError =>
  new BillingError(
    'authentication_required',
    "The card's bank asks for a confirmation. Confirm the payment on the page of the open invoice.",
    { cause },
  )
