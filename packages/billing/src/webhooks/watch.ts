/**
 * Watches the queue of events every minute: records metrics, and raises alerts through `onAlert`.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { recordBacklog } from '../telemetry.ts'

/** The state of the event queue. */
export interface QueueHealth {
  /** Number of pending events. */
  size: number
  /** How long the oldest due event has been due. 0: none is due. */
  ageSeconds: number
  /** The share of events of the last hour that were tried and finished. Null: none was tried. */
  successRate: number | null
}

/** The fewest events for which a rate can raise an alert. */
const MIN_SAMPLE = 20

/**
 * Reads the state of the queue and raises `backlog_old` or `success_rate_low`.
 * The contract is in `functions/webhooks.ts`.
 */
export async function watchEvents(ctx: BillingContext): Promise<QueueHealth> {
  const [row] = await ctx.db.$queryRaw<
    [{ size: number; ageSeconds: number; all: number; well: number }]
  >`
    SELECT * FROM (
      SELECT count(*)::int AS "size", coalesce(greatest(0, extract(epoch FROM
        clock_timestamp() - min("nextAttemptAt"))), 0)::float8 AS "ageSeconds"
      FROM "WebhookEvent" WHERE "status" = 'pending') waiting, (
      SELECT count(*)::int AS "all",
        (count(*) FILTER (WHERE "status" NOT IN ('pending', 'dead')))::int AS "well"
      FROM "WebhookEvent"
      WHERE "receivedAt" > now() - interval '1 hour' AND "attempts" > 0) tried`
  const { all, well, ...waiting } = row
  const successRate = all === 0 ? null : well / all
  recordBacklog(waiting.ageSeconds, waiting.size)
  const { limits } = ctx
  if (waiting.ageSeconds > limits.backlogSeconds) ctx.alert({ code: 'backlog_old', ...waiting })
  if (successRate !== null && all >= MIN_SAMPLE && successRate < limits.successRate) {
    ctx.alert({ code: 'success_rate_low', rate: successRate, threshold: limits.successRate })
  }
  return { ...waiting, successRate }
}
