/**
 * For tests: a delivery as Cal.com signs it.
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import { webhookRequest } from '../webhooks/webhook-request.ts'

/** The options of `calcomWebhookRequest`. */
export interface CalcomRequestOptions {
  /** The webhook's signing secret. */
  secret: string
}

/** A signed delivery by Cal.com. A string is sent as it is, anything else as JSON. */
export function calcomWebhookRequest(event: unknown, options: CalcomRequestOptions): Request {
  const payload = typeof event === 'string' ? event : JSON.stringify(event)
  const signature = createHmac('sha256', options.secret).update(payload).digest('hex')
  return webhookRequest(payload, {
    'x-cal-signature-256': signature,
    'x-cal-webhook-version': '2021-10-20',
  })
}
