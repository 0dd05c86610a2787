/**
 * The options of billing.
 *
 * @module
 */

import type { Clock, Logger } from '@repo/core'
import type { Database } from '@repo/db'
import type Stripe from 'stripe'
import type { Alert, AlertLimits } from './alerts.ts'
import type { Calcom } from './bookings/settings.ts' // #calcom
import type { Plans } from './catalog/plans.ts'
import type { Products } from './catalog/products.ts'
import type { EventSettings, Owner, Sender } from './context.ts'
import type { CreditSettings } from './credits/settings.ts'
import type { EffectHandlers } from './effects/facts.ts'
import type { OrderSettings } from './orders/settings.ts'
import type { BillingPages } from './pages.ts'
import type { PaymentProvider } from './providers/provider.ts'
import type { CheckoutSettings, PortalSettings } from './providers/stripe/checkout-settings.ts'
import type { RequestLimits } from './providers/stripe/requests.ts'

/** The options of `createBilling`. All may be left out. */
export interface BillingOptions {
  /** Default: the process-wide client of `DATABASE_URL`. */
  db?: Database
  /** Default: the process-wide client of `STRIPE_SECRET_KEY`. */
  stripe?: Stripe
  /** How fast requests go to Stripe. Default: what Stripe documents, and no limit at a stand-in. */
  requests?: RequestLimits
  /** Default: FREE, PRO and ENTERPRISE. */
  plans?: Plans
  /** Default: two packs of credits, and each price of `plans`. */
  products?: Products
  /** Default: chosen by `PAYMENT_PROVIDER` and `PAYMENT_ENV`; Stripe where `stripe` is given. */
  provider?: PaymentProvider
  /** The path of the payment callback, and the limits of its callers; see `OrderSettings` for the defaults. */
  orders?: OrderSettings
  /** Default: `sendEmail` of `@repo/email`. */
  sender?: Sender
  /** Secrets and addresses are masked before the logger gets them. Default: JSON lines on standard error. */
  logger?: Logger
  /** The clock of periods, trials and expiry. Default: the system's. Tests pass one that they move. */
  clock?: Clock
  /** The host's origin. Default `APP_URL`. */
  appUrl?: string
  /** The paths of the host's own pages. A call's own addresses override them. */
  pages?: Partial<BillingPages>
  /** List the old and the new secret while one is replaced. Default `STRIPE_WEBHOOK_SECRET`. */
  stripeWebhookSecrets?: readonly string[]
  /** Whether money is real here. Default: as the secret key of `stripe` says, else as `PAYMENT_ENV` says. */
  livemode?: boolean
  // #region calcom
  /** Default: the `CALCOM_…` variables. */
  calcom?: Calcom
  // #endregion
  /**
   * The keys of the hashes of addresses and cards that had a trial. New hashes use the first. Default:
   * `ENCRYPTION_KEYS`, then `BETTER_AUTH_SECRET`.
   */
  trialSecrets?: readonly string[]
  /** The host's handlers of facts, such as `invoice.paid`, each called once per fact; see `EffectHandlers`. */
  effects?: EffectHandlers
  /** The thresholds of low balances, the handlers of low balances, and group commit. */
  credits?: CreditSettings
  /** How stored events are processed, retried and kept; see `EventSettings` for the defaults. */
  events?: EventSettings
  /** Receives alerts, which are also logged as warnings. Default: they are only logged. */
  onAlert?: (alert: Alert) => unknown
  /** The thresholds of the alerts; see `AlertLimits` for the defaults. */
  limits?: AlertLimits
  /** Settings of all Stripe checkout pages, those of orders included. A call may override them. */
  checkout?: CheckoutSettings
  /** Settings of Stripe's billing portal. */
  portal?: PortalSettings
  /**
   * How many days a subscription keeps its plan's features after it became past due. Default 14. 0: it loses them at
   * once.
   */
  pastDueGraceDays?: number
  /** Looks up an owner; null if there is none with this id. Default: the User and Organization tables. */
  owner?: (ownerId: string) => Promise<Owner | null>
}
