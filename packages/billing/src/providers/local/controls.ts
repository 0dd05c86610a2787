/**
 * The controls of the local provider, which play the buyer, the bank and the passing of time.
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

/** The actions of a person, a page or a test at the local provider. Each sends a webhook. */
export interface LocalControls {
  /** Pays a checkout and returns it, complete. A plan's subscription starts its first period. */
  completeCheckout(checkoutId: string): Promise<ProviderCheckout>
  /** Declines the card of a checkout: the payment fails and the checkout stays open. */
  failCheckout(checkoutId: string): Promise<ProviderCheckout>
  /** Refunds a payment as from the provider's dashboard, without billing. Default: all that is left. */
  refundPayment(paymentId: string, amount?: number): Promise<ProviderRefund>
  /** Opens a dispute, or closes it as won or lost. */
  dispute(paymentId: string, status?: 'needs_response' | 'won' | 'lost'): Promise<ProviderPayment>
  /** Ends the present period. The subscription renews with a payment, or ends where it was cancelled. */
  endPeriod(subscriptionId: string): Promise<ProviderSubscription>
  /** Declines the card of a renewal, so that the subscription is past due. `endPeriod` is the retry that succeeds. */
  failPeriod(subscriptionId: string): Promise<ProviderSubscription>
  /** While true, every request is answered `provider_unavailable`. */
  isDown: boolean
  /** The signed webhook of an event, to deliver by hand. Undefined: there is no such event. */
  webhook(eventId: string): Request | undefined
  /** All events, the oldest first. */
  readonly events: readonly ProviderHint[]
  /** All checkouts with their products, as a page shows them. */
  readonly checkouts: readonly { checkout: ProviderCheckout; product: SoldProduct }[]
}

/** The local provider with its controls. */
export interface LocalProvider extends PaymentProvider {
  /** Plays the buyer, the bank and the network at this provider. */
  readonly controls: LocalControls
}

/** Whether a provider is the local one. Its checkouts are completed on the host's own page. */
export const isLocalProvider = (provider: PaymentProvider): provider is LocalProvider =>
  provider.name === 'local'
