/**
 * Cal.com's webhook. Only the body is signed: there is no time and no delivery id, so an old
 * delivery stays valid for ever and is told apart by a hash of what identifies it.
 *
 * @module
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { toResponse } from '@repo/core'
import { z } from 'zod'
import { applyBooking, isBookingTrigger, readBookingPayload } from '../bookings.ts'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { type Outcome, readBody, receive } from './events.ts'

const envelope = z.object({
  triggerEvent: z.string().min(1),
  createdAt: z.coerce.date(),
  payload: z.unknown().optional(),
})

/** Handles one delivery. Mount it where the raw body arrives, as `POST /api/webhooks/calcom`. */
export async function handleCalComWebhook(ctx: BillingContext, req: Request): Promise<Response> {
  try {
    if (req.method !== 'POST')
      return new Response(null, { status: 405, headers: { allow: 'POST' } })
    const body = await readBody(req)
    verify(ctx.calcom.webhookSecret, body, req.headers.get('x-cal-signature-256'))
    const event = envelope.safeParse(parse(body)).data
    if (!event) throw new BillingError('invalid_payload', 'The body is signed but is not an event.')
    return await receive(
      ctx,
      {
        provider: 'calcom',
        eventId: identify(event),
        type: event.triggerEvent,
        providerCreatedAt: event.createdAt,
        apiVersion: req.headers.get('x-cal-webhook-version'),
        payload: body,
      },
      processCalcomEvent,
    )
  } catch (error) {
    if (!(error instanceof BillingError)) ctx.logger.error({ error }, 'webhook failed')
    return toResponse(error)
  }
}

/** Without a configured secret Cal.com sends the words `no-secret-provided`: no hex, so refused. */
function verify(secret: string, body: string, signature: string | null): void {
  if (!signature) {
    throw new BillingError('missing_signature', 'There is no X-Cal-Signature-256 header.')
  }
  const expected = createHmac('sha256', secret).update(body).digest()
  const given = /^[0-9a-f]{64}$/.test(signature) ? Buffer.from(signature, 'hex') : Buffer.alloc(32)
  if (!timingSafeEqual(given, expected)) {
    throw new BillingError('invalid_signature', 'The signature does not fit the body.')
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    throw new BillingError('invalid_payload', 'The body is signed but is not JSON.')
  }
}

/** Several deliveries may share a uid: one per seat of an event with seats. */
function identify({ triggerEvent, createdAt, payload }: z.output<typeof envelope>): string {
  const facts = z
    .object({ uid: z.string(), attendees: z.array(z.object({ email: z.string() })).catch([]) })
    .partial()
    .safeParse(payload).data
  const parts = [
    triggerEvent,
    facts?.uid ?? '',
    createdAt.toISOString(),
    facts?.attendees?.[0]?.email ?? '',
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** Applies a stored event to the booking it is about. */
export async function processCalcomEvent(ctx: BillingContext, payload: string): Promise<Outcome> {
  const event = envelope.parse(JSON.parse(payload))
  const trigger = event.triggerEvent
  if (!isBookingTrigger(trigger)) return { status: 'ignored', reason: null }
  const booking = readBookingPayload(event.payload)
  if (!booking) return { status: 'needs_attention', reason: 'unreadable_booking' }
  await applyBooking(ctx, { trigger, createdAt: event.createdAt, payload: booking })
  return { status: 'processed', reason: null }
}
