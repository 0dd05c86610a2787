/**
 * Stripe's webhook: verified and stored. What its events ask for is in `orders/process-stripe.ts`.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { readStripeEvent, verifyStripe } from '../providers/stripe/webhook.ts'
import { receive, type Verify } from './ingest.ts'

/** Handles one delivery. Mount it where the raw body arrives, as `POST /api/webhooks/stripe`. */
export const handleStripeWebhook = (
  ctx: BillingContext,
  req: Request,
  admit?: () => Promise<void>,
): Promise<Response> => receive(ctx, req, 'stripe', verifyAndRead, admit)

const verifyAndRead: Verify = (ctx, headers, payload) =>
  readStripeEvent(verifyStripe(ctx.stripeWebhookSecrets, headers, payload), payload)
