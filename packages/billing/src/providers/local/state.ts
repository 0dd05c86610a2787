/**
 * The objects of a local provider, which live in memory and end with the process.
 *
 * @module
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { type Clock, systemClock } from '@repo/core'
import { requireAmount } from '../../amounts.ts'
import type { SoldProduct } from '../../catalog/products.ts'
import { BillingError } from '../../errors.ts'
import {
  emptyHint,
  type ProviderCheckout,
  type ProviderHint,
  type ProviderPayment,
  type ProviderRefund,
  type ProviderSubscription,
} from '../provider.ts'
import { signedRequest } from './webhook.ts'

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

/** A checkout and its product. */
export interface Sold {
  checkout: ProviderCheckout
  product: SoldProduct
}

/** A subscription as the provider keeps it. */
export interface Running extends ProviderSubscription {
  product: SoldProduct
  /** When the subscription began. Periods end on this day of the month, or on the last day of a shorter month. */
  anchor: Date
}

/** The objects, and what happens to them. */
export type LocalState = ReturnType<typeof createLocalState>

/** A state without any objects. */
export function createLocalState(options: LocalOptions) {
  const clock = options.clock ?? systemClock
  const secret = options.webhookSecret ?? randomBytes(24).toString('base64url')
  const checkouts = new Map<string, Sold>()
  const payments = new Map<string, ProviderPayment>()
  const subscriptions = new Map<string, Running>()
  const events: ProviderHint[] = []

  /** Records an event and delivers it. */
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

  return {
    ...{ clock, secret, checkouts, payments, subscriptions, events },
    ...{ happened, pay, refundPayment, end },
  }
}

/** A new id of an object. */
export const id = (prefix: string): string => `${prefix}_local_${randomUUID().replaceAll('-', '')}`

/** The subscription as the contract shows it. */
export const shown = ({ product: _, anchor: __, ...subscription }: Running): ProviderSubscription =>
  structuredClone(subscription)

/** The object of this id. @throws `code`; `not_known_here` for an id of another process. */
export function found<T>(map: Map<string, T>, key: string, code: Missing): T {
  const value = map.get(key)
  if (value !== undefined) return value
  // This provider forgets nothing, so an id of its own form that it does not have comes from another process.
  if (OWN_ID.test(key)) throw new BillingError('not_known_here', ELSEWHERE)
  throw new BillingError(code, 'The local provider has no object with this id.')
}

/** The form of the ids of checkouts, payments and subscriptions, in every process. */
const OWN_ID = /^(chk|pay|sub)_local_[0-9a-f]{32}$/
const ELSEWHERE =
  'The object belongs to the local provider of another process, which may have ended.'

type Missing = 'checkout_not_found' | 'payment_not_found' | 'subscription_not_found'
