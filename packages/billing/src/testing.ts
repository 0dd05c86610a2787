/**
 * For tests: signed webhook requests as the providers send them, the conformance suites, the ledger's checks and
 * counted effects.
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import Stripe from 'stripe'

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
  return post(payload, { 'stripe-signature': signature })
}

/** The options of `calcomWebhookRequest`. */
export interface CalcomRequestOptions {
  /** The webhook's signing secret. */
  secret: string
}

/** A signed delivery by Cal.com. A string is sent as it is, anything else as JSON. */
export function calcomWebhookRequest(event: unknown, options: CalcomRequestOptions): Request {
  const payload = typeof event === 'string' ? event : JSON.stringify(event)
  const signature = createHmac('sha256', options.secret).update(payload).digest('hex')
  return post(payload, {
    'x-cal-signature-256': signature,
    'x-cal-webhook-version': '2021-10-20',
  })
}

function post(body: string, headers: Record<string, string>): Request {
  return new Request('http://localhost/api/webhooks', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
}
