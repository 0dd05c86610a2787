/**
 * Makes the context of a billing instance from the host's options and the environment. Each part is read on first
 * use, so that a host needs no variable of a service that it does not use.
 *
 * @module
 */

import { createLogger, lazy, originOf, readEnv, storable, systemClock } from '@repo/core'
import { type Database, db } from '@repo/db'
import { sendEmail } from '@repo/email'
import type Stripe from 'stripe'
import * as z from 'zod'
import { createAlert } from './alerts.ts'
import { calcomFromEnv } from './bookings/settings.ts' // #calcom
import { processCalcom } from './bookings/webhook.ts' // #calcom
import { plans } from './catalog/plans.ts'
import { checkProductCredits, checkProductPrices, productsFor } from './catalog/products.ts'
import type { BillingContext, Owner, Processors } from './context.ts'
import { createGroup, createSingle } from './credits/posting.ts'
import { BillingError } from './errors.ts'
import { requireKinds } from './option-kinds.ts'
import type { BillingOptions } from './options.ts'
import { processOrders } from './orders/events.ts'
import { processStripe } from './orders/process-stripe.ts'
import { billingPagesOf } from './pages.ts'
import type { ProviderName } from './provider-name.ts'
import { createProvider } from './providers/choose.ts'
import { type PaymentChoice, readPayments, readStripeSecrets } from './providers/env.ts'
import type { PaymentProvider } from './providers/provider.ts'
import { requireSettings } from './providers/stripe/checkout-settings.ts'
import { limitRequests, livemodeOf, stripe } from './providers/stripe/client.ts'
import type { RequestLimits } from './providers/stripe/requests.ts'
import { readTrialSecrets } from './sync/trials.ts'
import { createSignal } from './webhooks/signal.ts'
import { createEventStore } from './webhooks/store.ts'

const PROCESSORS = {
  stripe: processStripe,
  creem: processOrders, // #creem
  local: processOrders,
  calcom: processCalcom, // #calcom
} satisfies Processors & Record<ProviderName, unknown>

const MINUTE = 60_000

const RETRY_DELAYS_MS = [1, 2, 5, 10, 30, 60, 120, 240, 480, 960, 1440, 1440].map((m) => m * MINUTE)

/** The environment variable of the host's address. */
export const appEnv = z.object({
  /** The host's public origin, without a path. */
  APP_URL: z.url({ protocol: /^https?$/ }),
})

/**
 * Makes the context. What `options` leave out is read from the environment on first use.
 *
 * @throws `invalid_options` for an option of a wrong kind, and for products with credits beside those of their plan, or with another price.
 */
