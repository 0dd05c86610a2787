/**
 * The account's behaviour where Stripe's accounts differ, or where Stripe takes time. Each default is the
 * usual behaviour for a small account in test mode.
 *
 * @module
 */

import type { RateLimits } from './rate-limits.ts'

/** A registration for taxes. */
export interface TaxRegistration {
  /** The country's code, such as `DE`. */
  country: string
  /** The percentage that automatic tax adds, such as 19. */
  percentage: number
}

/** The settings that `configure` can change at any time. */
export interface StripeSettings {
  /** The name of the account, which invoices show as the seller. Default `Sandbox`. */
  accountName: string
  /**
   * The status of a subscription while its first payment, a bank debit, is being processed. Stripe's
   * documents allow both. Default `active`.
   *
   * @see https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
   */
  firstDebit: 'active' | 'incomplete'
  /**
   * The first status of refunds. `by_method` (default): `succeeded` for a card, `pending` for a debit.
   * `refused` means that the Stripe balance is too low: 400 `balance_insufficient`.
   *
   * @see https://docs.stripe.com/refunds#failed-refunds
   */
  refunds: 'by_method' | 'pending' | 'refused' | 'requires_action'
  /**
   * The delay of search: seconds of domain time after which a change is found, up to an hour at Stripe; or
   * `unavailable`, as for accounts in India. Default 0.
   *
   * @see https://docs.stripe.com/search#data-freshness
   */
  search: 'unavailable' | number
  /** Whether search in metadata is case-sensitive. Default true; Stripe documents neither. */
  searchMatchesCase: boolean
  /**
   * `draft`: a renewal's invoice stays a draft for about an hour, as at Stripe, until `finalizeInvoice` or
   * `finalizeDue` ends that hour. `at_once` (default): `renew` also ends the hour.
   *
   * @see https://docs.stripe.com/billing/invoices/subscription#invoice-lifecycle
   */
  renewals: 'at_once' | 'draft'
  /**
   * The country where the account is registered for taxes, and the percentage that automatic tax uses.
   * Default null: the account is registered nowhere and collects none.
   */
  taxRegistration: TaxRegistration | null
  /** The limits of requests per second; a request above them gets a 429. Default null: no limits. */
  rateLimits: RateLimits | null
  /**
   * Whether a charge's `dispute` can still be expanded. Stripe has removed it from its documents and types
   * and lists disputes instead; no response shows it without expansion. Default `expandable`.
   */
  chargeDispute: 'expandable' | 'gone'
}

/** The settings of a new stand-in. */
export const defaultSettings: StripeSettings = {
  accountName: 'Sandbox',
  firstDebit: 'active',
  refunds: 'by_method',
  search: 0,
  searchMatchesCase: true,
  renewals: 'at_once',
  taxRegistration: null,
  rateLimits: null,
  chargeDispute: 'expandable',
}
