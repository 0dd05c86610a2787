/**
 * A look at the queue every minute: what it shows goes to the metrics, and what is wrong to `onAlert`.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { recordBacklog } from '../telemetry.ts'

export interface QueueHealth {
  /** Events that wait, and how long the one that is due the longest has been. */
  size: number
  ageSeconds: number
  /** The share of the last hour's tried events that ended well; null when none was tried. */
  successRate: number | null
}

/** Fewer than this say nothing about a rate. */
const MIN_SAMPLE = 20

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
