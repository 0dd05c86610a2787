/**
 * The audit log: what happened to accounts, and who did it. Entries are only added. The database refuses to
 * change an entry, or to delete one that is younger than 90 days. Besides ids an entry holds no personal data:
 * it keeps the network of an address and the family of a browser.
 *
 * @module
 */

import {
  ArgumentError,
  optional,
  requireDate,
  requireId,
  requireLimit,
  requireOptions,
} from '@repo/core'
import { networkOf } from '@repo/core/rate-limit'
import type { Db, Prisma } from '@repo/db'
import { familyOf } from '../account/device.ts'

/** Everything that the audit log records. */
export type AuditAction =
  | 'account_linked'
  | 'account_unlinked'
  | 'address_given_up'
  | 'backup_codes_replaced'
  | 'deletion_blocked'
  | 'deletion_cancelled'
  | 'deletion_requested'
  | 'email_change_requested'
  | 'email_change_undone'
  | 'email_changed'
  | 'address_confirmed'
  | 'impersonation_started'
  | 'impersonation_stopped'
  | 'invitation_canceled'
  | 'invitation_rejected'
  | 'member_added'
  | 'member_invited'
  | 'member_removed'
  | 'organization_changed'
  | 'organization_created'
  | 'organization_deleted'
  | 'passkey_added'
  | 'passkey_removed'
  | 'passkey_renamed'
  | 'password_changed'
  | 'password_failed'
  | 'password_reset'
  | 'password_reset_requested'
  | 'password_set'
  | 'profile_changed'
  | 'program_allowed' // #oauth-server
  | 'program_changed' // #oauth-server
  | 'program_consent_changed' // #oauth-server
  | 'program_consent_withdrawn' // #oauth-server
  | 'program_created' // #oauth-server
  | 'program_deleted' // #oauth-server
  | 'program_disabled' // #oauth-server
  | 'program_secret_replaced' // #oauth-server
  | 'refresh_token_reused'
  | 'role_changed'
  | 'second_factor'
  | 'second_factor_failed'
  | 'second_factor_prepared'
  | 'second_factor_shown'
  | 'session_reused'
  | 'session_revoked'
  | 'sign_in'
  | 'sign_in_failed'
  | 'sign_out'
  | 'two_factor_disabled'
  | 'two_factor_enabled'
  | 'user_deleted'
  | 'user_exported'
  | 'users_imported'
  | 'users_purged'

/** The particulars of an entry. Each is left out where the action has none. A type, so that it counts as JSON. */
export type AuditDetail = {
  /** A code: why it happened, or by which way. */
  reason?: string
  /** The value before, such as a role. */
  from?: string
  /** The value after. */
  to?: string
  /** The user who sent the accepted invitation. */
  by?: string
  /** How many rows it concerned. */
  count?: number
}

/** One entry to add to the audit log. */
export interface AuditEntry {
  /** What happened. */
  action: AuditAction
  /** The user whom the entry is about. Default null: no known user. */
  userId?: string | null
  /** The user who did it. Default null: nobody was signed in. */
  actorId?: string | null
  /** The organization that it happened in. Default null: none. */
  organizationId?: string | null
  /** The session in which it happened. Default null: none. */
  sessionId?: string | null
  /** A keyed hash that stands for an unknown address; see `subjectOf`. */
  subject?: string | null
  /** Codes, roles, numbers and ids, but no free text. Default: none. */
  detail?: AuditDetail
  /** The whole address. Only its network is stored. */
  ip?: string | null
  /** The `User-Agent` header. Only the browser's family is stored. */
  userAgent?: string | null
}

/** The ids of an entry that a filter may name. */
const IDS = ['userId', 'actorId', 'organizationId'] as const

/**
 * Adds an entry. `tx` may be a transaction or a client.
 *
 * @throws `invalid_argument` (400) for an id that is neither null nor a non-empty string
 */
export async function audit(tx: Pick<Db, 'auditLog'>, entry: AuditEntry): Promise<void> {
  const { ip, userAgent, detail, ...rest } = requireOptions('The entry', entry)
  requireId('action', rest.action)
  for (const key of [...IDS, 'sessionId', 'subject'] as const) {
    const id = rest[key]
    if (id !== undefined && id !== null) requireId(key, id)
  }
  await tx.auditLog.create({
    data: {
      ...rest,
      ...(detail ? { detail } : {}),
      ip: ip ? networkOf(ip) : null,
      userAgent: userAgent ? familyOf(userAgent) : null,
    },
  })
}

