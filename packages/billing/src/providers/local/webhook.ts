/**
 * The local provider's webhooks: an event as JSON, signed together with the time of the delivery.
 *
 * @module
 */

import { BillingError } from '../../errors.ts'
import { record, text } from '../json.ts'
import type { ProviderHint } from '../provider.ts'
import { parseBody, requireName } from '../received.ts'
import { hmacHex, isSigned } from '../signature.ts'

const HEADER = 'tollgate-signature'
const TOLERANCE_SECONDS = 300

/** A delivery of `event`, signed with the present time. */
export function signedRequest(secret: string, event: ProviderHint): Request {
  const body = JSON.stringify(event)
  const time = Math.floor(Date.now() / 1000)
  return new Request('http://localhost/api/webhooks/local', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      [HEADER]: `t=${time},v1=${hmacHex(secret, `${time}.${body}`)}`,
    },
    body,
  })
}

/** Headers whose signature has the right form and is wrong. */
export const forgedHeaders = (): Headers => new Headers({ [HEADER]: `t=1,v1=${'0'.repeat(64)}` })

/**
 * Verifies a delivery and returns the hint in it.
 *
 * @throws `missing_signature`, `invalid_signature`, `stale_signature`, `invalid_payload`.
 */
export function parseLocalWebhook(secret: string, headers: Headers, body: string): ProviderHint[] {
  const header = headers.get(HEADER)
  if (!header) throw new BillingError('missing_signature', `The ${HEADER} header is missing.`)
  const [, time = '', signature = ''] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header) ?? []
  if (!isSigned([secret], `${time}.${body}`, signature)) {
    throw new BillingError('invalid_signature', 'The signature does not match the body.')
  }
  const off = Math.abs(Date.now() / 1000 - Number(time))
  if (off > TOLERANCE_SECONDS) {
    throw new BillingError(
      'stale_signature',
      `The signature's time is ${Math.round(off)} s off; ${TOLERANCE_SECONDS} s are allowed.`,
    )
  }
  const event = record(parseBody(body)) ?? {}
  return [
    {
      eventId: requireName(event.eventId),
      type: requireName(event.type),
      occurredAt: typeof event.occurredAt === 'string' ? new Date(event.occurredAt) : null,
      livemode: false,
      checkoutId: text(event.checkoutId),
      paymentId: text(event.paymentId),
      subscriptionId: text(event.subscriptionId),
      refundId: text(event.refundId),
      disputeId: text(event.disputeId),
      customerId: text(event.customerId),
    },
  ]
}
