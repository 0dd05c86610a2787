/**
 * Mails about what happened to the security of an account. They follow from the entries of the audit log, so what
 * is recorded is told. Of one kind a person gets one mail in ten minutes, and nobody waits for it.
 *
 * @module
 */

import { networkOf, type RateLimiter, type RateLimitPolicy } from '@repo/core/rate-limit'
import { type Database, Prisma } from '@repo/db'
import type { AuditAction, AuditEntry } from '../audit.ts'
import type { Mails } from '../mail-requests.ts'
import { deviceOf, familyOf } from './device.ts'
import type { SecurityAlert } from './mail-kinds.ts'

/** What is told, by what was recorded. */
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
  program_allowed: 'program_allowed',
  program_created: 'program_created',
  program_changed: 'program_changed',
  program_secret_replaced: 'program_secret_replaced',
}

const ONE_OF_A_KIND: RateLimitPolicy = { name: 'security-alert', limit: 1, windowSeconds: 600 }

export interface AlertOptions {
  db: Database
  limiter: RateLimiter
  mails: Pick<Mails, 'request'>
}

/** Queues the mail that an entry of the audit log asks for, if it asks for one. */
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

async function isNews(db: Database, entry: AuditEntry): Promise<boolean> {
  if (entry.action === 'sign_in') return isUnfamiliar(db, entry)
  // The account that a sign-up came with is the account's first way in, and nothing was added.
  if (entry.action === 'account_linked') return hasOtherWayIn(db, entry.userId ?? '')
  return true
}

/**
 * From a network or with a browser that the person has not signed in with before, by the audit log. Somebody's
 * first sign-in is none.
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
