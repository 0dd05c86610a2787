/**
 * The jobs of the default instance, for `createWorker` or `runPending` of `@repo/jobs`. An instance of `createBilling`
 * has its jobs in `jobs`.
 *
 * @module
 */

import type { JobDefinition } from '@repo/core'
import { billing } from './billing.ts'

export { billingCron } from './jobs.ts'

/** The jobs of the default instance. */
export const billingJobs: readonly JobDefinition<object>[] = billing.jobs
