/**
 * An act on an organization: its actor, its organization and its transaction. Acts on one organization run
 * one after another, because each locks the organization's row first. So what an act has read still holds
 * when it writes.
 *
 * @module
 */

import type { Db } from '@repo/db'
import { APIError, createAuthMiddleware, getSessionFromCtx } from 'better-auth/api'
import { isRecent } from '../account/recent.ts'
import { currentTransaction } from '../database/transaction.ts'

/** A command on an organization, with the facts that its rule needs. */
export interface Act {
  tx: Db
  /** The user who acts. Null if the server itself acts, without a session. */
  actor: { userId: string; email: string; isRecent: boolean } | null
  /** Null if the organization is being made, or was not found. */
  organizationId: string | null
  /** The actor's role in the organization; null if the actor is not a member. */
  role: string | null
  body: Readonly<Record<string, unknown>>
}

/** The act in each transaction. */
const acts = new WeakMap<Db, Act>()

/** The act in this transaction; null if it was refused before it began. */
export const actIn = (tx: Db): Act | null => acts.get(tx) ?? null

const text = (value: unknown): string | null => (typeof value === 'string' && value ? value : null)

/**
 * The organization that a request is about: the one that it names, or else the active one. An empty id names none,
 * as in Better Auth's endpoints, so that a check and the endpoint after it always mean the same organization.
 */
export const organizationMeant = (named: unknown, active: unknown): string | null =>
  text(named) ?? text(active)

/** Makes a middleware that runs before an endpoint's own checks, inside its transaction. */
export const beginAct = (rule: (act: Act) => Promise<void>) =>
  createAuthMiddleware(async (ctx) => {
    const tx = currentTransaction()
    if (!tx) return
    const session = await getSessionFromCtx(ctx).catch(() => null)
    const body = (ctx.body ?? {}) as Act['body']
    const invitationId = text(body.invitationId)
    const active = (session?.session as Record<string, unknown> | undefined)?.activeOrganizationId
    const named = invitationId
      ? await tx.invitation.findUnique({ where: { id: invitationId } })
      : null
    const organizationId = invitationId
      ? (named?.organizationId ?? null)
      : organizationMeant(body.organizationId, active)
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
 * Waits for a transaction that is ending the account or the session, and refuses if either is gone. Whoever
 * ends a session afterwards sees what the session did, such as an invitation.
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
    message: 'The account was deleted, or the session has ended. Sign in again.',
  })
}

/** The role of a user in an organization; null if the user is not a member. */
export async function roleIn(
  tx: Db,
  organizationId: string | null,
  userId: string | null,
): Promise<string | null> {
  if (!organizationId || !userId) return null
  const where = { organizationId_userId: { organizationId, userId } }
  return (await tx.member.findUnique({ where }))?.role ?? null
}
