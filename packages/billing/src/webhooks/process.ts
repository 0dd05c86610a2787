/**
 * Processes stored events until none is due. The worker's job, a cron route or a person starts it, and
 * several passes may run at once.
 *
 * @module
 */

import { isConnectionLost } from '../connection-lost.ts'
import type { BillingContext } from '../context.ts'
import { requireAccount } from '../customers/account.ts'
import { takeWaitingEffects } from '../effects/waiting.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { countEvent, inSpan, recordProcessing } from '../telemetry.ts'
import { claimAround, claimEvents, type EventKey, postponeEvents } from './queue.ts'
import type { Claim } from './row.ts'

/** When `processEvents` stops. */
export interface ProcessOptions {
  /** Claims no more events once aborted. */
  signal?: AbortSignal
  /** Claims no more events after this many milliseconds. Default: no limit. */
  limitMs?: number
}

/** Counts of one pass. */
export interface ProcessResult {
  /** Events that were finished. */
  processed: number
  /** Events that were postponed to a later try. */
  waiting: number
  /** Events whose tries are used up. */
  dead: number
  /** False: the pass was stopped while events were due. */
  isDrained: boolean
}

/** Processes all due events. The contract is in `functions/webhooks.ts`. */
export async function processEvents(
  ctx: BillingContext,
  options: ProcessOptions = {},
): Promise<ProcessResult> {
  const result: ProcessResult = { processed: 0, waiting: 0, dead: 0, isDrained: true }
  const until = Date.now() + (options.limitMs ?? Number.POSITIVE_INFINITY)
  await requireOwnKey(ctx)
  const stuck: EventKey[] = []
  let claims = 0
  const lane = async () => {
    for (;;) {
      if (options.signal?.aborted || Date.now() > until) {
        result.isDrained = false
        return
      }
      const claim = await claimOr(ctx, stuck)
      if (!claim) return
      // There are more events than these lanes can process soon, so another worker is signalled.
      if (++claims === 2 * ctx.events.lanes) ctx.signalWorker()
      await work(ctx, claim, result)
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: ctx.events.lanes }, lane))
  // An error is thrown after all lanes have ended, because a host that closes its database on an
  // error must not interrupt the others.
  for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason
  await takeWaitingEffects(ctx, options.signal ? { signal: options.signal } : {})
  return result
}

/**
 * Stops before any claim if the key belongs to another account, so that no event loses a try. @throws
 * `other_account`.
 */
async function requireOwnKey(ctx: BillingContext): Promise<void> {
  if (ctx.provider.name !== 'stripe' && !ctx.given.stripe) return
  await requireAccount(ctx).catch((error: unknown) => {
    // Events of other providers are processed even while Stripe is unavailable.
    if (isBillingError(error, 'other_account')) throw error
    ctx.logger.warn({ error }, 'could not check the account at Stripe')
  })
}

/** How often a claim is tried while other passes hold events that may be refused. */
const MOST_TRIES = 10

const isSame = (a: EventKey, b: EventKey): boolean =>
  a.provider === b.provider && a.eventId === b.eventId

/** The next claim. Events that the database refuses to update are skipped for the rest of the pass. */
async function claimOr(ctx: BillingContext, stuck: EventKey[]): Promise<Claim | null> {
  for (let tries = 1; ; tries += 1) {
    const known = stuck.length
    try {
      return await claimEvents(ctx, stuck)
    } catch (error) {
      if (isConnectionLost(error)) throw error
      const { refused, hasHeld } = await claimAround(ctx, stuck)
      // Another lane or pass may look for the same event at this moment, and hold it.
      const mayBeHeld = hasHeld || stuck.length > known
      // If each event can be claimed alone, the error has another cause and ends the pass.
      if (refused.length === 0 && (!mayBeHeld || tries === MOST_TRIES)) throw error
      for (const { key, error: why } of refused) {
        if (stuck.some((each) => isSame(each, key))) continue
        stuck.push(key)
        ctx.logger.error({ ...key, error: why }, 'skipped an event that cannot be claimed')
        ctx.alert({ code: 'event_stuck', ...key })
      }
    }
  }
}

async function work(ctx: BillingContext, claim: Claim, result: ProcessResult): Promise<void> {
  const { provider, events } = claim
  const began = performance.now()
  const attributes = { 'tollgate.provider': provider, 'tollgate.events': events.length }
  let outcome = 'processed'
  try {
    await inSpan('process webhook events', attributes, () => attempt(ctx, claim))
    result.processed += events.length
    for (const { eventId, type, attempts } of events) {
      ctx.logger.info({ provider, eventId, type, attempts }, 'webhook processed')
    }
  } catch (error) {
    const reason = error instanceof BillingError ? error.code : 'internal_error'
    outcome = 'failed'
    await putOff(ctx, claim, reason, error, result)
  }
  const worked = (performance.now() - began) / 1000
  const times = events.flatMap(({ ageSeconds, isDue }) =>
    isDue && ageSeconds < OLD_SECONDS ? ageSeconds + worked : [],
  )
  for (const seconds of times) recordProcessing(provider, outcome, seconds)
  for (const { type } of events) countEvent(provider, type, outcome)
  const seconds = Math.max(worked, ...times)
  if (seconds > ctx.limits.processingSeconds) ctx.alert({ code: 'processing_slow', seconds })
}

/** Older events are left out of the processing time: they were replayed, or their tries are far apart. */
const OLD_SECONDS = 24 * 60 * 60

async function attempt(ctx: BillingContext, claim: Claim): Promise<void> {
  const process = ctx.processors[claim.provider]
  if (!process)
    throw new Error(
      `No module processes events of ${claim.provider}. Add the provider to PROCESSORS in create-context.ts of billing.`,
    )
  // An event that crashed its process each time has more attempts than there are retry delays.
  const isSpent = claim.events.some(
    ({ attempts }) => attempts > ctx.events.retryDelaysMs.length + 1,
  )
  if (isSpent)
    throw new BillingError(
      'processing_failed',
      'Every attempt to process the event was interrupted.',
    )
  await process(ctx, claim)
}

async function putOff(
  ctx: BillingContext,
  claim: Claim,
  reason: string,
  error: unknown,
  result: ProcessResult,
): Promise<void> {
  const { provider } = claim
  const put = await postponeEvents(ctx, claim, reason)
  // The other events of the claim were finished before the failure, or were not due.
  const due = claim.events.filter(({ isDue }) => isDue).length
  result.processed += due - put.length
  for (const { eventId, type, attempts } of put) {
    const isDead = attempts > ctx.events.retryDelaysMs.length
    ctx.logger.error(
      { provider, eventId, type, attempts, reason, error },
      isDead ? 'webhook dead' : 'webhook postponed',
    )
    if (isDead) ctx.alert({ code: 'event_dead', provider, eventId, type, reason })
    result[isDead ? 'dead' : 'waiting'] += 1
  }
}
