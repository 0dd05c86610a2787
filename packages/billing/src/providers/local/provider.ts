/**
 * A payment provider within the process, for tests and for development without any key. It sends no requests, and its
 * state is in memory and ends with the process. Each process has a provider of its own; for an object of another
 * process it answers `not_known_here`, never that there is no such object. `PAYMENT_PROVIDER=local` is refused in
 * production.
 *
 * @module
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { type Clock, monthsAfter, systemClock } from '@repo/core'
import { requireAmount } from '../../amounts.ts'
import type { Interval } from '../../catalog/plans.ts'
import type { SoldProduct } from '../../catalog/products.ts'
import { BillingError } from '../../errors.ts'
import { createKeys } from '../keys.ts'
import {
  type CheckoutInput,
  emptyHint,
  type PaymentProvider,
  type ProviderCheckout,
  type ProviderHint,
  type ProviderPayment,
  type ProviderRefund,
  type ProviderSubscription,
  type RefundInput,
} from '../provider.ts'
import type { LocalControls, LocalProvider } from './controls.ts'
import { guarded } from './guard.ts'
import { parseLocalWebhook, signedRequest } from './webhook.ts'

/** The options of `createLocalProvider`. */
export interface LocalOptions {
  /** The host's checkout page; `checkout_id` is added to its query. */
  checkoutUrl: string
  /** Receives webhooks as the host's route would. Default: none are sent, and `pull` finds the events. */
  deliver?: (request: Request) => unknown
  /** Default: a random secret for each provider. */
  webhookSecret?: string
  /** The clock of periods and trials. Default: the system's. */
  clock?: Clock
}

interface Sold {
  checkout: ProviderCheckout
  product: SoldProduct
}

export { isLocalProvider, type LocalControls, type LocalProvider } from './controls.ts'