export function createContext(options: BillingOptions = {}): BillingContext {
  requireKinds(options)
  const once = <T>(make: () => T): (() => T) => {
    let made: { value: T } | undefined
    return () => {
      made ??= { value: make() }
      return made.value
    }
  }
  const database = options.db ?? db
  const logger = createLogger(options.logger)
  const appUrl = once(() => requireAppUrl(options.appUrl ?? readEnv(appEnv).APP_URL))
  const secrets = once(() => options.stripeWebhookSecrets ?? readStripeSecrets())
  const livemode = once(() => {
    if (options.livemode !== undefined) return options.livemode
    if (options.stripe) return livemodeOf(options.stripe)
    if (options.provider?.capabilities.takesMoney === false) return false
    return readPayments().environment === 'production'
  })
  const given = options.stripe ?? stripe
  const client = options.requests ? limited(given, options.requests) : given
  const ownPlans = options.plans ?? plans
  const sold = { plans: ownPlans, products: options.products ?? productsFor(ownPlans) }
  checkProductCredits(sold.products, sold.plans)
  checkProductPrices(sold.products, sold.plans)
  const clock = options.clock ?? systemClock
  const checkout = requireSettings(options.checkout ?? {})
  const pages = billingPagesOf(options.pages)
  const choice = () => readPayments(process.env, options.stripe ? { livemode: livemode() } : null)
  const chosen = (choice: () => PaymentChoice) =>
    createProvider({
      ...sold,
      checkout,
      stripe: client,
      clock,
      appUrl,
      pages,
      stripeWebhookSecrets: secrets,
      choice,
    })
  const provider = options.provider ?? chosen(choice)
  const others = new Map<string, PaymentProvider>()
  const providerNamed = (name: string): PaymentProvider => {
    if (name === provider.name) return provider
    const other =
      others.get(name) ?? chosen(() => ({ ...choice(), provider: name as ProviderName }))
    others.set(name, other)
    return other
  }
  const trialSecrets = once(() => options.trialSecrets ?? readTrialSecrets())
  const calcom = once(() => options.calcom ?? calcomFromEnv()) // #calcom
  const has = (name: keyof BillingOptions) => options[name] !== undefined
  return {
    given: {
      db: has('db'),
      stripe: has('stripe'),
      provider: has('provider'),
      appUrl: has('appUrl'),
      products: has('products'),
      onAlert: has('onAlert'),
    },
    isOwn: has('plans') || has('products') || has('effects') || has('credits'),
    db: database,
    stripe: client,
    ...sold,
    provider,
    providerNamed,
    orders: options.orders ?? {},
    sender: options.sender ?? { sendEmail },
    logger,
    clock,
    pages,
    get appUrl() {
      return appUrl()
    },
    get stripeWebhookSecrets() {
      return secrets()
    },
    get livemode() {
      return livemode()
    },
    effects: options.effects ?? {},
    credits: options.credits ?? {},
    postCredits: (options.credits?.groupCommit ? createGroup : createSingle)({
      db: database,
      logger,
    }),
    events: {
      lanes: 4,
      leaseMs: 120_000,
      retryDelaysMs: RETRY_DELAYS_MS,
      keepPayloadDays: 90,
      ...options.events,
    },
    checkout,
    portal: options.portal ?? {},
    pastDueGraceDays: requireDays(options.pastDueGraceDays ?? 14),
    limits: {
      successRate: 0.95,
      processingSeconds: 10,
      backlogSeconds: 300,
      creditDrift: 0.05,
      fulfilmentRate: 0.9,
      refundRate: 0.1,
      ...options.limits,
    },
    alert: createAlert(logger, options.onAlert),
    storeRow: createEventStore(database),
    processors: PROCESSORS,
    signalWorker: createSignal(database, logger),
    // #region calcom
    get calcom() {
      return calcom()
    },
    // #endregion
    get trialSecrets() {
      return trialSecrets()
    },
    async owner(ownerId) {
      const owner = await (options.owner?.(ownerId) ?? ownerInDatabase(database, ownerId))
      // The host's own store may hold text that neither Stripe nor PostgreSQL accepts.
      return owner && { ...owner, name: storable(owner.name), email: storable(owner.email) }
    },
  }
}

function requireDays(days: number): number {
  if (Number.isFinite(days) && days >= 0) return days
  throw new BillingError('invalid_options', `pastDueGraceDays must be 0 or more, not ${days}.`)
}

/** `client` with other request limits, which are set on its first use. */
const limited = (client: Stripe, limits: RequestLimits): Stripe =>
  lazy(() => {
    limitRequests(client, limits)
    return client
  })

/** @throws `invalid_options` unless `address` is an origin. */
function requireAppUrl(address: string): URL {
  const origin = originOf(address)
  if (origin !== null) return new URL(origin)
  throw new BillingError(
    'invalid_options',
    'APP_URL must be an origin, http or https, without path, query and user.',
  )
}

async function ownerInDatabase(db: Database, ownerId: string): Promise<Owner | null> {
  const user = await db.user.findUnique({ where: { id: ownerId } })
  if (user) return { type: 'user', name: user.name, email: user.email, ...localeOf(user) }
  const organization = await db.organization.findUnique({
    where: { id: ownerId },
    include: {
      members: {
        where: { role: 'OWNER' },
        include: { user: true },
        orderBy: { createdAt: 'asc' },
        take: 1,
      },
    },
  })
  const [first] = organization?.members ?? []
  if (!organization || !first) return null
  const { email } = first.user
  return { type: 'organization', name: organization.name, email, ...localeOf(first.user) }
}

const localeOf = ({ locale }: { locale: string | null }) => (locale === null ? {} : { locale })
