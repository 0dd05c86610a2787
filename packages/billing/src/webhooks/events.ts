/**
 * The event store: what a provider sent is durable before the provider is told so.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'

/** Stripe's largest events are a few hundred kilobytes. */
export const MAX_BODY_BYTES = 512 * 1024

export interface ReceivedEvent {
  provider: 'stripe' | 'calcom'
  eventId: string
  type: string
  providerCreatedAt: Date | null
  apiVersion: string | null
  payload: string
}

/** How the processing of an event ended. */
export interface Outcome {
  status: 'processed' | 'ignored' | 'needs_attention'
  /** A code; null when all is well. */
  reason: string | null
}

/**
 * The body as it arrived, byte for byte.
 *
 * @throws `payload_too_large`, before more than the limit is read; `invalid_payload` for bytes that
 * are no UTF-8, which no provider signs and PostgreSQL would not store.
 */
export async function readBody(req: Request): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = Number(req.headers.get('content-length') ?? 0)
  const tooLarge = () =>
    new BillingError('payload_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes.`)
  if (size > MAX_BODY_BYTES) throw tooLarge()
  size = 0
  for await (const chunk of req.body ?? []) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw tooLarge()
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new BillingError('invalid_payload', 'The body is not UTF-8.')
  }
}

/** Reads a stored event and does what it asks for. Doing it twice does no harm. */
export type Process = (ctx: BillingContext, payload: string) => Promise<Outcome>

/**
 * Stores the event, processes it, and answers. The answer is 200 once the event is stored and dealt
 * with, at once for one dealt with before, and an error if it still waits, so that the provider
 * sends it again. Processing asks the provider for the present state, so being processed twice, or
 * by two requests at once, does no harm.
 */
export async function receive(
  ctx: BillingContext,
  event: ReceivedEvent,
  process: Process,
): Promise<Response> {
  const { provider, eventId, type } = event
  const stored = await ctx.db.webhookEvent.createMany({ data: [event], skipDuplicates: true })
  if (stored.count === 0) {
    const present = await ctx.db.webhookEvent.findUniqueOrThrow({ where: keyOf(event) })
    if (present.status !== 'pending') {
      ctx.logger.info({ provider, eventId, type }, 'webhook duplicate')
      return Response.json({ received: true, duplicate: true })
    }
  }
  await processEvent(ctx, event, process)
  return Response.json({ received: true })
}

/**
 * Processes a stored event and writes down how that ended.
 *
 * @throws `processing_failed`; the event stays pending, with the reason.
 */
export async function processEvent(
  ctx: BillingContext,
  event: ReceivedEvent,
  process: Process,
): Promise<Outcome> {
  const { provider, eventId, type } = event
  const where = keyOf(event)
  try {
    const outcome = await process(ctx, event.payload)
    await ctx.db.webhookEvent.update({
      where,
      data: { ...outcome, attempts: { increment: 1 }, processedAt: new Date() },
    })
    ctx.logger.info({ provider, eventId, type, ...outcome }, 'webhook')
    return outcome
  } catch (error) {
    const reason = error instanceof BillingError ? error.code : 'internal_error'
    await ctx.db.webhookEvent.update({ where, data: { reason, attempts: { increment: 1 } } })
    ctx.logger.error({ provider, eventId, type, error }, 'webhook waits')
    throw new BillingError(
      'processing_failed',
      `The event ${eventId} is stored and not yet processed (${reason}). Send it again.`,
      { cause: error },
    )
  }
}

const keyOf = ({ provider, eventId }: Pick<ReceivedEvent, 'provider' | 'eventId'>) => ({
  provider_eventId: { provider, eventId },
})
