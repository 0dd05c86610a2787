/**
 * Cal.com's webhook. The signature covers only the body, which has neither a signing time nor a delivery id. So an old
 * delivery stays valid for ever, and a hash of its identifying fields serves as its event id.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import * as z from 'zod'
import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { nameOrNull, parseBody, type ReceivedEvent, requireName } from '../providers/received.ts'
import { isSigned } from '../providers/signature.ts'
import { receive } from '../webhooks/ingest.ts'
import { bodiesOf, emptyEvents, finishEvents } from '../webhooks/queue.ts'
import type { Claim } from '../webhooks/row.ts'
import { applyBooking } from './bookings.ts'
import { isBookingTrigger, readBookingPayload } from './events.ts'

const envelope = z.object({
  triggerEvent: z.string().min(1),
  // Only strings are read, because null would become a date in 1970.
  createdAt: z
    .string()
    .transform((written) => new Date(written))
    .refine((date) => !Number.isNaN(date.getTime())),
  payload: z.unknown().optional(),
})

/** Handles a delivery. The contract is in `functions/bookings.ts`. */
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

/** Checks the signature. Without a secret Cal.com sends `no-secret-provided`, which is refused like any wrong one. */
function verify(secret: string, body: string, signature: string | null): void {
  if (!signature) {
    throw new BillingError('missing_signature', 'The X-Cal-Signature-256 header is missing.')
  }
  if (!isSigned([secret], body, signature)) {
    throw new BillingError('invalid_signature', 'The signature does not match the body.')
  }
}

const identity = z
  .object({
    uid: z.string(),
    attendeeSeatId: z.string().optional().catch(undefined),
    attendees: z.array(z.object({ email: z.string() })).catch([]),
  })
  .partial()

/** The event id. It includes attendees and seat, because each seat of a booking has deliveries with the same uid. */
function identify({ triggerEvent, createdAt, payload }: z.output<typeof envelope>): string {
  const facts = identity.safeParse(payload).data
  const [first = '', ...more] = facts?.attendees?.map(({ email }) => email) ?? []
  const seat = facts?.attendeeSeatId
  // The seat comes last and only if present, so that the ids of events stored earlier stay the same.
  const parts = [triggerEvent, facts?.uid ?? '', createdAt.toISOString(), first, ...more]
  if (seat !== undefined) parts.push(seat)
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** Applies the events of a claim to their bookings, and finishes them. */
export async function processCalcom(ctx: BillingContext, claim: Claim): Promise<void> {
  for (const body of bodiesOf(claim)) {
    const event = envelope.parse(body)
    const trigger = event.triggerEvent
    const read = readBookingPayload(event.payload)
    // A cancellation or rejection needs no times where the booking is known.
    const isWhole = read?.startTime && read.endTime
    const booking = isWhole || /_(CANCELLED|REJECTED)$/.test(trigger) ? read : null
    if (!isBookingTrigger(trigger)) {
      await finishEvents(ctx.db, claim, { status: 'ignored', reason: null })
    } else if (!booking) {
      const reason = 'unreadable_booking'
      await finishEvents(ctx.db, claim, { status: 'needs_attention', reason })
    } else {
      const change = { trigger, createdAt: event.createdAt, payload: booking }
      await applyBooking(ctx, change, async (tx, isForgotten) => {
        await finishEvents(tx, claim, { status: 'processed', reason: null })
        if (isForgotten) await emptyEvents(tx, claim)
      })
    }
  }
}
