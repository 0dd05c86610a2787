/**
 * Auth's jobs and their cron times.
 *
 * @module
 */

import { defineJob, type JobDefinition } from '@repo/core'
import { db } from '@repo/db'
import type { CronEntry } from '@repo/jobs'
import type { DeletionParts } from './account/deletion.ts'
import { pruneAuditLog } from './audit/audit.ts'
import { DELIVER_EVENTS, type EventDelivery } from './events.ts'
import { JOBS } from './job-names.ts'
import type { Mails } from './mail/mail-requests.ts'
import { type AnyAuthOptions, accountDays } from './options.ts'
import { purgeUnconfirmed } from './sign-in/unconfirmed.ts'

const YEAR_DAYS = 365
const MONTH_DAYS = 30
const DAY_MS = 24 * 60 * 60 * 1000

/** Makes the job definitions for a worker. Better Auth is loaded when a job that needs it runs. */
export function createJobs(
  options: AnyAuthOptions,
  mails: Mails,
  events: EventDelivery,
  deletion: DeletionParts,
): readonly JobDefinition<object>[] {
  const { undoEmailChangeDays } = accountDays(options)
  const work: Record<(typeof JOBS)[number]['name'], Mails['work']> = {
    'auth.mail': mails.work,
    'auth.pruneAuditLog': {
      parse: () => ({}),
      run: () => pruneAuditLog(options.db ?? db, options.keepAuditDays ?? YEAR_DAYS),
    },
    'auth.purgeExpired': {
      parse: () => ({}),
      run: async () => (await import('./session/expired.ts')).purgeExpired(options.db ?? db),
    },
    'auth.purgeUnconfirmed': {
      parse: () => ({}),
      run: () => purgeUnconfirmed(options.db ?? db, options.keepUnconfirmedDays ?? MONTH_DAYS),
    },
    'auth.deleteUsers': {
      parse: () => ({}),
      run: async () => (await import('./account/deletion.ts')).deleteDueUsers(deletion),
    },
    'auth.forgetEmailChanges': {
      parse: () => ({}),
      async run() {
        const { forgetEmailChanges } = await import('./account/email-change.ts')
        return forgetEmailChanges(deletion.db, undoEmailChangeDays)
      },
    },
    [DELIVER_EVENTS]: { parse: () => ({}), run: events.work },
  }
  return JOBS.map(({ name, maxAttempts }) =>
    defineJob<object>({ name, maxAttempts, ...work[name] }),
  )
}

/** The cron times, in UTC. With `backfillMs`, a missed run is made up for within that time. */
export const authCron: readonly CronEntry[] = [
  { pattern: '* * * * *', job: DELIVER_EVENTS },
  { pattern: '37 * * * *', job: 'auth.purgeExpired' },
  { pattern: '53 3 * * *', job: 'auth.pruneAuditLog', backfillMs: DAY_MS },
  { pattern: '23 4 * * *', job: 'auth.purgeUnconfirmed', backfillMs: DAY_MS },
  { pattern: '41 * * * *', job: 'auth.deleteUsers', backfillMs: DAY_MS },
  { pattern: '47 4 * * *', job: 'auth.forgetEmailChanges', backfillMs: DAY_MS },
]
