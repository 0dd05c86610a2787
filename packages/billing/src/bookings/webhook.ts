/**
 * Cal.com's webhook. Only the body is signed: there is no time and no delivery id, so an old
 * delivery stays valid for ever and is told apart by a hash of what identifies it.
 *
 * @module
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { nameOrNull, parseBody, type ReceivedEvent, requireName } from '../providers/received.ts'
import { receive } from '../webhooks/ingest.ts'
import { emptyEvents, finishEvents, payloadsOf } from '../webhooks/queue.ts'
import type { Claim } from '../webhooks/row.ts'
import { applyBooking } from './bookings.ts'
import { isBookingTrigger, readBookingPayload } from './events.ts'

const envelope = z.object({
  triggerEvent: z.string().min(1),
  // As text alone: null would be the beginning of 1970.
  createdAt: z
    .string()
    .transform((written) => new Date(written))
    .refine((date) => !Number.isNaN(date.getTime())),
  payload: z.unknown().optional(),
})

/** Handles one delivery. Mount it where the raw body arrives, as `POST /api/webhooks/calcom`. */
export const handleCalComWebhook = (ctx: BillingContext, req: Request): Promise<Response> =>
  receive(ctx, req, 'calcom', read)

function read(ctx: BillingContext, headers: Headers, payload: string): ReceivedEvent {
  verify(ctx.calcom.webhookSecret, payload, headers.get('x-cal-signature-256'))
  const event = envelope.safeParse(parseBody(payload)).data
  if (!event) throw new BillingError('invalid_payload', 'The body is signed but is not an event.')
  return {
    provider: 'calcom',
    eventId: identify(event),
    type: requireName(event.triggerEvent),
    subject: null,
    providerCreatedAt: event.createdAt,
    apiVersion: nameOrNull(headers.get('x-cal-webhook-version')),
    livemode: null,
    payload,
    isListened: isBookingTrigger(event.triggerEvent),
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

const identity = z
  .object({
    uid: z.string(),
    attendeeSeatId: z.string().optional().catch(undefined),
    attendees: z.array(z.object({ email: z.string() })).catch([]),
  })
  .partial()

/** Several deliveries may share a uid: one for each seat of an event with seats. */
function identify({ triggerEvent, createdAt, payload }: z.output<typeof envelope>): string {
  const facts = identity.safeParse(payload).data
  const [first = '', ...more] = facts?.attendees?.map(({ email }) => email) ?? []
  const seat = facts?.attendeeSeatId
  // What most events have comes first, so that an event that was stored long ago keeps its id.
  const parts = [triggerEvent, facts?.uid ?? '', createdAt.toISOString(), first, ...more]
  if (seat !== undefined) parts.push(seat)
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** Applies stored events to the bookings they are about. */
export async function processCalcom(ctx: BillingContext, claim: Claim): Promise<void> {
  for (const payload of payloadsOf(claim)) {
    const event = envelope.parse(JSON.parse(payload))
    const trigger = event.triggerEvent
    const read = readBookingPayload(event.payload)
    // The end of one that is known needs no times.
    const isWhole = read?.startTime && read.endTime
    const booking = isWhole || /_(CANCELLED|REJECTED)$/.test(trigger) ? read : null
    if (!isBookingTrigger(trigger)) {
      await finishEvents(ctx.db, claim, { status: 'ignored', reason: null })
    } else if (!booking) {
      const reason = 'unreadable_booking'
      await finishEvents(ctx.db, claim, { status: 'needs_attention', reason })
    } else {
      const told = { trigger, createdAt: event.createdAt, payload: booking }
      await applyBooking(ctx, told, async (tx, isForgotten) => {
        await finishEvents(tx, claim, { status: 'processed', reason: null })
        if (isForgotten) await emptyEvents(tx, claim)
      })
    }
  }
}
