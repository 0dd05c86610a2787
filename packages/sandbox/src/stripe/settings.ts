/**
 * How the account behind the stand-in behaves where Stripe's accounts differ, or where Stripe takes
 * its time. Each default is what a small account in test mode sees on most days.
 *
 * @module
 */

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
}

/** The settings of a new stand-in. */
export const defaultSettings: StripeSettings = {
  firstDebit: 'active',
  refunds: 'by_method',
}
