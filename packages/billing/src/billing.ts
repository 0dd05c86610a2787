/**
 * The billing instance: `createBilling` makes one. Its methods are the functions of `functions/`, which a host can
 * also import for the default instance.
 *
 * @module
 */

import { type CronEntry, type JobDefinition, lazy } from '@repo/core'
import type { CheckRun, InstanceChecks } from '@repo/core/checks'
import type { Plans } from './catalog/plans.ts'
import type { Products } from './catalog/products.ts'
import type { BillingContext } from './context.ts'
import { createContext } from './create-context.ts'
import { refuseInHandler } from './effects/in-effect.ts'
import { bind, defaultContext } from './functions/bind.ts'
import * as bookings from './functions/bookings.ts' // #calcom
import * as checkout from './functions/checkout.ts'
import * as credits from './functions/credits.ts'
import * as customers from './functions/customers.ts'
import * as orders from './functions/orders.ts'
import * as subscriptions from './functions/subscriptions.ts'
import * as webhooks from './functions/webhooks.ts'
import { withContext } from './instance.ts'
import { billingCron, createJobs } from './jobs.ts'
import type { BillingOptions } from './options.ts'
import type { PaymentProvider } from './providers/provider.ts'
import { pushPlans } from './providers/stripe/prices.ts'

/** The functions of an instance, by the domain whose file documents them. */
type Functions = typeof customers &
  typeof bookings & // #calcom
  typeof checkout &
  typeof subscriptions &
  typeof webhooks &
  typeof credits &
  typeof orders

/** A billing instance, as `createBilling` returns it. */
export interface Billing extends Functions {
  /** The jobs for a worker of `@repo/jobs`. Without a worker no event is processed and no mail is sent. */
  readonly jobs: JobDefinition<object>[]
  /** When a worker runs each job, in UTC. */
  readonly cron: readonly CronEntry[]
  /**
   * The checks of `tollgate doctor`: variables, signatures, prices, the webhook endpoint. Nothing is written to a
   * database of production, and nothing at the provider. Call `close` of the answer at the end.
   */
  checks(run: CheckRun): Promise<InstanceChecks>
  /**
   * Brings Stripe's products and prices in line with `plans`, and returns the lookup keys of the prices that it made.
   * Call it after a price has changed. Subscriptions keep their old price.
   *
   * @throws `provider_unavailable` (503), `provider_rejected` (502)
   */
  pushPlans(): Promise<string[]>
  /** The plans of this instance, by name. */
  readonly plans: Plans
  /** The products of this instance, by id. */
  readonly products: Products
  /** The provider that takes new payments. */
  readonly provider: PaymentProvider
}

/**
 * Makes a billing instance. What `options` leave out is read from the environment on first use, so a call reads no
 * variable and opens no connection.
 *
 * @throws `invalid_options` (500) for products with credits beside those of their plan, a negative
 * `pastDueGraceDays`, settings of the checkout that contradict each other, or a product whose price is not its plan's
 *
 * @example
 * ```ts
 * import { createBilling, definePlans } from '@repo/billing'
 *
 * const plans = definePlans({
 *   FREE: { name: 'Free' },
 *   TEAM: {
 *     name: 'Team',
 *     prices: {
 *       month: { lookupKey: 'team_month', amount: 2900, currency: 'eur' },
 *       year: { lookupKey: 'team_year', amount: 29000, currency: 'eur' },
 *     },
 *   },
 * })
 *
 * // The keys come from STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, APP_URL and DATABASE_URL.
 * export const billing = createBilling({ plans, products: {} })
 * ```
 */
export function createBilling(options: BillingOptions = {}): Billing {
  return instanceOf(createContext(options))
}

/** The instance over a context. */
function instanceOf(ctx: BillingContext): Billing {
  const instance: Billing = {
    ...bind(ctx, customers),
    ...bind(ctx, bookings), // #calcom
    ...bind(ctx, checkout),
    ...bind(ctx, subscriptions),
    ...bind(ctx, webhooks),
    ...bind(ctx, credits),
    ...bind(ctx, orders),
    jobs: createJobs(ctx),
    cron: billingCron,
    async checks(run) {
      const { billingChecks } = await import('./checks/billing-checks.ts')
      return billingChecks(run, ctx)
    },
    async pushPlans() {
      const refusal = refuseInHandler('pushPlans', [])
      if (refusal) throw refusal
      return pushPlans(ctx.stripe, ctx.plans)
    },
    plans: ctx.plans,
    products: ctx.products,
    provider: ctx.provider,
  }
  return withContext(instance, ctx)
}

/**
 * The default instance: settings from the environment, default plans and products. It is made on first use; the
 * functions of this package are its methods.
 */
export const billing: Billing = lazy(() => instanceOf(defaultContext()))
