/**
 * For tests: signed webhook requests as the providers send them, the conformance suites, the ledger's checks and
 * counted effects.
 *
 * @module
 */

import Stripe from 'stripe'
import { webhookRequest } from './webhooks/webhook-request.ts'

export { type CalcomRequestOptions, calcomWebhookRequest } from './bookings/signed-request.ts' // #calcom
export { type LedgerViolation, ledgerViolations } from './credits/violations.ts'
export { customerKey } from './customers/request-keys.ts'
export {
  countingEffects,
  createCallTable,
  type EffectCalls,
  readCalls,
} from './effects/counting.ts'
export * from './providers/conformance/index.ts'
export { PAYMENT_MARK } from './providers/stripe/terms.ts'
export { readStripeEvent } from './providers/stripe/webhook.ts'
export { inNumbers } from './rows.ts'
export { PROCESS_EVENTS } from './webhooks/signal.ts'

/** The options of `stripeWebhookRequest`. */
export interface StripeRequestOptions {
  /** The webhook endpoint's signing secret. */
  secret: string
  /** When the delivery was signed, in epoch seconds. Default: now. */
  timestamp?: number
}

/** A signed delivery by Stripe. A string is sent as it is, anything else as JSON. */
export function stripeWebhookRequest(event: unknown, options: StripeRequestOptions): Request {
  const payload = typeof event === 'string' ? event : JSON.stringify(event)
  const signature = Stripe.webhooks.generateTestHeaderString({
    payload,
    secret: options.secret,
    timestamp: options.timestamp ?? Math.floor(Date.now() / 1000),
    scheme: 'v1',
    signature: '',
    cryptoProvider: Stripe.createNodeCryptoProvider(),
  })
  return webhookRequest(payload, { 'stripe-signature': signature })
}