/** A local provider without any checkouts, payments or subscriptions. */
export function createLocalProvider(options: LocalOptions): LocalProvider {
  const clock = options.clock ?? systemClock
  const secret = options.webhookSecret ?? randomBytes(24).toString('base64url')
  const checkouts = new Map<string, Sold>()
  const payments = new Map<string, ProviderPayment>()
  const subscriptions = new Map<string, Running>()
  const { once } = createKeys()
  const events: ProviderHint[] = []

  const id = (prefix: string) => `${prefix}_local_${randomUUID().replaceAll('-', '')}`

  async function happened(type: string, about: Partial<ProviderHint>): Promise<void> {
    const occurredAt = clock.now()
    const event = { ...emptyHint, livemode: false, ...about, eventId: id('evt'), type, occurredAt }
    events.push(event)
    try {
      await options.deliver?.(signedRequest(secret, event))
    } catch {
      // The event has happened even if it could not be delivered; `pull` finds it.
    }
  }

  function found<T>(map: Map<string, T>, key: string, code: Missing): T {
    const value = map.get(key)
    if (value !== undefined) return value
    // This provider forgets nothing, so an id of its own form that it does not have comes from another process.
    if (OWN_ID.test(key)) throw new BillingError('not_known_here', ELSEWHERE)
    throw new BillingError(code, 'The local provider has no object with this id.')
  }

  function pay(product: SoldProduct, about: Partial<ProviderPayment>): ProviderPayment {
    const payment: ProviderPayment = {
      id: id('pay'),
      status: 'succeeded',
      amount: product.amount,
      amountPaid: product.amount,
      amountRefunded: 0,
      currency: product.currency,
      disputeStatus: null,
      disputeId: null,
      orderId: null,
      customerId: null,
      subscriptionId: null,
      isForChange: false,
      sku: product.sku,
      paidAt: clock.now(),
      ...about,
    }
    payments.set(payment.id, payment)
    return payment
  }

  async function refundPayment(paymentId: string, amount?: number): Promise<ProviderRefund> {
    const payment = found(payments, paymentId, 'payment_not_found')
    const left = payment.amountPaid - payment.amountRefunded
    const back = amount === undefined ? left : requireAmount(amount)
    if (back === 0 || back > left || payment.status !== 'succeeded') {
      throw new BillingError(
        'refund_exceeds_payment',
        `At most ${left} (minor units) of the payment can still be refunded.`,
        { data: { amountAvailable: left, currency: payment.currency } },
      )
    }
    payment.amountRefunded += back
    const refund = { id: id('ref'), paymentId, amount: back, currency: payment.currency }
    const { customerId, subscriptionId } = payment
    await happened('refund.created', {
      paymentId,
      refundId: refund.id,
      customerId,
      subscriptionId,
    })
    return { ...refund, status: 'succeeded' }
  }

  async function end(subscription: ProviderSubscription): Promise<void> {
    subscription.status = 'canceled'
    subscription.canceledAt ??= clock.now()
    subscription.endedAt = clock.now()
    const { id: subscriptionId, customerId } = subscription
    await happened('subscription.canceled', { subscriptionId, customerId })
  }

  const shown = ({ product: _, anchor: __, ...subscription }: Running) =>
    structuredClone(subscription)

  const controls: LocalControls = {
    isDown: false,
    get events() {
      return [...events]
    },
    get checkouts() {
      return structuredClone([...checkouts.values()])
    },
    webhook(eventId) {
      const event = events.find((each) => each.eventId === eventId)
      return event && signedRequest(secret, event)
    },
    async completeCheckout(checkoutId) {
      const { checkout, product } = found(checkouts, checkoutId, 'checkout_not_found')
      if (checkout.status !== 'open') throw rejected(`The checkout is ${checkout.status}.`)
      const { orderId } = checkout
      const customerId = checkout.customerId ?? id('cus')
      const subscriptionId = product.plan === undefined ? null : id('sub')
      const payment = pay(product, { orderId, customerId, subscriptionId })
      if (subscriptionId !== null) {
        const start = clock.now()
        subscriptions.set(subscriptionId, {
          id: subscriptionId,
          status: 'active',
          customerId,
          orderId,
          sku: product.sku,
          quantity: 1,
          currentPeriodStart: start,
          currentPeriodEnd: after(start, start, product.interval ?? 'month'),
          anchor: start,
          cancelAtPeriodEnd: false,
          canceledAt: null,
          endedAt: null,
          trialEnd: null,
          latestPaymentId: payment.id,
          product,
        })
      }
      const paymentId = payment.id
      const done = { status: 'complete' as const, url: null, paymentId, subscriptionId, customerId }
      Object.assign(checkout, done)
      await happened('checkout.completed', { checkoutId, paymentId, subscriptionId, customerId })
      return { ...checkout }
    },
    async failCheckout(checkoutId) {
      const { checkout, product } = found(checkouts, checkoutId, 'checkout_not_found')
      if (checkout.status !== 'open') throw rejected(`The checkout is ${checkout.status}.`)
      const { orderId } = checkout
      const failed = pay(product, { orderId, status: 'failed', amountPaid: 0, paidAt: null })
      checkout.paymentId = failed.id
      await happened('payment.failed', { checkoutId, paymentId: failed.id })
      return { ...checkout }
    },
    refundPayment,
    async dispute(paymentId, status = 'needs_response') {
      const payment = found(payments, paymentId, 'payment_not_found')
      const type = payment.disputeId === null ? 'dispute.created' : 'dispute.updated'
      const disputeId = payment.disputeId ?? id('dis')
      Object.assign(payment, { disputeId, disputeStatus: status })
      await happened(type, { paymentId, disputeId, customerId: payment.customerId })
      return { ...payment }
    },
    async endPeriod(subscriptionId) {
      const subscription = found(subscriptions, subscriptionId, 'subscription_not_found')
      const { product, customerId, orderId, currentPeriodEnd } = subscription
      if (subscription.endedAt !== null || currentPeriodEnd === null) return shown(subscription)
      if (subscription.cancelAtPeriodEnd) {
        await end(subscription)
        return shown(subscription)
      }
      const payment = pay(product, { orderId, customerId, subscriptionId })
      Object.assign(subscription, {
        currentPeriodStart: currentPeriodEnd,
        currentPeriodEnd: after(currentPeriodEnd, subscription.anchor, product.interval ?? 'month'),
        status: 'active',
        latestPaymentId: payment.id,
      })
      await happened('subscription.paid', { subscriptionId, paymentId: payment.id, customerId })
      return shown(subscription)
    },
    async failPeriod(subscriptionId) {
      const subscription = found(subscriptions, subscriptionId, 'subscription_not_found')
      if (subscription.endedAt !== null || subscription.cancelAtPeriodEnd) {
        throw rejected('The subscription does not renew.')
      }
      subscription.status = 'past_due'
      const { customerId } = subscription
      await happened('subscription.past_due', { subscriptionId, customerId })
      return shown(subscription)
    },
  }

  const provider: PaymentProvider = {
    name: 'local',
    capabilities: {
      partialRefunds: true,
      expiresCheckouts: true,
      takesMoney: false,
      keys: 'provider',
      listsEvents: true,
    },
    createCheckout: (input: CheckoutInput) =>
      once(`checkout:${input.idempotencyKey}`, input, async () => {
        requireAmount(input.product.amount, input.product.currency)
        const checkoutId = id('chk')
        const url = new URL(options.checkoutUrl)
        url.searchParams.set('checkout_id', checkoutId)
        const checkout: ProviderCheckout = {
          id: checkoutId,
          url: url.href,
          status: 'open',
          orderId: input.orderId,
          paymentId: null,
          subscriptionId: null,
          customerId: input.customer.id,
        }
        checkouts.set(checkoutId, { checkout, product: input.product })
        return { ...checkout }
      }),
    retrieveCheckout: async (checkoutId) => ({
      ...found(checkouts, checkoutId, 'checkout_not_found').checkout,
    }),
    async expireCheckout(checkoutId) {
      const { checkout } = found(checkouts, checkoutId, 'checkout_not_found')
      if (checkout.status === 'open') {
        Object.assign(checkout, { status: 'expired', url: null })
        await happened('checkout.expired', { checkoutId, customerId: checkout.customerId })
      }
      return { ...checkout }
    },
    retrievePayment: async (paymentId) => ({
      ...found(payments, paymentId, 'payment_not_found'),
    }),
    refund: ({ paymentId, amount, idempotencyKey }: RefundInput) =>
      once(`refund:${idempotencyKey}`, [paymentId, amount], () => refundPayment(paymentId, amount)),
    retrieveSubscription: async (subscriptionId) =>
      shown(found(subscriptions, subscriptionId, 'subscription_not_found')),
    async cancelSubscription(subscriptionId, { at }) {
      const subscription = found(subscriptions, subscriptionId, 'subscription_not_found')
      if (subscription.endedAt !== null) return shown(subscription)
      if (at === 'now') await end(subscription)
      else if (!subscription.cancelAtPeriodEnd) {
        Object.assign(subscription, { cancelAtPeriodEnd: true, canceledAt: clock.now() })
        const { customerId } = subscription
        await happened('subscription.updated', { subscriptionId, customerId })
      }
      return shown(subscription)
    },
    async resumeSubscription(subscriptionId) {
      const subscription = found(subscriptions, subscriptionId, 'subscription_not_found')
      if (subscription.endedAt !== null)
        throw rejected('The subscription has ended and cannot be resumed.')
      if (subscription.cancelAtPeriodEnd) {
        Object.assign(subscription, { cancelAtPeriodEnd: false, canceledAt: null })
        const { customerId } = subscription
        await happened('subscription.updated', { subscriptionId, customerId })
      }
      return shown(subscription)
    },
    parseWebhook: (headers, body) => parseLocalWebhook(secret, headers, body),
    async *pull(since) {
      yield* events.filter(({ occurredAt }) => occurredAt !== null && occurredAt >= since)
    },
  }
  return { ...guarded(provider, () => controls.isDown), controls }
}

/** The form of the ids of checkouts, payments and subscriptions, in every process. */
const OWN_ID = /^(chk|pay|sub)_local_[0-9a-f]{32}$/
const ELSEWHERE =
  'The object belongs to the local provider of another process, which may have ended.'

type Missing = 'checkout_not_found' | 'payment_not_found' | 'subscription_not_found'

const rejected = (why: string) => new BillingError('provider_rejected', why)

/** A subscription as the provider keeps it. */
interface Running extends ProviderSubscription {
  product: SoldProduct
  /** When the subscription began. Periods end on this day of the month, or on the last day of a shorter month. */
  anchor: Date
}

/** `date` plus one interval, on the day of the month of `anchor`. */
const after = (date: Date, anchor: Date, interval: Interval): Date =>
  monthsAfter(date, interval === 'year' ? 12 : 1, anchor)
