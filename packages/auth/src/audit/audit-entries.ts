/**
 * The audit entries of a request to Better Auth, from the state before it and its answer.
 *
 * @module
 */

import { createHmac } from 'node:crypto'
import type { Database } from '@repo/db'
import { isAPIError } from 'better-auth/api'
import { accountEmail } from '../database/stand-in-address.ts'
import type { HookContext } from '../session/cookie-session.ts'
import { knownSession } from '../session/new-session.ts'
import type { AuditAction, AuditEntry } from './audit.ts'
import {
  ORGANIZATIONS,
  OTHERS,
  OWN,
  PROGRAMS, // #oauth-server
  SECOND_FACTOR,
  SIGNS_IN,
} from './audit-endpoints.ts'

/** What entries are made with. */
export interface Known {
  db: Database
  /** The key of the hash for addresses that have no account. */
  key: string
}

/**
 * A keyed hash of an e-mail address. It is the same for the same address, and nobody can read the address in
 * it.
 */
export const subjectOf = (key: string, email: string): string =>
  createHmac('sha256', key)
    .update(accountEmail(email) ?? email.trim().toLowerCase())
    .digest('hex')
    .slice(0, 24)

/** The state that is read before an endpoint changes it. */
export interface Before {
  userId: string
  sessionId: string
  isPending: boolean
  hasSecondFactor: boolean
  /** The member that the request changes, with the role before the change. */
  target: { userId: string; role: string } | null
  /** The provider of the account that is unlinked. */
  provider: string | null
  // #region oauth-server
  /** The OAuth client that a consent is about. */
  clientId: string | null
  // #endregion
}

/** The entries of a request that an endpoint has answered. `by` is undefined without a session. */
export async function entriesOf(
  known: Known,
  ctx: HookContext,
  by: Before | undefined,
): Promise<AuditEntry[]> {
  const path = ctx.path ?? ''
  const { returned } = ctx.context
  // Better Auth represents a redirect as an error, too.
  if (isAPIError(returned) && returned.statusCode >= 400) {
    return by && isWrongPassword(returned)
      ? [wrongPassword(path, by)]
      : failedSignIn(known, ctx, returned)
  }
  if (SIGNS_IN.test(path)) return signedIn(ctx)
  if (SECOND_FACTOR.test(path)) return shown(ctx, by)
  if (!by) return []
  if (Object.hasOwn(OTHERS, path)) return toOthers(ctx, by)
  if (Object.hasOwn(ORGANIZATIONS, path)) return [toOrganization(ctx, by)]
  if (Object.hasOwn(PROGRAMS, path)) return toProgram(ctx, by) // #oauth-server
  return Object.hasOwn(OWN, path) ? toOwn(known, ctx, by) : []
}

async function toOwn({ db }: Known, ctx: HookContext, by: Before): Promise<AuditEntry[]> {
  const { path = '' } = ctx
  const action = OWN[path] as AuditAction
  const { userId, sessionId, provider } = by
  // #region oauth-server
  // A program may ask to end a session, and the user may refuse.
  if (path.startsWith('/oauth2/') && (await db.session.count({ where: { id: sessionId } })) > 0)
    return []
  // #endregion
  return [
    {
      action,
      userId,
      actorId: userId,
      ...(action === 'sign_out' ? { sessionId } : {}),
      ...(action === 'session_revoked' ? { detail: { reason: path.slice(1) } } : {}),
      ...(action === 'member_added' ? { detail: invitedBy(ctx) } : {}),
      ...(provider === null ? {} : { detail: { from: provider } }),
      ...(path.startsWith('/organization/') ? { organizationId: organizationOf(ctx) } : {}),
    },
  ]
}

// #region oauth-server
function toProgram(ctx: HookContext, { userId, clientId: consented }: Before): AuditEntry[] {
  const { accept, oauth_query, client_id } = bodyOf(ctx)
  const action = PROGRAMS[ctx.path ?? ''] as AuditAction
  if (action === 'program_allowed' && accept !== true) return []
  const asked = new URLSearchParams(String(oauth_query ?? '')).get('client_id')
  const made = (ctx.context.returned as { client_id?: unknown } | null)?.client_id
  const to = consented ?? client_id ?? asked ?? made
  return [
    {
      action,
      userId,
      actorId: userId,
      ...(typeof to === 'string' ? { detail: { to } } : {}),
    },
  ]
}
// #endregion

