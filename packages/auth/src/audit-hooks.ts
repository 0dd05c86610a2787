/**
 * What of Better Auth's endpoints goes into the audit log. Placed last among the plugins: a sign-in that
 * still waits for its second factor is none. What the second factor refuses is recorded where that is done.
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import type { Database } from '@repo/db'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, isAPIError } from 'better-auth/api'
import type { AuditAction, AuditEntry } from './audit.ts'
import { type HookContext, presentedSession } from './presented.ts'

/** Adds an entry, with where it came from; what fails is logged. */
export type Recorder = (entry: AuditEntry, source: Request | Headers | undefined) => Promise<void>

export interface AuditHooksOptions {
  db: Database
  /** Hashes addresses that nobody has. */
  key: string
  record: Recorder
}

/** A keyed hash of an e-mail address: the same for the same address, and readable by nobody. */
export const subjectOf = (key: string, email: string): string =>
  createHmac('sha256', key).update(email.trim().toLowerCase()).digest('hex').slice(0, 24)

/** Where a sign-in may end. */
const SIGNS_IN = /^\/(sign-in\/|callback\/|magic-link\/verify|passkey\/verify-authentication)/
const SECOND_FACTOR = /^\/two-factor\/verify-(totp|backup-code)$/

/** What people do to what is theirs, by endpoint. */
const OWN: { [path: string]: AuditAction } = {
  '/sign-out': 'sign_out',
  '/change-password': 'password_changed',
  '/revoke-session': 'session_revoked',
  '/revoke-sessions': 'session_revoked',
  '/revoke-other-sessions': 'session_revoked',
  '/unlink-account': 'account_unlinked',
  '/passkey/verify-registration': 'passkey_added',
  '/passkey/delete-passkey': 'passkey_removed',
  '/two-factor/disable': 'two_factor_disabled',
  '/two-factor/generate-backup-codes': 'backup_codes_replaced',
  '/organization/leave': 'member_removed',
  '/organization/accept-invitation': 'member_added',
}

/** What they do to others. */
const OTHERS = /^\/organization\/(update-member-role|remove-member|transfer-ownership)$/

/** What is read before an endpoint has changed it. */
interface Before {
  userId: string
  sessionId: string
  isPending: boolean
  hasSecondFactor: boolean
  /** Whom the request is about, and the role until now. */
  target: { userId: string; role: string } | null
  /** Of the account it is about. */
  provider: string | null
}

