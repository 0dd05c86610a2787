/**
 * Repairs as jobs. A job does a part of its repair and, where that is not the end, queues itself under a key, so that a
 * repair outlives deployments and the time limits of functions.
 *
 * @module
 */

import { defineJob, type JobDefinition } from '@repo/core'
import { enqueue } from '@repo/jobs'
import type { BillingContext } from '../context.ts'
import type { RunOptions } from './repair-run.ts'

/** Long enough to be worth it, short enough that other jobs get their turn. */
export const PASS_MS = 20_000

/** A job that runs a repair until it has come to its end. */
export function repairJob(
  ctx: BillingContext,
  name: string,
  run: (options: RunOptions) => Promise<{ outcome: string }>,
): JobDefinition<object> {
  const job: JobDefinition<object> = defineJob<object>({
    name,
    parse: () => ({}),
    maxAttempts: 3,
    async run(_, { signal }) {
      const { outcome } = await run({ signal, limitMs: PASS_MS })
      if (outcome === 'stopped') await enqueue(ctx.db, job, {}, { key: name })
      // The other run may have been killed: its right ends with its lease.
      if (outcome === 'busy') {
        await enqueue(
          ctx.db,
          job,
          {},
          { key: name, runAt: new Date(Date.now() + ctx.events.leaseMs) },
        )
      }
    },
  })
  return job
}
