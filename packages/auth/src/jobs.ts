/**
 * Auth's jobs, and when cron runs them.
 *
 * @module
 */

import { defineJob, type JobDefinition } from '@repo/core'
import type { CronEntry } from '@repo/jobs'

/** What each job does. */
export type JobWork = Record<
  (typeof JOBS)[number]['name'],
  Pick<JobDefinition<object>, 'parse' | 'run'>
>

export const JOBS = [
  // About an hour and a half: a link that comes later is no longer expected.
  { name: 'auth.mail', maxAttempts: 8 },
] as const

export const createJobs = (work: JobWork): readonly JobDefinition<object>[] =>
  JOBS.map(({ name, maxAttempts }) => defineJob<object>({ name, maxAttempts, ...work[name] }))

export const authCron: readonly CronEntry[] = []
