/**
 * The functions about subscriptions and their invoices.
 * The default instance's are exported here, and every instance has them as methods.
 *
 * @module
 */

import { ArgumentError } from '@repo/core'
import * as cancel from '../lifecycle/cancel.ts'
import * as planChange from '../lifecycle/plan-change.ts'
import * as resolve from '../lifecycle/resolve.ts'
import * as subscriptions from '../subscriptions/subscriptions.ts'
import * as invoices from '../sync/invoices.ts'
import { command, query } from './bind.ts'
import { ANY, filters, id, OWNER, object, optional, PAGED } from './checks.ts'

const FLAGGED = filters({ ownerId: OWNER, ...PAGED })

/**
 * The owner's current subscription, from our own rows. An owner unknown to billing has the free plan.
 *
 * @example
 * ```ts
 * import { getSubscription, isActive } from '@repo/billing'
 *
 * export async function mayExport(ownerId: string): Promise<boolean> {
 *   const subscription = await getSubscription(ownerId)
 *   return subscription.plan === 'PRO' && isActive(subscription)
 * }
 * ```
 */
export const getSubscription = query('getSubscription', subscriptions.getSubscription, OWNER)

/**
 * Present and past subscriptions of the owner, the newest first, including flagged ones. At most `limit`, by default
 * 100. Pass the `id` of the last subscription as `after` for the next page.
 *
 * @throws `invalid_argument` where `after` is not a subscription of the owner.
 */
export const listSubscriptions = query(
  'listSubscriptions',
  subscriptions.listSubscriptions,
  OWNER,
  filters(PAGED),
)

/**
 * The owner's invoices, the newest first; drafts, which may still change, are left out. At most `limit`, by default
 * 100. Pass the `id` of the last invoice as `after` for the next page.
 *
 * @throws `invalid_argument` where `after` is not an invoice of the owner.
 *
 * @example
 * ```ts
 * import { listInvoices } from '@repo/billing'
 *
 * export async function invoicesAfter(ownerId: string, last?: string) {
 *   return listInvoices(ownerId, { limit: 20, ...(last ? { after: last } : {}) })
 * }
 * ```
 */
export const listInvoices = query('listInvoices', invoices.listInvoices, OWNER, filters(PAGED))

/**
 * Cancels the owner's current subscription and returns its state afterwards. A scheduled change of plan is dropped.
 * Reason and comment are used at Stripe only.
 *
 * @throws `subscription_not_found`, `invalid_cancellation`, `provider_unavailable`, `provider_rejected`.
 */
export const cancelSubscription = command('cancelSubscription', cancel.cancelSubscription, OWNER)

/**
 * Takes back a scheduled cancellation or change of plan, so that the subscription renews as it is. A subscription that
 * is paused because its trial ended without a card is resumed and charged. Where nothing is scheduled and only the
 * collection of payments is paused, payments are collected again.
 *
 * @throws as `cancelSubscription`; `not_supported` (422) where the provider cannot take a cancellation back; for a
 * paused subscription, which then stays paused: `payment_method_required`, `card_declined`, and
 * `authentication_required` where the card's holder has to confirm the payment on the page of the open invoice.
 */
export const resumeSubscription = command('resumeSubscription', cancel.resumeSubscription, OWNER)

/**
 * Changes the owner's subscription and returns its state afterwards. The present plan keeps the price that the owner
 * pays. Changing to the present plan without `quantity` takes back a scheduled change. With a `quote`, or its JSON from
 * a form, exactly the quoted amount is charged or nothing.
 *
 * Where the bank asks the card's holder to confirm the payment, nothing has changed yet. The answer's `pendingChange`
 * has the page of the invoice, and Stripe makes the change once the invoice is paid there.
 *
 * Seats alone can also be changed while an end is scheduled or a payment is open. While a payment is open, more seats
 * are charged with the next invoice. Where an end is scheduled, fewer seats change nothing.
 *
 * @throws `subscription_not_found`; `subscription_not_active` while a payment is open; `subscription_ending` where the
 * subscription was cancelled (resume it first); `plan_not_found`, `price_not_found`, `invalid_amount`,
 * `invalid_currency`, `invalid_input`, `invalid_quote`; `quote_changed` and `quote_expired` (ask for a new quote);
 * `card_declined` (nothing has changed); `authentication_required` where the bank asks the card's holder and Stripe
 * cannot let this change wait; `not_supported` (422) for a plan that a provider other than Stripe bills;
 * `provider_unavailable`, `provider_rejected`.
 *
 * @example
 * ```ts
 * import { changePlan, previewPlanChange } from '@repo/billing'
 *
 * export async function toEnterprise(ownerId: string) {
 *   const change = { plan: 'ENTERPRISE', interval: 'month' } as const
 *   const quote = await previewPlanChange(ownerId, change)
 *   // Show quote.amountDue. Once the owner agrees, exactly that is charged, or nothing:
 *   return changePlan(ownerId, { ...change, quote })
 * }
 * ```
 */
export const changePlan = command(
  'changePlan',
  planChange.changePlan,
  OWNER,
  object('The change', {}),
)

/**
 * Returns what `changePlan` would charge. Pass the answer to `changePlan` as `quote`.
 *
 * @throws as `changePlan`.
 */
export const previewPlanChange = command(
  'previewPlanChange',
  planChange.previewPlanChange,
  OWNER,
  object('The change', {}),
)

/**
 * The flagged current subscriptions of one owner, or of all owners, the oldest first. `listFlagged(ownerId)` is short
 * for `listFlagged({ ownerId })`. At most `limit`, by default 100. Pass the `id` of the last subscription as `after`
 * for the next page.
 *
 * @throws `invalid_argument` where the subscription `after` does not exist.
 */
export const listFlagged = query(
  'listFlagged',
  resolve.listFlagged,
  optional((value, isGiven) => {
    if (typeof value !== 'object' || value === null) return OWNER(value, isGiven)
    FLAGGED(value, isGiven)
    // An empty object in place of an owner's id must not list the subscriptions of all owners.
    if (Object.keys(value).length === 0) {
      throw new ArgumentError(
        'The options are empty. Give an option, or no argument for all owners.',
      )
    }
  }),
)

/**
 * Keeps one of the owner's current subscriptions at Stripe, and cancels all others at once after a refund of the newest
 * paid invoice of each. A payment that is already refunded is not refunded again. If the command is refused or cut off,
 * a repeated call does what is left to do.
 *
 * @throws `customer_not_found`; `subscription_not_found` where `keep` is not a current subscription of the owner;
 * `provider_unavailable`, `provider_rejected`.
 */
export const resolveSubscriptions = command(
  'resolveSubscriptions',
  resolve.resolveSubscriptions,
  OWNER,
  filters({ keep: id('keep'), confirmed: ANY }),
)
