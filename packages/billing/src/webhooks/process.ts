/**
 * Processing: working through stored events until none is due. Run by the worker's job, by a cron
 * route or by a person; any number may run at once.
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

export interface ProcessOptions {
  /** Stop taking more. */
  signal?: AbortSignal
  /** Stop taking more after this long. Default: not before nothing is due. */
  limitMs?: number
}

export interface ProcessResult {
  /** Events dealt with. */
  processed: number
  /** Events put off to a later try. */
  waiting: number
  /** Events whose tries are used up. */
  dead: number
  /** False: stopped with work left. */
  isDrained: boolean
}

/** Processes what is due. Events of one customer share one sync; customers go side by side. */
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
      // More than these lanes can take at once: another worker should lend a hand.
      if (++claims === 2 * ctx.events.lanes) ctx.wake()
      await work(ctx, claim, result)
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: ctx.events.lanes }, lane))
  // Told when all have ended: a host that closes its database after a failure must not cut the rest.
  for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason
  await takeWaitingEffects(ctx, options.signal ? { signal: options.signal } : {})
  return result
}

/** A key of another account takes no events, and so costs them no tries. @throws `other_account` */
async function requireOwnKey(ctx: BillingContext): Promise<void> {
  if (ctx.provider.name !== 'stripe' && !ctx.given.stripe) return
  await requireAccount(ctx).catch((error: unknown) => {
    // What does not depend on Stripe goes on while Stripe is away.
    if (isBillingError(error, 'other_account')) throw error
    ctx.logger.warn({ error }, 'the account at Stripe could not be checked')
  })
}

/** The next claim. Events that the database will not let anybody take are left aside for the rest of the pass. */
async function claimOr(ctx: BillingContext, stuck: EventKey[]): Promise<Claim | null> {
  for (;;) {
    try {
      return await claimEvents(ctx, stuck)
    } catch (error) {
      if (isConnectionLost(error)) throw error
      const refused = await claimAround(ctx, stuck)
      // Without a culprit the fault lies elsewhere, and the pass ends with it.
      if (refused.length === 0) throw error
      for (const { key, error: why } of refused) {
        stuck.push(key)
        ctx.logger.error({ ...key, error: why }, 'an event cannot be claimed')
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

/** An event that arrived longer ago was replayed by somebody, or its tries are far apart: that is told elsewhere. */
const OLD_SECONDS = 24 * 60 * 60

async function attempt(ctx: BillingContext, claim: Claim): Promise<void> {
  const process = ctx.processors[claim.provider]
  if (!process) throw new Error(`No module processes events of ${claim.provider}.`)
  // One that ended its process every time has more tries behind it than the curve has.
  const isSpent = claim.events.some(
    ({ attempts }) => attempts > ctx.events.retryDelaysMs.length + 1,
  )
  if (isSpent) throw new BillingError('processing_failed', 'Processing never came to an end.')
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
  // What else the claim held was finished before the failure, or was not due.
  const due = claim.events.filter(({ isDue }) => isDue).length
  result.processed += due - put.length
  for (const { eventId, type, attempts } of put) {
    const isDead = attempts > ctx.events.retryDelaysMs.length
    ctx.logger.error({ provider, eventId, type, attempts, reason, error }, 'webhook waits')
    if (isDead) ctx.alert({ code: 'event_dead', provider, eventId, type, reason })
    result[isDead ? 'dead' : 'waiting'] += 1
  }
}
