/**
 * The billing instance: `createBilling` makes one, and the functions that a host imports are methods of the default
 * one.
 *
 * @module
 */

import { lazy } from '@repo/core'
import { listBookings } from './bookings/bookings.ts'
import { createCalComBookingLink as createLink } from './bookings/calcom.ts'
import { handleCalComWebhook as handleCalCom } from './bookings/webhook.ts'
import * as checkout from './checkout/checkout.ts'
import * as payments from './checkout/payments.ts'
import { createBillingPortalSession as createPortal } from './checkout/portal.ts'
import { type BillingOptions, createContext } from './create-context.ts'
import { createCredits } from './credits/credits.ts'
import { getAccount, replaceAccount } from './customers/account.ts'
import { registerCustomer, updateCustomer as update } from './customers/customers.ts'
import { guardHandlers } from './effects/in-effect.ts'
import { listWaitingEffects, redeliverEffect } from './effects/waiting.ts'
import {
  ANY,
  date,
  FLAG,
  filters,
  given,
  id,
  LIMIT,
  number,
  OWNER,
  object,
  optional,
  text,
  words,
} from './given.ts'
import { withContext } from './instance.ts'
import { billingCron, createJobs } from './jobs.ts'
import * as cancel from './lifecycle/cancel.ts'
import * as planChange from './lifecycle/plan-change.ts'
import { listFlagged, resolveSubscriptions } from './lifecycle/resolve.ts'
import { createOrders } from './orders/orders.ts'
import { exportOwner as exportData } from './owners/export-owner.ts'
import { syncOwner } from './owners/owner-sync.ts'
import * as owners from './owners/owners.ts'
import { pushPlans } from './providers/stripe/prices.ts'
import * as subscriptions from './subscriptions/subscriptions.ts'
import { listInvoices as listOwnInvoices } from './sync/invoices.ts'
import { linkCustomer, restoreCustomer } from './sync/link.ts'
import { pullEvents } from './sync/pull.ts'
import { reconcile } from './sync/reconcile.ts'
import * as archive from './webhooks/archive.ts'
import { diagnoseWebhooks } from './webhooks/diagnose.ts'
import * as endpoints from './webhooks/endpoints.ts'
import { processEvents as processWaiting } from './webhooks/process.ts'
import { handleStripeWebhook as handleStripe } from './webhooks/stripe.ts'
import { watchEvents } from './webhooks/watch.ts'

/**
 * Makes a billing instance. What `options` leave out is read from the environment on first use.
 *
 * @throws `invalid_options` for products with credits beside those of their plan.
 */
export function createBilling(options: BillingOptions = {}) {
  const ctx = createContext(options)
  const instance = {
    ensureCustomer: given(ctx, registerCustomer, OWNER),
    updateCustomer: given(ctx, update, OWNER, filters({ billingEmail: ANY })),
    syncCustomer: given(ctx, syncOwner, OWNER),
    linkCustomer: given(ctx, linkCustomer, OWNER, id('The customer id')),
    restoreCustomer: given(ctx, restoreCustomer, OWNER),
    getAccount: given(ctx, getAccount),
    replaceAccount: given(ctx, replaceAccount),
    createCheckoutSession: given(
      ctx,
      checkout.createCheckoutSession,
      (value, isGiven) =>
        typeof value === 'string'
          ? OWNER(value, isGiven)
          : object('The input', { ownerId: OWNER })(value, isGiven),
      optional(text('The plan')),
      ANY,
    ),
    confirmCheckout: given(ctx, checkout.confirmCheckout, OWNER, text('The checkout session id')),
    createBillingPortalSession: given(ctx, createPortal, object('The input', { ownerId: OWNER })),
    getSubscription: given(ctx, subscriptions.getSubscription, OWNER),
    cancelSubscription: given(ctx, cancel.cancelSubscription, OWNER),
    resumeSubscription: given(ctx, cancel.resumeSubscription, OWNER),
    listSubscriptions: given(ctx, subscriptions.listSubscriptions, OWNER),
    changePlan: given(ctx, planChange.changePlan, OWNER, object('The change', {})),
    previewPlanChange: given(ctx, planChange.previewPlanChange, OWNER, object('The change', {})),
    listFlagged: given(ctx, listFlagged, optional(OWNER)),
    resolveSubscriptions: given(
      ctx,
      resolveSubscriptions,
      OWNER,
      filters({ keep: id('keep'), confirmed: ANY }),
    ),
    forgetOwner: given(ctx, owners.forgetOwner, OWNER),
    exportOwner: given(ctx, exportData, OWNER),
    createPaymentIntent: given(
      ctx,
      payments.createPaymentIntent,
      ANY,
      ANY,
      object('The metadata', { ownerId: OWNER }),
    ),
    confirmPayment: given(ctx, payments.confirmPayment, text('The payment intent id')),
    listPayments: given(ctx, payments.listPayments, OWNER),
    ...createCredits(ctx),
    ...createOrders(ctx),
    createCalComBookingLink: given(
      ctx,
      createLink,
      number('The event type id'),
      object('The metadata', { ownerId: OWNER }, { paymentId: id('paymentId') }),
    ),
    listInvoices: given(ctx, listOwnInvoices, OWNER),
    listBookings: given(ctx, listBookings, OWNER),
    handleStripeWebhook: given(ctx, handleStripe),
    handleCalComWebhook: given(ctx, handleCalCom),
    /** Processes stored events until none is due, as the worker's job does. */
    processEvents: given(ctx, processWaiting),
    listEvents: given(
      ctx,
      archive.listEvents,
      filters({ status: words('status'), limit: LIMIT, after: id('after') }),
    ),
    acknowledgeEvents: given(
      ctx,
      archive.acknowledgeEvents,
      words('The event ids'),
      object('The options', { by: id('by') }),
    ),
    showEvent: given(ctx, archive.showEvent, id('The event id')),
    replayEvent: given(ctx, archive.replayEvent, id('The event id')),
    retryDeadEvents: given(ctx, archive.retryDeadEvents),
    emptyPayloads: given(ctx, archive.emptyPayloads),
    watchEvents: given(ctx, watchEvents),
    listWaitingEffects: given(ctx, listWaitingEffects, filters({ limit: LIMIT })),
    redeliverEffect: given(ctx, redeliverEffect, id('The effect key')),
    pullEvents: given(
      ctx,
      pullEvents,
      filters({ since: date('since'), signal: ANY, onProgress: ANY }),
    ),
    reconcile: given(
      ctx,
      reconcile,
      filters({ signal: ANY, limitMs: ANY, all: FLAG, onProgress: ANY }),
    ),
    diagnoseWebhooks: given(ctx, diagnoseWebhooks),
    createWebhookEndpoint: given(ctx, endpoints.createWebhookEndpoint),
    listWebhookEndpoints: given(ctx, endpoints.listWebhookEndpoints),
    /** The jobs for a worker of `@repo/jobs`; `cron` has the times at which they run. */
    jobs: createJobs(ctx),
    cron: billingCron,
    /** Brings the provider's prices in line with the plans; see `pushPlans`. */
    pushPlans: () => pushPlans(ctx.stripe, ctx.plans),
    plans: ctx.plans,
    products: ctx.products,
    /** The provider that takes the payments; see `PaymentProvider`. */
    provider: ctx.provider,
  }
  return withContext(guardHandlers(instance), ctx)
}

