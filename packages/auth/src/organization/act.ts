/**
 * An act on an organization: who acts, on what, in which transaction. Acts on one organization happen
 * one after the other: each locks its row before it looks at anything, so what it saw still holds when
 * it writes.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { APIError, createAuthMiddleware, getSessionFromCtx } from 'better-auth/api'
import { isRecent } from '../account/reauthenticate.ts'
import { currentTransaction } from '../transaction.ts'

export interface Act {
  tx: Db
  /** Null where the server itself acts, without a session. */
  actor: { userId: string; email: string; isRecent: boolean } | null
  /** Null for one that is only being made, or that was not found. */
  organizationId: string | null
  /** The actor's role in it; null for somebody who is no member. */
  role: string | null
  body: Readonly<Record<string, unknown>>
}

const acts = new WeakMap<Db, Act>()

/** The act in this transaction; null for one that was refused before it began. */
export const actIn = (tx: Db): Act | null => acts.get(tx) ?? null

const text = (value: unknown): string | null => (typeof value === 'string' && value ? value : null)

/** Runs before an endpoint's own checks, inside its transaction. */
export const beginAct = (rule: (act: Act) => Promise<void>) =>
  createAuthMiddleware(async (ctx) => {
    const tx = currentTransaction()
    if (!tx) return
    const session = await getSessionFromCtx(ctx).catch(() => null)
    const body = (ctx.body ?? {}) as Act['body']
    const invitationId = text(body.invitationId)
    const active = text(
      (session?.session as Record<string, unknown> | undefined)?.activeOrganizationId,
    )
    const named = invitationId
      ? await tx.invitation.findUnique({ where: { id: invitationId } })
      : null
    const organizationId = invitationId
      ? (named?.organizationId ?? null)
      : (text(body.organizationId) ?? active)
    if (organizationId) {
      await tx.$queryRaw`
        SELECT 1 FROM "Organization" WHERE "id" = ${organizationId} FOR NO KEY UPDATE`
    }
    const actor = session && {
      userId: session.user.id,
      email: session.user.email,
      isRecent: isRecent(session.session),
    }
    if (actor) await requireUser(tx, actor.userId, session.session.id)
    const role = await roleIn(tx, organizationId, actor?.userId ?? null)
    const act: Act = { tx, actor, organizationId, role, body }
    acts.set(tx, act)
    await rule(act)
  })

/**
 * An account or a session that is just ending is waited for, and with one that is gone nobody acts. Whoever ends a
 * session sees what it did, such as an invitation.
 *
 * @throws `not_authenticated` (401)
 */
async function requireUser(tx: Db, userId: string, sessionId: string): Promise<void> {
  const user = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM "User" WHERE "id" = ${userId} FOR KEY SHARE`
  const session = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM "Session" WHERE "id" = ${sessionId} FOR KEY SHARE`
  if (user.length > 0 && session.length > 0) return
  throw new APIError('UNAUTHORIZED', {
    code: 'not_authenticated',
    message: 'The account was deleted, or the session has ended.',
  })
}

/** The role of a user in an organization; null for none. */
export async function roleIn(
  tx: Db,
  organizationId: string | null,
  userId: string | null,
): Promise<string | null> {
  if (!organizationId || !userId) return null
  const where = { organizationId_userId: { organizationId, userId } }
  return (await tx.member.findUnique({ where }))?.role ?? null
}
