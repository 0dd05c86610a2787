/**
 * The jobs of the default instance, for `createWorker` or `runPending` of `@repo/jobs`. Other instances have
 * theirs in `jobs`. Without a worker no mail of auth is sent.
 *
 * @module
 */

import { defineJob, type JobDefinition } from '@repo/core'
import { auth } from './auth.ts'
import { JOBS } from './job-names.ts'

export { authCron } from './jobs.ts'

/**
 * The jobs. The default instance is made when the first job runs, so importing the list reads no environment
 * variable.
 */
export const authJobs: readonly JobDefinition<object>[] = JOBS.map(({ name, maxAttempts }) => {
  const job = () => auth.jobs.find((one) => one.name === name) as JobDefinition<object>
  return defineJob<object>({
    name,
    maxAttempts,
    parse: (payload) => job().parse(payload),
    run: (payload, info) => job().run(payload, info),
  })
})
