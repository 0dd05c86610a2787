/**
 * Verifies and stores Stripe's webhooks. `orders/process-stripe.ts` processes their events.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { readStripeEvent, verifyStripe } from '../providers/stripe/webhook.ts'
import { receive, type Verify } from './ingest.ts'

/** Handles one delivery. The contract is in `functions/webhooks.ts`. */
export const handleStripeWebhook = (
  ctx: BillingContext,
  req: Request,
  admit?: () => Promise<void>,
): Promise<Response> => receive(ctx, req, 'stripe', verifyAndRead, admit)

const verifyAndRead: Verify = (ctx, headers, payload) =>
  readStripeEvent(verifyStripe(ctx.stripeWebhookSecrets, headers, payload), payload)
