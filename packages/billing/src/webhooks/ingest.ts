/**
 * Receives webhooks. Promise: an event is stored durably before the provider gets its answer, and the request
 * does nothing else. One statement stores the event, and a second delivery stores nothing.
 *
 * @module
 */

import { isTollgateError, toResponse, wasParsed } from '@repo/core'
import { readText } from '@repo/core/http'
import type { BillingContext } from '../context.ts'
import { declare } from '../effects/declarations.ts'
import { BillingError, isBillingError } from '../errors.ts'
import type { ReceivedEvent } from '../providers/received.ts'
import { countEvent } from '../telemetry.ts'

/** The largest accepted body, in bytes. Stripe's largest events have a few hundred kilobytes. */
export const MAX_BODY_BYTES = 512 * 1024

/**
 * Verifies a delivery's signature and reads the event's id, type and subject. @throws the refusals of
 * `BillingError`.
 */
export type Verify = (ctx: BillingContext, headers: Headers, payload: string) => ReceivedEvent

/**
 * Answers one delivery: 200 if the event is stored, now or by an earlier delivery; 4xx if the delivery is
 * refused; 500 if the event could not be stored, so that the provider sends it again. `admit` is called after
 * the signature was verified and may refuse the delivery.
 */
export async function receive(
  ctx: BillingContext,
  req: Request,
  provider: ReceivedEvent['provider'],
  verify: Verify,
  admit?: () => Promise<void>,
): Promise<Response> {
  let named: string | null = null
  try {
    if (req.method !== 'POST') {
      return new Response(null, { status: 405, headers: { allow: 'POST' } })
    }
    const payload = await readBody(req)
    named = namedIn(payload)
    ctx.logger.info({ provider, eventId: named }, 'webhook received')
    const event = verified(ctx, req, payload, verify)
    await admit?.()
    const isNew = await storeEvent(ctx, event, 'delivery')
    return Response.json(isNew ? { received: true } : { received: true, duplicate: true })
  } catch (error) {
    const isRefusal = isTollgateError(error) && error.status < 500
    countEvent(provider, 'unknown', isRefusal ? 'refused' : 'failed')
    if (isRefusal)
      ctx.logger.warn({ provider, eventId: named, code: error.code }, 'webhook refused')
    else ctx.logger.error({ provider, eventId: named, error }, 'webhook failed')
    return toResponse(error)
  }
}

/** How much of the body is searched for an id, in characters. */
const BEGINNING = 1_024

/** The event id in a body whose signature is not yet verified, for the log. */
const namedIn = (payload: string): string | null =>
  /"(?:id|eventId|uid)"\s*:\s*"([\w-]{1,255})"/.exec(payload.slice(0, BEGINNING))?.[1] ?? null

/** @throws `raw_body_required` where the signature does not match because a body parser has read the body. */
function verified(ctx: BillingContext, req: Request, payload: string, verify: Verify) {
  try {
    return verify(ctx, req.headers, payload)
  } catch (error) {
    if (isBillingError(error, 'invalid_signature') && wasParsed(req)) throw rawBodyRequired()
    throw error
  }
}

const rawBodyRequired = () =>
  new BillingError(
    'raw_body_required',
    'The body was read before the webhook handler received it, but a signature covers the raw bytes. ' +
      'Mount the webhook before body parsers, or give its route express.raw({ type: () => true }).',
  )

/** Stores an event and signals a worker. Returns false if the event was already stored. */
export async function storeEvent(
  ctx: BillingContext,
  event: ReceivedEvent,
  source: 'delivery' | 'pull',
): Promise<boolean> {
  const { provider, eventId, type, subject, livemode, isListened } = event
  const isForeign = livemode !== null && ctx.livemode !== null && livemode !== ctx.livemode
  const reason = isForeign ? 'livemode_mismatch' : (event.foreign ?? null)
  const status = reason !== null || !isListened ? 'ignored' : 'pending'
  const isNew = await ctx.storeRow({
    provider,
    eventId,
    type,
    subject,
    providerCreatedAt: event.providerCreatedAt,
    apiVersion: event.apiVersion,
    livemode,
    source,
    payload: event.payload,
    status,
    reason,
  })
  const outcome = !isNew ? 'duplicate' : status === 'ignored' ? 'ignored' : 'stored'
  if (outcome === 'stored') {
    // The declaration comes first, because another instance may process the event at once.
    await declare(ctx)
    ctx.signalWorker()
  }
  countEvent(provider, type, outcome)
  ctx.logger.info({ provider, eventId, type, reason }, `webhook ${outcome}`)
  return isNew
}

/**
 * The body of a request, decoded from its raw bytes.
 *
 * @throws `payload_too_large`, before more than the limit is read; `invalid_payload` where the body breaks
 * off or is not UTF-8, which no provider signs and PostgreSQL cannot store; `raw_body_required` (500) where
 * the body was read before.
 */
export const readBody = (req: Request, limit = MAX_BODY_BYTES): Promise<string> =>
  readText(req, {
    limit,
    keepsMark: true,
    failed(failure, cause) {
      if (failure === 'already_read') return rawBodyRequired()
      if (failure === 'too_large') {
        return new BillingError('payload_too_large', `The body is larger than ${limit} bytes.`)
      }
      const message =
        failure === 'not_utf8'
          ? 'The body is not valid UTF-8.'
          : 'The body ended before it was complete.'
      return new BillingError('invalid_payload', message, { cause })
    },
  })