/** What `createBilling` returns. */
export type Billing = ReturnType<typeof createBilling>

/** The default instance: settings from the environment, default plans and products. */
export const billing: Billing = lazy(() => createBilling())

/** Returns the owner's customer, and creates it if it is missing, with Stripe as the provider also at Stripe. */
export const ensureCustomer: Billing['ensureCustomer'] = (...args) =>
  billing.ensureCustomer(...args)
/** Updates the name and address of the owner's customer at Stripe, and of the organizations that the user owns. */
export const updateCustomer: Billing['updateCustomer'] = (...args) =>
  billing.updateCustomer(...args)
/** Loads the owner's present state from the providers and stores it. */
export const syncCustomer: Billing['syncCustomer'] = (...args) => billing.syncCustomer(...args)
/** Opens a checkout on Stripe's page, for a plan or for one item. */
export const createCheckoutSession: Billing['createCheckoutSession'] = (...args) =>
  billing.createCheckoutSession(...args)
/** Asks the provider about a checkout, for the page after it. */
export const confirmCheckout: Billing['confirmCheckout'] = (...args) =>
  billing.confirmCheckout(...args)
/** Opens the provider's portal, where the owner manages the subscription. */
export const createBillingPortalSession: Billing['createBillingPortalSession'] = (...args) =>
  billing.createBillingPortalSession(...args)
/** The owner's plan and current subscription. */
export const getSubscription: Billing['getSubscription'] = (...args) =>
  billing.getSubscription(...args)
/** Cancels the owner's subscription, by default at the end of its period. */
export const cancelSubscription: Billing['cancelSubscription'] = (...args) =>
  billing.cancelSubscription(...args)
/** Takes back a scheduled cancellation or change, or resumes a paused subscription. */
export const resumeSubscription: Billing['resumeSubscription'] = (...args) =>
  billing.resumeSubscription(...args)
/** Changes the plan, interval or seats of the owner's subscription. */
export const changePlan: Billing['changePlan'] = (...args) => billing.changePlan(...args)
/** The cost of a change of plan, interval or seats, before it is made. */
export const previewPlanChange: Billing['previewPlanChange'] = (...args) =>
  billing.previewPlanChange(...args)
/** All present and past subscriptions of the owner, the newest first. */
export const listSubscriptions: Billing['listSubscriptions'] = (...args) =>
  billing.listSubscriptions(...args)
/** The owner's invoices, the newest first, without drafts. */
export const listInvoices: Billing['listInvoices'] = (...args) => billing.listInvoices(...args)
/** Erases the owner's personal data and ends the owner's subscriptions. */
export const forgetOwner: Billing['forgetOwner'] = (...args) => billing.forgetOwner(...args)
/** Everything that billing holds about the owner, as JSON values. */
export const exportOwner: Billing['exportOwner'] = (...args) => billing.exportOwner(...args)
/** Starts a one-time payment on the host's own page, with Stripe Elements. */
export const createPaymentIntent: Billing['createPaymentIntent'] = (...args) =>
  billing.createPaymentIntent(...args)
/** Asks Stripe for the state of a one-time payment, and stores it. */
export const confirmPayment: Billing['confirmPayment'] = (...args) =>
  billing.confirmPayment(...args)
/** The link to a booking page of Cal.com, for the owner and a payment. */
export const createCalComBookingLink: Billing['createCalComBookingLink'] = (...args) =>
  billing.createCalComBookingLink(...args)
/** Stores a webhook of Stripe and answers it. */
export const handleStripeWebhook: Billing['handleStripeWebhook'] = (...args) =>
  billing.handleStripeWebhook(...args)
/** Stores a webhook of Cal.com and answers it. */
export const handleCalComWebhook: Billing['handleCalComWebhook'] = (...args) =>
  billing.handleCalComWebhook(...args)
/** Processes stored events until none is due. */
export const processEvents: Billing['processEvents'] = (...args) => billing.processEvents(...args)
