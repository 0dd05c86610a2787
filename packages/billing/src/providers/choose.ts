/**
 * Makes the chosen payment provider. The provider's key is read on its first use.
 *
 * @module
 */

import { type Clock, lazy } from '@repo/core'
import type Stripe from 'stripe'
import type { Plans } from '../catalog/plans.ts'
import type { Products } from '../catalog/products.ts'
import type { BillingPages } from '../pages.ts'
import { createCreemClient } from './creem/client.ts' // #creem
import { readCreem, readCreemSecrets } from './creem/env.ts' // #creem
import { createCreemProvider } from './creem/provider.ts' // #creem
import type { PaymentChoice } from './env.ts'
import { createLocalProvider } from './local/provider.ts'
import type { PaymentProvider } from './provider.ts'
import type { CheckoutSettings } from './stripe/checkout-settings.ts'
import { createStripeProvider } from './stripe/provider.ts'

/** The options of `createProvider`. */
export interface ProviderOptions {
  stripe: Stripe
  plans: Plans
  products: Products
  /** Settings of Stripe's checkout pages. */
  checkout?: CheckoutSettings
  clock: Clock
  appUrl(): URL
  /** The paths of the host's own pages. */
  pages: BillingPages
  stripeWebhookSecrets(): readonly string[]
  /** The chosen provider and environment; called on first use. */
  choice(): PaymentChoice
  /** Receives the local provider's webhooks. Default: none are sent, and `pull` finds the events. */
  deliver?: (request: Request) => unknown
}

/** The chosen provider. @throws `invalid_environment` on first use. */
export function createProvider(options: ProviderOptions): PaymentProvider {
  return lazy(() => {
    const { provider, environment } = options.choice()
    if (provider === 'stripe') {
      return createStripeProvider({
        ...options,
        environment: () => environment,
        webhookSecrets: options.stripeWebhookSecrets,
      })
    }
    // #region creem
    if (provider === 'creem') {
      const client = lazy(() => {
        const { apiKey, apiBase } = readCreem(environment)
        return createCreemClient(apiKey, apiBase ? { apiBase } : {})
      })
      return createCreemProvider({
        client: () => client,
        products: options.products,
        environment: () => environment,
        webhookSecrets: () => readCreemSecrets(environment),
      })
    }
    // #endregion
    provider satisfies 'local'
    return createLocalProvider({
      checkoutUrl: new URL(options.pages.checkout, options.appUrl()).href,
      clock: options.clock,
      ...(options.deliver && { deliver: options.deliver }),
    })
  })
}
