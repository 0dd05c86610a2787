/**
 * What billing's domain functions work with. Types alone: `create-context.ts` fills them in.
 *
 * @module
 */

import type { Clock, Logger } from '@repo/core'
import type { Database } from '@repo/db'
import type { sendEmail } from '@repo/email'
import type Stripe from 'stripe'
import type { Alert, AlertLimits } from './alerts.ts'
import type { Calcom } from './bookings/settings.ts'
import type { Plans } from './catalog/plans.ts'
import type { Products } from './catalog/products.ts'
import type { CreditSettings, PostCredits } from './credits/settings.ts'
import type { EffectHandlers } from './effects/facts.ts'
import type { OrderSettings } from './orders/settings.ts'
import type { PaymentProvider } from './providers/provider.ts'
import type { CheckoutSettings, PortalSettings } from './providers/stripe/checkout-settings.ts'
import type { Claim, StoreRow } from './webhooks/row.ts'

/** Who pays: a user or an organization of the host. */
export interface Owner {
  type: 'user' | 'organization'
  name: string
  /** Where invoices and notices go. */
  email: string
  /** BCP 47. Default: English. */
  locale?: string
}

/** The part of `@repo/email` that billing calls. */
export interface Sender {
  sendEmail: typeof sendEmail
}

export interface BillingContext {
  /** Which parts the host gave. What it did not give comes from the environment. */
  readonly given: Readonly<Record<'db' | 'stripe' | 'provider' | 'appUrl', boolean>>
  /** Whether plans, products, effects or credits are the host's own: only then the instance declares them. */
  readonly isOwn: boolean
  readonly db: Database
  readonly stripe: Stripe
  readonly plans: Plans
  readonly products: Products
  /** Who takes the payments. */
  readonly provider: PaymentProvider
  /** Who took a payment, which may be one that takes no new ones. */
  providerNamed(name: string): PaymentProvider
  readonly orders: OrderSettings
  readonly sender: Sender
  readonly logger: Logger
  readonly clock: Clock
  /** The host's address. Return addresses must lie below it. */
  readonly appUrl: URL
  readonly stripeWebhookSecrets: readonly string[]
  /** Whether money is real here. Null: not known, so events of either kind are applied. */
  readonly livemode: boolean | null
  readonly calcom: Calcom
  /** Key the hashes of trials, the first for new ones. */
  readonly trialSecrets: readonly string[]
  readonly effects: EffectHandlers
  readonly credits: CreditSettings
  /** The way into the ledger for a change that joins no transaction. */
  readonly postCredits: PostCredits
  readonly events: Required<EventSettings>
  readonly limits: Required<AlertLimits>
  /** What is set about Stripe's pages. */
  readonly checkout: CheckoutSettings
  readonly portal: PortalSettings
  /** How long what is past due keeps its plan's features. */
  readonly pastDueGraceDays: number
  alert(alert: Alert): void
  readonly storeRow: StoreRow
  /** What does the work of claimed events, by their provider. */
  readonly processors: Processors
  /** Lets a worker know that events wait. */
  wake(): void
  owner(ownerId: string): Promise<Owner | null>
}

/** Does what claimed events ask for and finishes them. A throw puts them off. */
export type Processors = Readonly<
  Record<string, (ctx: BillingContext, claim: Claim) => Promise<void>>
>

/** How stored events are worked through. */
export interface EventSettings {
  /** Customers synced at the same time by one pass. Default 4. */
  lanes?: number
  /** How long a pass may take over an event before another may. Default 120,000. */
  leaseMs?: number
  /** Before each further try; after the last an event is dead. Default: 1 minute to 1 day, 12 tries. */
  retryDelaysMs?: readonly number[]
  /** After how many days payloads are emptied. Default 90. */
  keepPayloadDays?: number
}
