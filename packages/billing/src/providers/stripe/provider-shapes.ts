/**
 * Turns Stripe's objects into those of the contract.
 *
 * @module
 */

import { BillingError } from '../../errors.ts'
import { idOf, type Raw, record, text, whole } from '../json.ts'
import type {
  ProviderCheckout,
  ProviderHint,
  ProviderPayment,
  ProviderRefund,
  ProviderSubscription,
} from '../provider.ts'
import { disputedOf } from './invoice-money.ts'
import { paidPayments } from './invoice-payments.ts'
import { dateOf, rows, type SubscriptionShape } from './shapes.ts'
import {
  invoicePaymentIntent,
  invoiceSubscription,
  type PaymentShape,
  paymentShape,
  refundShape,
} from './shapes-money.ts'

const unreadable = (what: string) =>
  new BillingError('provider_unavailable', `Stripe sent a ${what} that cannot be read.`)

/** Reads a checkout session. Its `invoice`, if any, must be expanded. */
export function checkoutOfStripe(session: unknown): ProviderCheckout {
  const raw = record(session)
  const id = text(raw?.id)
  if (!raw || !id) throw unreadable('checkout')
  const invoice = record(raw.invoice)
  const status = raw.status === 'complete' || raw.status === 'expired' ? raw.status : 'open'
  return {
    id,
    url: status === 'open' ? text(raw.url) : null,
    status,
    orderId: text(record(raw.metadata)?.orderId),
    paymentId: idOf(raw.payment_intent) ?? (invoice && invoicePaymentIntent(invoice)),
    subscriptionId: idOf(raw.subscription),
    customerId: idOf(raw.customer),
    // A trial's invoice has lines of 0, because nothing is sold yet.
    price: invoice ? linesOf(invoice) : whole(raw.amount_subtotal),
    due: whole(raw.amount_total),
  }
}

/**
 * The contract's status of a payment. A payment that waits for anything is `pending`. After a failed try it is
 * `failed`, although another payment method can pay it while its page is open.
 */
const statusOf = ({ status, failure }: PaymentShape): ProviderPayment['status'] => {
  if (status === 'succeeded' || status === 'canceled') return status
  return failure ? 'failed' : 'pending'
}

/**
 * Reads a payment intent. Its `latest_charge` must be expanded and its disputes added. If the payment is for an
 * invoice, the invoice tells the amount and whether it is paid: a balance, a coupon or another payment may have
 * covered a part of it, or it may have been paid out of band.
 */
export function paymentOfStripe(intent: unknown, invoice: unknown): ProviderPayment {
  const payment = paymentShape(intent)
  if (!payment) throw unreadable('payment')
  const isMade = payment.status === 'succeeded'
  const billed = billedOf(invoice)
  return {
    id: payment.stripePaymentIntentId,
    status: billed ? billed.statusFor(statusOf(payment)) : statusOf(payment),
    amount: billed?.amount ?? payment.amount,
    amountPaid: isMade ? payment.amount : 0,
    amountRefunded: payment.amountRefunded,
    currency: payment.currency,
    ...disputedOf(payment),
    disputeId: payment.dispute?.stripeDisputeId ?? null,
    orderId: payment.metadata.orderId ?? null,
    customerId: payment.stripeCustomerId,
    subscriptionId: invoiceSubscription(invoice),
    isForChange: text(record(invoice)?.billing_reason) === 'subscription_update',
    paidAt: payment.paidAt ?? billed?.paidAt ?? null,
  }
}

/** The sum of an invoice's lines, before discounts, taxes on top and the customer's balance. */
const linesOf = (invoice: Raw): number =>
  rows(invoice.lines).reduce((sum, line) => sum + (whole(line.amount) ?? 0), 0)

/** The amount and state that an invoice gives to its payments; null without an invoice. */
function billedOf(value: unknown) {
  const invoice = record(value)
  if (!invoice) return null
  const isPaid = invoice.status === 'paid'
  const lines = linesOf(invoice)
  return {
    amount: isPaid && lines > 0 ? lines : null,
    paidAt: isPaid ? dateOf(record(invoice.status_transitions)?.paid_at) : null,
    statusFor(own: ProviderPayment['status']): ProviderPayment['status'] {
      // The payment of an invoice that was paid out of band counts as succeeded.
      if (isPaid && paidPayments(invoice).length === 0) return 'succeeded'
      // One of several payments has succeeded, but the invoice is not paid in full yet.
      return own === 'succeeded' && invoice.status === 'open' ? 'pending' : own
    },
  }
}

/** Reads a refund of the payment `paymentId`. */
export function refundOfStripe(refund: unknown, paymentId: string): ProviderRefund {
  const shape = refundShape(refund)
  if (!shape) throw unreadable('refund')
  const { stripeRefundId: id, amount, currency, status } = shape
  const isOver = status === 'failed' || status === 'canceled'
  return {
    id,
    paymentId,
    status: status === 'succeeded' ? status : isOver ? 'failed' : 'pending',
    amount,
    currency,
  }
}

/** A subscription from its shape and Stripe's object, whose `latest_invoice` must be expanded. */
export function subscriptionOfStripe(
  shape: SubscriptionShape,
  sku: string | null,
  value: unknown,
): ProviderSubscription {
  const raw = record(value)
  const invoice = record(raw?.latest_invoice)
  return {
    id: shape.stripeSubscriptionId,
    status: shape.status,
    customerId: idOf(raw?.customer),
    orderId: text(record(raw?.metadata)?.orderId),
    sku,
    quantity: shape.quantity,
    currentPeriodStart: shape.currentPeriodStart,
    currentPeriodEnd: shape.currentPeriodEnd,
    // The portal sets either field, depending on the account's billing mode.
    cancelAtPeriodEnd: shape.cancelAtPeriodEnd || shape.cancelAt !== null,
    canceledAt: shape.canceledAt,
    endedAt: shape.endedAt,
    trialEnd: shape.trialEnd,
    latestPaymentId: invoice && invoicePaymentIntent(invoice),
    otherPaymentIds: invoice
      ? paidPayments(invoice)
          .slice(1)
          .map((each) => each.stripePaymentIntentId)
      : [],
  }
}

/** The ids that an event's object names. @throws `invalid_payload` unless the body is an event. */
export function hintOfStripe(value: unknown): ProviderHint {
  const event = record(value)
  const object = record(record(event?.data)?.object)
  const eventId = text(event?.id)
  const type = text(event?.type)
  if (event?.object !== 'event' || !object || !eventId || !type) {
    throw new BillingError('invalid_payload', 'The body is signed but is not an event.')
  }
  return {
    eventId,
    type,
    occurredAt: dateOf(event.created),
    livemode: typeof event.livemode === 'boolean' ? event.livemode : null,
    checkoutId: own(object, 'checkout.session'),
    paymentId:
      own(object, 'payment_intent') ??
      (object.object === 'invoice' ? invoicePaymentIntent(object) : idOf(object.payment_intent)),
    subscriptionId:
      own(object, 'subscription') ??
      (object.object === 'invoice' ? invoiceSubscription(object) : idOf(object.subscription)),
    refundId: own(object, 'refund'),
    disputeId: own(object, 'dispute'),
    customerId: own(object, 'customer') ?? idOf(object.customer),
  }
}

const own = (object: Raw, kind: string): string | null =>
  object.object === kind ? text(object.id) : null
