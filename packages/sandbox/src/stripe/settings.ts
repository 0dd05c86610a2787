/**
 * How the account behind the stand-in behaves where Stripe's accounts differ, or where Stripe takes
 * its time. Each default is what a small account in test mode sees on most days.
 *
 * @module
 */

import type { RateLimits } from './rate-limits.ts'

/** What may be changed at any time with `configure`. */
export interface StripeSettings {
  /**
   * What a subscription is while its first payment, a bank debit, is under way. Stripe's documents
   * allow both. Default `active`.
   *
   * @see https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
   */
  firstDebit: 'active' | 'incomplete'
  /**
   * How refunds begin. By default as the payment method's do: a card's `succeeded`, a debit's
   * `pending`. `refused` stands for a Stripe balance that is too low: 400 `balance_insufficient`.
   *
   * @see https://docs.stripe.com/refunds#failed-refunds
   */
  refunds: 'by_method' | 'pending' | 'refused' | 'requires_action'
  /**
   * How far search is behind: `unavailable` as for accounts in India, or seconds of domain time after
   * which a change is found, up to an hour at Stripe. Default 0.
   *
   * @see https://docs.stripe.com/search#data-freshness
   */
  search: 'unavailable' | number
  /** Whether search tells capitals apart in metadata. Default true; no document promises either. */
  searchMatchesCase: boolean
  /**
   * Whether the invoice of a renewal stays a draft for about an hour, as at Stripe, until `finalizeInvoice` or
   * `finalizeDue` let that pass; or `renew` lets it pass, too. Default `at_once`.
   *
   * @see https://docs.stripe.com/billing/invoices/subscription#invoice-lifecycle
   */
  renewals: 'at_once' | 'draft'
  /**
   * Where the account is registered for taxes, and at which percentage: what automatic tax reckons with. Default null:
   * it is registered nowhere and collects none.
   */
  taxRegistration: { country: string; percentage: number } | null
  /** Requests a second after which 429 is answered. Default null: none are counted. */
  rateLimits: RateLimits | null
  /**
   * Whether a charge's `dispute` can still be expanded. Stripe has taken it out of its documents and
   * types, and lists disputes instead; no answer shows it unasked. Default `expandable`.
   */
  chargeDispute: 'expandable' | 'gone'
}

/** The settings of a new stand-in. */
export const defaultSettings: StripeSettings = {
  firstDebit: 'active',
  refunds: 'by_method',
  search: 0,
  searchMatchesCase: true,
  renewals: 'at_once',
  taxRegistration: null,
  rateLimits: null,
  chargeDispute: 'expandable',
}
