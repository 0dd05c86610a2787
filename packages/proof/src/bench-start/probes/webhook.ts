/**
 * Imports `@repo/billing` and hands it a signed event of Stripe. Ends after the signal to a worker, which follows the
 * answer.
 *
 * @module
 */

import { finish, measured, settings } from './measure.ts'
import type { WebhookSettings } from './settings.ts'

const given = settings<WebhookSettings>()
const imported = await measured(async () => {
  const { createDb, Prisma, queryNamed } = await import('@repo/db')
  const { createBilling, createStripe } = await import('@repo/billing')
  return { createBilling, createStripe, createDb, Prisma, queryNamed }
})
const { createBilling, createDb, createStripe, Prisma, queryNamed } = imported.result
const nothing = () => {}
const db = createDb(given.url)
const first = await measured(async () => {
  const appUrl = 'http://localhost:3000'
  const billing = createBilling({
    db,
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
const isSignalled = async () => {
  const sql = Prisma.sql`SELECT 1 AS "one" FROM graphile_worker.jobs
    WHERE task_identifier = 'billing.processEvents'`
  return (await queryNamed(db, 'bench.signalled', sql)).length > 0
}
while (!(await isSignalled())) await new Promise((done) => setTimeout(done, 5))
finish({ import: imported.part, first: first.part })
