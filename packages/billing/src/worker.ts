/**
 * The default instance's jobs, for `createWorker` or `runPending` of `@repo/jobs`. Another instance
 * has its own in `jobs`.
 *
 * @module
 */

import type { JobDefinition } from '@repo/core'
import { billing } from './billing.ts'

export { billingCron } from './jobs.ts'

export const billingJobs: readonly JobDefinition<object>[] = billing.jobs