/** The entry has no `userId`, because no known user is affected. */
function toOrganization(ctx: HookContext, { userId }: Before): AuditEntry {
  const { role } = (ctx.context.returned ?? {}) as { role?: unknown }
  return {
    action: ORGANIZATIONS[ctx.path ?? ''] as AuditAction,
    actorId: userId,
    organizationId: organizationOf(ctx),
    ...(typeof role === 'string' ? { detail: { to: role } } : {}),
  }
}

async function signedIn({ context }: HookContext): Promise<AuditEntry[]> {
  const id = context.newSession?.session.id
  const session = id ? (await knownSession(id))?.claims.session : undefined
  // A sign-in that lacks its second factor is recorded once the second factor is shown.
  if (!session || session.mfaRequired) return []
  const { userId, sessionId } = session
  return [{ action: 'sign_in', userId, actorId: userId, sessionId }]
}

/**
 * One entry for the code, and one for what the code completed: a sign-in, or turning on the second factor.
 */
async function shown(ctx: HookContext, by: Before | undefined): Promise<AuditEntry[]> {
  const session = ctx.context.newSession?.session
  if (!session) return []
  const own = { userId: session.userId, actorId: session.userId, sessionId: session.id }
  const reason = ctx.path === '/two-factor/verify-totp' ? 'totp' : 'backup_code'
  const isAnother = by?.userId !== session.userId
  // This cookie means that a password was shown first, whichever session the browser had.
  const { name } = ctx.context.createAuthCookie('two_factor')
  const isSignIn =
    !by || by.isPending || isAnother || (await ctx.getSignedCookie(name, ctx.context.secret))
  const turnsOn = by && !by.isPending && !isAnother && !by.hasSecondFactor
  const completed: AuditAction | null = turnsOn ? 'two_factor_enabled' : isSignIn ? 'sign_in' : null
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

/** The endpoint asked for the signed-in user's password, and the request had a wrong one. */
const wrongPassword = (path: string, { userId, sessionId }: Before): AuditEntry => ({
  action: 'password_failed',
  userId,
  actorId: userId,
  sessionId,
  detail: { reason: path.slice(1) },
})

async function failedSignIn(
  { db, key }: Known,
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
  const user = await db.user.findUnique({ where: { email: accountEmail(email) ?? '' } })
  return [{ ...failed, userId: user?.id ?? null, subject: user ? null : subjectOf(key, email) }]
}

/** Better Auth uses this code wherever it asks for a password. */
const isWrongPassword = ({ body }: { body?: { code?: string | undefined } | undefined }) =>
  body?.code?.toLowerCase() === 'invalid_password'

/** The fields of the request's body. */
export const bodyOf = (ctx: HookContext) => (ctx.body ?? {}) as { [field: string]: unknown }

/** The role that an accepted invitation gave, and the user who sent the invitation. */
function invitedBy(ctx: HookContext): { to: string; by: string } {
  const { member, invitation } = ctx.context.returned as {
    member: { role: string }
    invitation: { inviterId: string }
  }
  return { to: member.role, by: invitation.inviterId }
}

/** The organization that the request names, or else the organization of the endpoint's answer. */
function organizationOf(ctx: HookContext): string | null {
  const { organizationId } = bodyOf(ctx)
  // Better Auth takes an empty id for none, and acts on the active organization.
  if (typeof organizationId === 'string' && organizationId) return organizationId
  const returned = ctx.context.returned as { [part: string]: { organizationId?: string } } | null
  const direct = returned as { organizationId?: unknown; id?: unknown } | null
  if (typeof direct?.organizationId === 'string') return direct.organizationId
  // The answer is the organization itself.
  if (typeof direct?.id === 'string') return direct.id
  return returned?.member?.organizationId ?? returned?.invitation?.organizationId ?? null
}
