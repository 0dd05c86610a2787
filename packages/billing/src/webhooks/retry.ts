/**
 * Events that still wait: for a cron route or a person, so that nothing depends on the provider
 * sending them again. Cal.com sends once.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { BillingError } from '../errors.ts'
import { processCalcomEvent } from './calcom.ts'
import { type Process, processEvent, type ReceivedEvent } from './events.ts'
import { processStripeEvent } from './stripe.ts'

const PROCESS: Record<ReceivedEvent['provider'], Process> = {
  stripe: processStripeEvent,
  calcom: processCalcomEvent,
}

export interface WaitingEvent {
  provider: string
  eventId: string
  type: string
  /** `pending` or `needs_attention`. */
  status: string
  /** A code; null for one that was never tried to the end. */
  reason: string | null
  attempts: number
  receivedAt: Date
}

/** Events that are pending or need a person's attention, the oldest first. */
export function listWaitingEvents(ctx: BillingContext, limit = 100): Promise<WaitingEvent[]> {
  return ctx.db.webhookEvent.findMany({
    where: { status: { in: ['pending', 'needs_attention'] } },
    select: {
      provider: true,
      eventId: true,
      type: true,
      status: true,
      reason: true,
      attempts: true,
      receivedAt: true,
    },
    orderBy: { receivedAt: 'asc' },
    take: limit,
  })
}

export interface RetryResult {
  /** Dealt with now. */
  processed: string[]
  /** Still pending. */
  waiting: string[]
}

/** Processes what is pending, the oldest first. Ids are the providers' event ids. */
export async function retryPendingEvents(ctx: BillingContext, limit = 1000): Promise<RetryResult> {
  const pending = await ctx.db.webhookEvent.findMany({
    where: { status: 'pending' },
    orderBy: { receivedAt: 'asc' },
    take: limit,
  })
  const result: RetryResult = { processed: [], waiting: [] }
  for (const row of pending) {
    const event = { ...row, provider: row.provider as ReceivedEvent['provider'] }
    try {
      await processEvent(ctx, event, PROCESS[event.provider])
      result.processed.push(row.eventId)
    } catch (error) {
      if (!(error instanceof BillingError)) throw error
      result.waiting.push(row.eventId)
    }
  }
  return result
}
