/**
 * Runs repairs as jobs. A job does a part of its repair and queues itself again until the repair is done, so
 * that a repair survives deployments and the time limits of functions.
 *
 * @module
 */

import { defineJob, type JobDefinition } from '@repo/core'
import { enqueue } from '@repo/jobs/queue'
import type { BillingContext } from '../context.ts'
import type { RunOptions } from './repair-run.ts'

/** How long one job works on its repair, so that other jobs get their turn. */
export const PASS_MS = 20_000

/** Defines a job that runs `run` and queues itself again until the repair is done. */
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
      // The other run may have been killed. Its lease has ended by then.
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
