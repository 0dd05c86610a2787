/**
 * The context that billing's domain functions receive. This file has types only; `create-context.ts` makes one.
 *
 * @module
 */

import type { Clock, Logger } from '@repo/core'
import type { Database } from '@repo/db'
import type { sendEmail } from '@repo/email'
import type Stripe from 'stripe'
import type { Alert, AlertLimits } from './alerts.ts'
import type { Calcom } from './bookings/settings.ts' // #calcom
import type { Plans } from './catalog/plans.ts'
import type { Products } from './catalog/products.ts'
import type { CreditSettings, PostCredits } from './credits/settings.ts'
import type { EffectHandlers } from './effects/facts.ts'
import type { OrderSettings } from './orders/settings.ts'
import type { BillingPages } from './pages.ts'
import type { PaymentProvider } from './providers/provider.ts'
import type { CheckoutSettings, PortalSettings } from './providers/stripe/checkout-settings.ts'
import type { Claim, StoreRow } from './webhooks/row.ts'

/** The paying user or organization of the host. */
export interface Owner {
  type: 'user' | 'organization'
  name: string
  /** The address that invoices and notices are sent to. */
  email: string
  /** The language of mails, a tag of BCP 47 such as `de-AT`. Default: the sender's templates as they are. */
  locale?: string
}

/** The part of `@repo/email` that billing calls. */
export interface Sender {
  /** Sends one mail of a built-in template, as `sendEmail` of `@repo/email` does. */
  sendEmail: typeof sendEmail
}

/** The settings and connections of one billing instance. */
export interface BillingContext {
  /** Which parts the host passed to `createBilling`. The others come from the environment. */
  readonly given: Readonly<
    Record<'db' | 'stripe' | 'provider' | 'appUrl' | 'products' | 'onAlert', boolean>
  >
  /** Whether the host passed plans, products, effects or credits. Only such an instance declares them. */
  readonly isOwn: boolean
  readonly db: Database
  readonly stripe: Stripe
  readonly plans: Plans
  readonly products: Products
  /** The provider that takes new payments. */
  readonly provider: PaymentProvider
  /** The provider called `name`, which need not be the one that takes new payments. */
  providerNamed(name: string): PaymentProvider
  readonly orders: OrderSettings
  readonly sender: Sender
  readonly logger: Logger
  readonly clock: Clock
  /** The host's origin. Return addresses must have the same one. */
  readonly appUrl: URL
  /** The paths of the host's own pages. */
  readonly pages: BillingPages
  readonly stripeWebhookSecrets: readonly string[]
  /** Whether money is real here. Null: not known, so events of either kind are applied. */
  readonly livemode: boolean | null
  readonly calcom: Calcom // #calcom
  /** The keys of the hashes of trials. New hashes use the first. */
  readonly trialSecrets: readonly string[]
  readonly effects: EffectHandlers
  readonly credits: CreditSettings
  /** Writes a credit change that joins no transaction of the caller. */
  readonly postCredits: PostCredits
  readonly events: Required<EventSettings>
  readonly limits: Required<AlertLimits>
  /** Settings of Stripe's checkout pages. */
  readonly checkout: CheckoutSettings
  readonly portal: PortalSettings
  /** How many days a past due subscription keeps its plan's features. */
  readonly pastDueGraceDays: number
  /** Logs an alert and passes it to `onAlert`. */
  alert(alert: Alert): void
  readonly storeRow: StoreRow
  /** The functions that process claimed events, by provider. */
  readonly processors: Processors
  /** Signals a worker that events wait. */
  signalWorker(): void
  /** Looks up the owner; null if there is none with this id. */
  owner(ownerId: string): Promise<Owner | null>
}

/** By provider: the function that processes claimed events and finishes them. Where it throws, they are retried. */
export type Processors = Readonly<
  Record<string, (ctx: BillingContext, claim: Claim) => Promise<void>>
>

/** How stored events are processed. */
export interface EventSettings {
  /** How many customers one pass syncs at the same time. Default 4. */
  lanes?: number
  /** How long a pass may hold an event before another pass may take it. Default 120,000. */
  leaseMs?: number
  /** The delay before each retry; when all are used, the event is dead. Default: 12 delays, 1 minute to 1 day. */
  retryDelaysMs?: readonly number[]
  /** After how many days payloads are emptied. Default 90. */
  keepPayloadDays?: number
}