export function auditHooks({ db, key, record }: AuditHooksOptions): BetterAuthPlugin {
  const seen = new WeakMap<object, Before>()

  const before = createAuthMiddleware(async (ctx) => {
    const source = ctx.request ?? ctx.headers
    const session = source && (await presentedSession(ctx, db))
    if (!session) return
    const { id: sessionId, userId, isPending, user } = session
    const { accountId, memberId, memberIdOrEmail } = bodyOf(ctx)
    seen.set(source, {
      userId,
      sessionId,
      isPending,
      hasSecondFactor: user.twoFactorEnabled,
      target: await memberNamed(memberId ?? memberIdOrEmail),
      provider:
        ctx.path === '/unlink-account' && typeof accountId === 'string'
          ? ((await db.account.findFirst({ where: { id: accountId, userId } }))?.providerId ?? null)
          : null,
    })
  })

  async function memberNamed(name: unknown): Promise<Before['target']> {
    if (typeof name !== 'string') return null
    const found = await db.member.findFirst({
      where: { OR: [{ id: name }, { user: { email: name.toLowerCase() } }] },
    })
    return found && { userId: found.userId, role: found.role }
  }

  const after = createAuthMiddleware(async (ctx) => {
    const source = ctx.request ?? ctx.headers
    const by = source ? seen.get(source) : undefined
    for (const entry of await entriesOf(ctx, by)) await record(entry, source)
  })

  async function entriesOf(ctx: HookContext, by: Before | undefined): Promise<AuditEntry[]> {
    const path = ctx.path ?? ''
    const { returned } = ctx.context
    // A redirect comes as an error, too.
    if (isAPIError(returned) && returned.statusCode >= 400) return failedSignIn(ctx, returned)
    if (SIGNS_IN.test(path)) return signedIn(ctx)
    if (SECOND_FACTOR.test(path)) return shown(ctx, by)
    if (!by) return []
    if (OTHERS.test(path)) return toOthers(ctx, by)
    const action = Object.hasOwn(OWN, path) ? OWN[path] : undefined
    if (!action) return []
    const { userId, sessionId, provider } = by
    return [
      {
        action,
        userId,
        actorId: userId,
        ...(action === 'sign_out' ? { sessionId } : {}),
        ...(action === 'session_revoked' ? { detail: { reason: path.slice(1) } } : {}),
        ...(provider === null ? {} : { detail: { from: provider } }),
        ...(path.startsWith('/organization/') ? { organizationId: organizationOf(ctx) } : {}),
      },
    ]
  }

  async function signedIn({ context }: HookContext): Promise<AuditEntry[]> {
    const id = context.newSession?.session.id
    const session = id && (await db.session.findUnique({ where: { id }, include: { user: true } }))
    // One that lacks its second factor is recorded when that is shown.
    if (!session || (session.user.twoFactorEnabled && session.aal < 2)) return []
    const { userId } = session
    return [{ action: 'sign_in', userId, actorId: userId, sessionId: session.id }]
  }

  /** The code, and what it completed: a sign-in, or turning the second factor on. */
  async function shown(ctx: HookContext, by: Before | undefined): Promise<AuditEntry[]> {
    const session = ctx.context.newSession?.session
    if (!session) return []
    const own = { userId: session.userId, actorId: session.userId, sessionId: session.id }
    const reason = ctx.path === '/two-factor/verify-totp' ? 'totp' : 'backup_code'
    const isAnother = by?.userId !== session.userId
    const completed: AuditAction | null =
      !by || by.isPending || isAnother
        ? 'sign_in'
        : by.hasSecondFactor
          ? null
          : 'two_factor_enabled'
    return [
      { action: 'second_factor', ...own, detail: { reason } },
      ...(completed ? [{ action: completed, ...own }] : []),
    ]
  }

  function toOthers(ctx: HookContext, { userId: actorId, target }: Before): AuditEntry[] {
    const about = { userId: target?.userId ?? null, actorId, organizationId: organizationOf(ctx) }
    if (ctx.path === '/organization/remove-member') return [{ action: 'member_removed', ...about }]
    const from = target?.role ?? ''
    if (ctx.path === '/organization/update-member-role') {
      const to = String(bodyOf(ctx).role ?? '')
      return [{ action: 'role_changed', ...about, detail: { from, to } }]
    }
    const { formerOwner } = ctx.context.returned as { formerOwner: { role: string } }
    const stepsDown = { from: 'OWNER', to: formerOwner.role }
    return [
      { action: 'role_changed', ...about, detail: { from, to: 'OWNER' } },
      { action: 'role_changed', ...about, userId: actorId, detail: stepsDown },
    ]
  }

  async function failedSignIn(
    ctx: HookContext,
    error: { statusCode: number; body?: { code?: string | undefined } | undefined },
  ): Promise<AuditEntry[]> {
    if (![401, 403].includes(error.statusCode)) return []
    const reason = String(error.body?.code ?? 'refused').toLowerCase()
    const failed = { action: 'sign_in_failed', detail: { reason } } as const
    const { email, response } = bodyOf(ctx)
    if (ctx.path === '/passkey/verify-authentication') {
      const credentialID = (response as { id: string }).id
      const passkey = await db.passkey.findUnique({ where: { credentialID } })
      return passkey ? [{ ...failed, userId: passkey.userId }] : []
    }
    if (ctx.path !== '/sign-in/email' || typeof email !== 'string') return []
    const user = await db.user.findUnique({ where: { email: email.toLowerCase() } })
    return [{ ...failed, userId: user?.id ?? null, subject: user ? null : subjectOf(key, email) }]
  }

  /** Wherever it is linked, also by signing in. */
  async function linked(
    { userId, providerId }: { userId: string; providerId: string },
    ctx: Pick<HookContext, 'request' | 'headers'> | null,
  ): Promise<void> {
    if (providerId === 'credential') return
    const detail = { to: providerId }
    const entry = { action: 'account_linked', userId, actorId: userId, detail } as const
    await record(entry, ctx?.request ?? ctx?.headers)
  }

  return {
    id: 'tollgate-audit',
    init: () => ({
      options: { databaseHooks: { account: { create: { after: linked } } } },
    }),
    hooks: {
      before: [
        {
          matcher: ({ path = '' }) =>
            Object.hasOwn(OWN, path) || OTHERS.test(path) || SECOND_FACTOR.test(path),
          handler: before,
        },
      ],
      after: [{ matcher: () => true, handler: after }],
    },
  }
}

const bodyOf = (ctx: HookContext) => (ctx.body ?? {}) as { [field: string]: unknown }

/** The organization that an endpoint's answer is about, where the request names none. */
function organizationOf(ctx: HookContext): string | null {
  const { organizationId } = bodyOf(ctx)
  if (typeof organizationId === 'string') return organizationId
  const returned = ctx.context.returned as { [part: string]: { organizationId?: string } } | null
  const direct = returned as { organizationId?: unknown } | null
  if (typeof direct?.organizationId === 'string') return direct.organizationId
  return returned?.member?.organizationId ?? returned?.invitation?.organizationId ?? null
}
