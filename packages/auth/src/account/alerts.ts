/**
 * Mails about security events of an account. Each mail follows from an entry in the audit log. A user gets at
 * most one mail of a kind in ten minutes. No request waits for these mails.
 *
 * @module
 */

import { networkOf, type RateLimiter, type RateLimitPolicy } from '@repo/core/rate-limit'
import { type Database, Prisma } from '@repo/db'
import type { AuditAction, AuditEntry } from '../audit/audit.ts'
import type { Mails } from '../mail/mail-requests.ts'
import { deviceOf, familyOf } from './device.ts'
import type { SecurityAlert } from './mail-kinds.ts'

/** The alert for each recorded action. */
const ALERTS: { [Action in AuditAction]?: SecurityAlert } = {
  sign_in: 'new_sign_in',
  passkey_added: 'passkey_added',
  passkey_removed: 'passkey_removed',
  account_linked: 'provider_added',
  account_unlinked: 'provider_removed',
  password_set: 'password_set',
  password_changed: 'password_changed',
  password_reset: 'password_reset',
  two_factor_enabled: 'two_factor_enabled',
  two_factor_disabled: 'two_factor_disabled',
  second_factor_shown: 'second_factor_shown',
  backup_codes_replaced: 'backup_codes_replaced',
  email_changed: 'email_changed',
  program_allowed: 'program_allowed', // #oauth-server
  program_created: 'program_created', // #oauth-server
  program_changed: 'program_changed', // #oauth-server
  program_secret_replaced: 'program_secret_replaced', // #oauth-server
}

/** One mail of a kind in ten minutes. */
const ONE_OF_A_KIND: RateLimitPolicy = { name: 'security-alert', limit: 1, windowSeconds: 600 }

/** The dependencies of `tellOf`. */
export interface AlertOptions {
  db: Database
  limiter: RateLimiter
  mails: Pick<Mails, 'request'>
}

/** Queues the alert for an entry of the audit log, if its action has one. */
export async function tellOf(
  { db, limiter, mails }: AlertOptions,
  entry: AuditEntry,
): Promise<void> {
  const { action, userId, ip, userAgent, detail } = entry
  const alert = ALERTS[action]
  if (!alert || !userId || !(await isNews(db, entry))) return
  const { isAllowed } = await limiter.consume(ONE_OF_A_KIND, `${userId}\n${alert}`)
  if (!isAllowed) return
  const about = detail?.to ?? detail?.from
  const { device } = deviceOf(userAgent ?? null)
  const network = ip ? networkOf(ip) : null
  await mails.request({
    mail: 'account',
    account: {
      kind: 'alert',
      userId,
      alert,
      at: new Date().toISOString(),
      ...(about ? { about } : {}),
      ...(device ? { device } : {}),
      ...(network ? { network } : {}),
    },
  })
}

/** Whether the user does not expect the event. */
async function isNews(db: Database, entry: AuditEntry): Promise<boolean> {
  if (entry.action === 'sign_in') return isUnfamiliar(db, entry)
  // The provider's account of a sign-up is the user's first, so nothing was added.
  if (entry.action === 'account_linked') return hasOtherWayIn(db, entry.userId ?? '')
  return true
}

/**
 * Whether the audit log has no earlier sign-in of the user from this network, or none with this browser.
 * False for the user's first sign-in.
 */
async function isUnfamiliar(db: Database, entry: AuditEntry): Promise<boolean> {
  const { userId, sessionId, ip, userAgent } = entry
  const network = ip ? networkOf(ip) : null
  const family = userAgent ? familyOf(userAgent) : null
  const before = Prisma.sql`FROM "AuditLog" WHERE "userId" = ${userId ?? ''} AND "action" = 'sign_in'
    AND "sessionId" <> ${sessionId ?? ''}`
  const [known] = await db.$queryRaw<[{ any: boolean; network: boolean; family: boolean }]>`
    SELECT EXISTS (SELECT ${before}) AS "any", EXISTS (SELECT ${before} AND "ip" = ${network}) AS "network",
      EXISTS (SELECT ${before} AND "userAgent" = ${family}) AS "family"`
  if (!known.any) return false
  return (network !== null && !known.network) || (family !== null && !known.family)
}

async function hasOtherWayIn(db: Database, userId: string): Promise<boolean> {
  const accounts = await db.account.count({ where: { userId } })
  return accounts > 1 || (await db.passkey.count({ where: { userId } })) > 0
}
