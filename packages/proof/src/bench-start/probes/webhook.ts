/**
 * Imports `@repo/billing` and hands it a signed event of Stripe.
 *
 * @module
 */

import { finish, measured, settings } from './measure.ts'
import type { WebhookSettings } from './settings.ts'

const given = settings<WebhookSettings>()
const imported = await measured(async () => {
  const { createDb } = await import('@repo/db')
  const { createBilling, createStripe } = await import('@repo/billing')
  return { createBilling, createStripe, createDb }
})
const { createBilling, createDb, createStripe } = imported.result
const nothing = () => {}
const first = await measured(async () => {
  const appUrl = 'http://localhost:3000'
  const billing = createBilling({
    db: createDb(given.url),
    stripe: createStripe('sk_test_bench'),
    stripeWebhookSecrets: [given.secret],
    appUrl,
    logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  })
  const answer = await billing.handleStripeWebhook(
    new Request(`${appUrl}/api/webhooks/stripe`, {
      method: 'POST',
      headers: { 'stripe-signature': given.signature },
      body: given.payload,
    }),
  )
  return (await answer.json()) as { received?: boolean; duplicate?: boolean }
})
if (!first.result.received || first.result.duplicate) throw new Error('The event was not stored.')
finish({ import: imported.part, first: first.part })
