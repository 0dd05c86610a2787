/**
 * What of Better Auth's endpoints goes into the audit log. Placed last among the plugins: a sign-in that
 * still waits for its second factor is none.
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import type { Logger } from '@repo/core'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, getSessionFromCtx, isAPIError } from 'better-auth/api'
import type { AddressOf } from './addresses.ts'
import { type AuditEntry, audit } from './audit.ts'

export interface AuditHooksOptions {
  db: Database
  secret: string
  addressOf: AddressOf
  logger: Logger
}

type Ctx = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

/** A keyed hash of an e-mail address: the same for the same address, and readable by nobody. */
export const subjectOf = (secret: string, email: string): string =>
  createHmac('sha256', secret)
    .update(`audit:${email.trim().toLowerCase()}`)
    .digest('hex')
    .slice(0, 24)

/** Where a sign-in may end. */
const SIGNS_IN =
  /^\/(sign-in\/|callback\/|oauth2\/callback\/|magic-link\/verify|passkey\/verify-auth)/
const SECOND_FACTOR = /^\/two-factor\/verify-/

/** Endpoints of somebody who is signed in; who that is must be read before a session ends. */
const ACTS =
  /^\/(sign-out|revoke-|change-password|organization\/(update-member-role|remove-member|accept-invitation|leave)|admin\/|two-factor\/verify-)/

/** What is read before an endpoint has changed it. */
interface Before {
  userId: string
  sessionId: string
  impersonatedBy: string | null
  /** Whom the request is about, and the role until now. */
  target: { userId: string; role: string | null } | null
}

export function auditHooks({ db, secret, addressOf, logger }: AuditHooksOptions): BetterAuthPlugin {
  const seen = new WeakMap<object, Before>()

  const before = createAuthMiddleware(async (ctx) => {
    const source = ctx.request ?? ctx.headers
    const present = source && (await getSessionFromCtx(ctx))
    if (!present) return
    const { session, user } = present
    const { impersonatedBy } = session as { impersonatedBy?: string | null }
    seen.set(source, {
      userId: user.id,
      sessionId: session.id,
      impersonatedBy: impersonatedBy ?? null,
      target: await targetOf(ctx),
    })
  })

  async function targetOf(ctx: Ctx): Promise<Before['target']> {
    const body = (ctx.body ?? {}) as Record<string, unknown>
    const member = body.memberId ?? body.memberIdOrEmail
    if (ctx.path?.startsWith('/organization/') && typeof member === 'string') {
      const found = await db.member.findFirst({
        where: { OR: [{ id: member }, { user: { email: member.toLowerCase() } }] },
      })
      return found && { userId: found.userId, role: found.role }
    }
    if (!ctx.path?.startsWith('/admin/') || typeof body.userId !== 'string') return null
    const found = await db.user.findUnique({ where: { id: body.userId } })
    return found && { userId: found.id, role: found.role }
  }

  const after = createAuthMiddleware(async (ctx) => {
    const source = ctx.request ?? ctx.headers
    const entry = await entryOf(ctx, source ? seen.get(source) : undefined)
    if (!entry) return
    try {
      const ip = source ? addressOf(source) : null
      await audit(db, { ip, userAgent: ctx.headers?.get('user-agent') ?? null, ...entry })
    } catch (error) {
      // What has happened cannot be undone for want of an entry.
      logger.error({ action: entry.action, error }, 'not in the audit log')
    }
  })

  async function entryOf(ctx: Ctx, by: Before | undefined): Promise<AuditEntry | null> {
    const path = ctx.path ?? ''
    const { returned, newSession } = ctx.context
    // A redirect comes as an error, too.
    if (isAPIError(returned) && returned.statusCode >= 400) {
      return path === '/sign-in/email' ? failedSignIn(ctx, returned) : null
    }
    if (SIGNS_IN.test(path) || (SECOND_FACTOR.test(path) && !by)) {
      if (!newSession) return null
      const { id: userId } = newSession.user
      return { action: 'sign_in', userId, actorId: userId, sessionId: newSession.session.id }
    }
    if (!by) return null
    const own = { userId: by.userId, actorId: by.impersonatedBy ?? by.userId }
    const { sessionId, target } = by
    const about = { userId: target?.userId ?? null, actorId: by.userId }
    const body = (ctx.body ?? {}) as Record<string, unknown>
    const to = String(body.role ?? '')
    switch (path) {
      case '/sign-out':
        return { action: 'sign_out', ...own, sessionId }
      case '/change-password':
        return { action: 'password_changed', ...own }
      case '/revoke-session':
      case '/revoke-sessions':
      case '/revoke-other-sessions':
        return { action: 'session_revoked', ...own, detail: { reason: path.slice(1) } }
      case '/admin/revoke-user-session':
      case '/admin/revoke-user-sessions':
        return { action: 'session_revoked', ...about, detail: { reason: 'by_admin' } }
      case '/admin/set-role':
        return { action: 'role_changed', ...about, detail: { from: target?.role ?? '', to } }
      case '/admin/impersonate-user':
        return { action: 'impersonation_started', ...about }
      case '/admin/stop-impersonating':
        return { action: 'impersonation_stopped', ...own }
      case '/organization/update-member-role':
        return {
          action: 'role_changed',
          ...about,
          organizationId: organizationOf(ctx),
          detail: { from: target?.role ?? '', to },
        }
      case '/organization/remove-member':
        return { action: 'member_removed', ...about, organizationId: organizationOf(ctx) }
      case '/organization/leave':
        return { action: 'member_removed', ...own, organizationId: organizationOf(ctx) }
      case '/organization/accept-invitation':
        return { action: 'member_added', ...own, organizationId: organizationOf(ctx) }
      default:
        return null
    }
  }

  async function failedSignIn(
    ctx: Ctx,
    error: { statusCode: number; body?: { code?: string | undefined } | undefined },
  ): Promise<AuditEntry | null> {
    const { email } = (ctx.body ?? {}) as { email?: unknown }
    if (typeof email !== 'string' || ![401, 403].includes(error.statusCode)) return null
    const user = await db.user.findUnique({ where: { email: email.toLowerCase() } })
    return {
      action: 'sign_in_failed',
      userId: user?.id ?? null,
      subject: user ? null : subjectOf(secret, email),
      detail: { reason: String(error.body?.code ?? 'refused').toLowerCase() },
    }
  }

  return {
    id: 'tollgate-audit',
    hooks: {
      before: [{ matcher: ({ path }) => ACTS.test(path ?? ''), handler: before }],
      after: [{ matcher: () => true, handler: after }],
    },
  }
}

/** The organization that an endpoint's answer is about, where the request names none. */
function organizationOf(ctx: Ctx): string | null {
  const { organizationId } = (ctx.body ?? {}) as { organizationId?: unknown }
  if (typeof organizationId === 'string') return organizationId
  const returned = ctx.context.returned as Record<string, { organizationId?: string }> | null
  const direct = returned as { organizationId?: unknown } | null
  if (typeof direct?.organizationId === 'string') return direct.organizationId
  return returned?.member?.organizationId ?? returned?.invitation?.organizationId ?? null
}
