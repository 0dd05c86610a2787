/**
 * The names of auth's jobs.
 *
 * @module
 */

import { DELIVER_EVENTS } from './events.ts'

/** The jobs there are, so that a list of them can be had before anything is configured. */
export const JOBS = [
  // About an hour and a half: a link that comes later is no longer expected.
  { name: 'auth.mail', maxAttempts: 8 },
  { name: 'auth.pruneAuditLog', maxAttempts: 3 },
  { name: 'auth.purgeExpired', maxAttempts: 3 },
  { name: 'auth.purgeUnconfirmed', maxAttempts: 3 },
  { name: 'auth.deleteUsers', maxAttempts: 3 },
  { name: 'auth.forgetEmailChanges', maxAttempts: 3 },
  { name: DELIVER_EVENTS, maxAttempts: 3 },
] as const