/** Which entries to read. Every filter that is given must match. */
export interface AuditFilter {
  /** The user whom the entry is about. Default: any. */
  userId?: string
  /** The user who did it. Default: any. */
  actorId?: string
  /** The organization that it happened in. Default: any. */
  organizationId?: string
  /** One action, or a list: entries with any of its actions match. Default: any. */
  action?: AuditAction | readonly AuditAction[]
  /** The earliest time, inclusive. */
  from?: Date
  /** The latest time, exclusive. */
  to?: Date
  /** `nextCursor` of the page before. */
  cursor?: string
  /** From 1 to 200. Default 50. */
  limit?: number
}

/** One page of the audit log. */
export interface AuditPage {
  /** The newest entry comes first. */
  entries: Prisma.AuditLogModel[]
  /** The cursor of the next page; null on the last page. */
  nextCursor: string | null
}

/** The longest page. */
const MAX_PAGE = 200
/** The names of all filters. */
const FILTERS: readonly string[] = [...IDS, 'action', 'from', 'to', 'cursor', 'limit']

/**
 * Reads a page of the entries that match every filter. Without a filter it reads the entries of every
 * organization. Entries that are added between two pages are neither skipped nor repeated.
 *
 * @throws `invalid_argument` (400) for an unknown filter, or a filter that is undefined or malformed
 */
export async function listAuditLog(
  db: Pick<Db, 'auditLog'>,
  ...given: [filter?: AuditFilter]
): Promise<AuditPage> {
  const filter = given.length === 0 ? {} : requireOptions('The filter', given[0] as AuditFilter)
  const unknown = Object.keys(filter).find((key) => !FILTERS.includes(key))
  if (unknown !== undefined)
    throw new ArgumentError(
      `${unknown} is an unknown filter. The filters are ${FILTERS.join(', ')}.`,
    )
  const ids = Object.fromEntries(
    IDS.flatMap((key) => {
      const id = optional(filter, key, requireId)
      return id === undefined ? [] : [[key, id]]
    }),
  )
  const actions = optional(filter, 'action', requireActions)
  const from = optional(filter, 'from', requireDate)
  const to = optional(filter, 'to', requireDate)
  // A filter without a cursor asks for the first page.
  const cursor = filter.cursor === undefined ? undefined : requireId('cursor', filter.cursor)
  const count = Math.min(requireLimit(filter.limit ?? 50, Number.MAX_SAFE_INTEGER), MAX_PAGE)
  const found = await db.auditLog.findMany({
    where: {
      ...ids,
      ...(actions ? { action: { in: actions } } : {}),
      ...(cursor ? { id: { lt: cursor } } : {}),
      createdAt: { ...(from ? { gte: from } : {}), ...(to ? { lt: to } : {}) },
    },
    orderBy: { id: 'desc' },
    take: count + 1,
  })
  const entries = found.slice(0, count)
  return { entries, nextCursor: found.length > count ? (entries.at(-1)?.id ?? null) : null }
}

const requireActions = (name: string, given: unknown): string[] =>
  (Array.isArray(given) ? given : [given]).map((action) => requireId(name, action))

const DAY_MS = 24 * 60 * 60 * 1000
/** The shortest time that entries are kept, in days. */
export const MIN_AUDIT_DAYS = 90

/**
 * Deletes entries older than `keepDays` days, and returns their number. Fewer than 90 days count as 90.
 *
 * @throws `invalid_argument` (400) if `keepDays` is not a finite number
 */
export async function pruneAuditLog(
  db: Pick<Db, '$queryRaw'>,
  keepDays: number,
  now = new Date(),
): Promise<number> {
  if (!Number.isFinite(keepDays)) throw new ArgumentError('keepDays must be a number of days.')
  const days = Math.max(keepDays, MIN_AUDIT_DAYS)
  const before = new Date(requireDate('now', now).getTime() - days * DAY_MS)
  // A database function deletes them, because the app's role need not have the right to delete entries.
  const [row] = await db.$queryRaw<[{ count: number }]>`
    SELECT "AuditLog_prune"(${before}::timestamptz)::int AS count`
  return row.count
}
