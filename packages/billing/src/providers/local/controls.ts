/**
 * The hand of the buyer, the bank and of time at the local provider.
 *
 * @module
 */

import type { SoldProduct } from '../../catalog/products.ts'
import type {
  PaymentProvider,
  ProviderCheckout,
  ProviderHint,
  ProviderPayment,
  ProviderRefund,
  ProviderSubscription,
} from '../provider.ts'

/** What a person, a page or a test does at this provider. Each tells of it by webhook. */
export interface LocalControls {
  /** Pays. Returns the checkout, complete. A plan begins its first period. */
  completeCheckout(checkoutId: string): Promise<ProviderCheckout>
  /** A card was declined: the payment failed and the checkout stays open. */
  failCheckout(checkoutId: string): Promise<ProviderCheckout>
  /** Refunds past us, as from a dashboard. Default: all that is left. */
  refundPayment(paymentId: string, amount?: number): Promise<ProviderRefund>
  /** Opens a dispute, or says how it ended. */
  dispute(paymentId: string, status?: 'needs_response' | 'won' | 'lost'): Promise<ProviderPayment>
  /** Ends the present period: it renews, with a payment, or ends where that was asked for. */
  endPeriod(subscriptionId: string): Promise<ProviderSubscription>
  /** Ends it without a payment: the card was declined. `endPeriod` is the try that succeeds. */
  failPeriod(subscriptionId: string): Promise<ProviderSubscription>
  /** While true, every question is answered `provider_unavailable`. */
  isDown: boolean
  /** The signed webhook of an event, to deliver by hand. Undefined: there is no such event. */
  webhook(eventId: string): Request | undefined
  /** All that happened, the oldest first. */
  readonly events: readonly ProviderHint[]
  /** Every checkout with what it is for, as a page shows it. */
  readonly checkouts: readonly { checkout: ProviderCheckout; product: SoldProduct }[]
}

export type LocalProvider = PaymentProvider & { readonly controls: LocalControls }

/** Whether a provider is the local one, whose checkouts the host's own page completes. */
export const isLocalProvider = (provider: PaymentProvider): provider is LocalProvider =>
  provider.name === 'local'
