/**
 * The names of auth's jobs.
 *
 * @module
 */

import { DELIVER_EVENTS } from './events.ts'

/** All jobs of auth, as a list that needs no configuration. */
export const JOBS = [
  // The tries take about half an hour. Nobody expects a link that comes later.
  { name: 'auth.mail', maxAttempts: 8 },
  { name: 'auth.pruneAuditLog', maxAttempts: 3 },
  { name: 'auth.purgeExpired', maxAttempts: 3 },
  { name: 'auth.purgeUnconfirmed', maxAttempts: 3 },
  { name: 'auth.deleteUsers', maxAttempts: 3 },
  { name: 'auth.forgetEmailChanges', maxAttempts: 3 },
  { name: DELIVER_EVENTS, maxAttempts: 3 },
] as const
