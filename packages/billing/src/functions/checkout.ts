/**
 * The functions with which an owner pays: checkouts, the portal and one-time payments.
 * The default instance's are exported here, and every instance has them as methods.
 *
 * @module
 */

import * as checkout from '../checkout/checkout.ts'
import * as payments from '../checkout/payments.ts'
import * as portal from '../checkout/portal.ts'
import { command, query } from './bind.ts'
import { ANY, type Check, filters, OWNER, object, optional, PAGED, text } from './checks.ts'

/** Either the whole input or the owner's id, as `CheckoutArguments` says. */
const CHECKOUT: Check = (value, isGiven) =>
  typeof value === 'string'
    ? OWNER(value, isGiven)
    : object('The input', { ownerId: OWNER })(value, isGiven)

/**
 * Opens a checkout for a plan or for one item. A checkout of the same plan that is still open is returned again, and
 * one with other terms is closed, so that two tabs cannot buy two plans.
 *
 * @throws `plan_not_found`, `price_not_found`, `already_subscribed`, `invalid_amount`,
 * `invalid_currency`, `invalid_return_url`, `owner_not_found`, `provider_unavailable`,
 * `provider_rejected`.
 *
 * @example
 * ```ts
 * import { createCheckoutSession } from '@repo/billing'
 *
 * export async function upgrade(ownerId: string): Promise<Response> {
 *   const { url } = await createCheckoutSession({ ownerId, plan: 'PRO', interval: 'year' })
 *   return Response.redirect(url, 303)
 * }
 * ```
 */
export const createCheckoutSession = command(
  'createCheckoutSession',
  checkout.createCheckoutSession,
  CHECKOUT,
  optional(text('The plan')),
  ANY,
)

/**
 * Confirms a checkout, for the page after it: asks Stripe about the session and updates our rows, so that the page is
 * right even if the webhook has not come yet. The query parameter only names the session to ask about.
 *
 * @throws `checkout_not_found`, also for another owner's session; `provider_unavailable`.
 *
 * @example
 * ```ts
 * import { confirmCheckout } from '@repo/billing'
 *
 * // The page at /billing/success?session_id=…
 * export async function success(ownerId: string, url: URL): Promise<string> {
 *   const { paid } = await confirmCheckout(ownerId, url.searchParams.get('session_id') ?? '')
 *   return paid ? 'Thank you.' : 'The payment has not arrived yet.'
 * }
 * ```
 */
export const confirmCheckout = command(
  'confirmCheckout',
  checkout.confirmCheckout,
  OWNER,
  text('The checkout session id'),
)

/**
 * Opens the portal of the provider that bills the owner's plan, else of the provider that takes new payments. There
 * the owner changes the card or plan, cancels, and finds invoices. `id` is the session's id at Stripe; null at other
 * providers.
 *
 * @throws `invalid_return_url`, `owner_not_found`, `provider_unavailable`, `provider_rejected`; `customer_not_found`
 * (404) for an owner who has bought nothing at a provider other than Stripe; `not_supported` (422) where the provider
 * has no portal.
 */
export const createBillingPortalSession = command(
  'createBillingPortalSession',
  portal.createBillingPortalSession,
  object('The input', { ownerId: OWNER }),
)

/**
 * Starts a payment on the host's own page, where Stripe Elements asks for the card.
 *
 * @throws `invalid_amount`, `invalid_currency`, `owner_required`, `owner_not_found`, `idempotency_conflict` where the
 * key names a purchase of another amount, `provider_unavailable`, `provider_rejected`.
 */
export const createPaymentIntent = command(
  'createPaymentIntent',
  payments.createPaymentIntent,
  ANY,
  ANY,
  object('The metadata', { ownerId: OWNER }),
)

/**
 * Asks Stripe for the state of a payment, confirms it if it waits for a confirmation, and stores the answer.
 *
 * @throws `payment_not_found`, also for a payment that is not ours; `invalid_return_url`; `provider_unavailable`;
 * `provider_rejected`, for instance when the card is declined.
 */
export const confirmPayment = command(
  'confirmPayment',
  payments.confirmPayment,
  text('The payment intent id'),
)

/**
 * The owner's one-time payments, the newest first. At most `limit`, by default 100. Pass the `id` of the last payment
 * as `after` for the next page.
 *
 * @throws `invalid_argument` where `after` is not a payment of the owner.
 */
export const listPayments = query('listPayments', payments.listPayments, OWNER, filters(PAGED))
