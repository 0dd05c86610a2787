/**
 * The endpoints of an account: change of address, deletion, export. They replace Better Auth's own, which ask
 * for less proof and send no mails.
 *
 * @module
 */

import type { RateLimiter } from '@repo/core/rate-limit'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthEndpoint, createAuthMiddleware, isAPIError } from 'better-auth/api'
import { deleteSessionCookie } from 'better-auth/cookies'
import * as z from 'zod'
import type { AuditAction, AuditEntry } from '../audit/audit.ts'
import type { Recorder } from '../audit/recorder.ts'
import type { Keys } from '../database/keys.ts'
import { accountEmail } from '../database/stand-in-address.ts'
import { mailboxOf, REFUSED_MAILS } from '../mail/mail-limits.ts'
import type { HookContext } from '../session/cookie-session.ts'
import type { BegunSessions } from '../session/new-session.ts'
import { sessionIdOf } from '../session/session-rows.ts'
import { cancelDeletion, type DeletionParts, requestDeletion } from './deletion.ts'
import { confirmEmailChange, requestEmailChange, undoEmailChange } from './email-change.ts'
import { exportOf } from './export.ts'
import {
  count,
  type ReauthenticationOptions,
  reauthenticate,
  requireSession,
} from './reauthenticate.ts'
import { isRecent } from './recent.ts'
import { invalidEmail, notFresh } from './refusals.ts'
import type { OwnFields } from './user-fields.ts'

/** The dependencies of `accounts`. */
export interface AccountOptions extends ReauthenticationOptions, DeletionParts {
  /** Null: requests are not limited. */
  limiter: RateLimiter | null
  record: Recorder
  own: OwnFields
  keys: Keys
  begun: BegunSessions
  deletionGraceDays: number
}

/** The limit of changes per user, because each one mails an address that the caller chose. */
const CHANGES = { name: 'change-email', limit: 5, windowSeconds: 3600 }

const password = z.string().max(256).optional()
const token = z.object({ token: z.string().min(1).max(256) })

/** Endpoints at which a sign-in may end and whose answer a script or a form reads. */
const SIGNS_IN =
  /^\/(sign-in\/(email|social|magic-link\/confirm)|passkey\/verify-authentication|two-factor\/verify-(totp|backup-code))$/

/** Makes the plugin. */
export function accounts(options: AccountOptions) {
  const { db, limiter, record, deletionGraceDays } = options

  /** Records an action of the account's own user. */
  const note = (
    ctx: HookContext,
    action: AuditAction,
    userId: string,
    more: Partial<AuditEntry> = {},
  ) => record({ action, userId, actorId: userId, ...more }, ctx.request ?? ctx.headers)

  /** Adds the date to the answer of a sign-in if the account will be deleted. */
  const sayDeletion = createAuthMiddleware(async (ctx) => {
    const { returned } = ctx.context
    if (isAPIError(returned) || typeof returned !== 'object' || returned === null) return
    const id = signedIn(ctx)
    const session = id === null ? null : await options.begun(id)
    // A sign-in that lacks its second factor is not complete, and gets no date.
    if (!session?.deletionDueAt || session.claims.session.mfaRequired) return
    return ctx.json({ ...returned, deletionDueAt: session.deletionDueAt.toISOString() })
  })

  return {
    id: 'tollgate-account',
    // `changeEmail` and `deleteUser` are Better Auth's names, and an endpoint with the same name replaces its
    // own.
    endpoints: {
      /**
       * Sends a confirmation to the new address and a notice to the old one. Requires a recent sign-in or the
       * password.
       */
      changeEmail: createAuthEndpoint(
        '/change-email',
        { method: 'POST', body: z.object({ newEmail: z.string().max(254), password }) },
        async (ctx) => {
          const { userId, id: sessionId } = await reauthenticate(ctx, options, ctx.body.password)
          const newEmail = accountEmail(ctx.body.newEmail)
          if (newEmail === null) throw invalidEmail()
          await count(limiter, CHANGES, userId)
          await count(limiter, REFUSED_MAILS.change, mailboxOf(newEmail))
          await requestEmailChange(options, userId, newEmail)
          await note(ctx, 'email_change_requested', userId, { sessionId })
          return ctx.json({ status: true })
        },
      ),
      /** Changes the address, by the token of the mail to the new address, in a session of the same user. */
      confirmEmailChange: createAuthEndpoint(
        '/change-email/confirm',
        { method: 'POST', body: token },
        async (ctx) => {
          const { userId, id: sessionId } = await requireSession(ctx, db)
          await confirmEmailChange(options, userId, ctx.body.token)
          await note(ctx, 'email_changed', userId, { sessionId })
          return ctx.json({ status: true })
        },
      ),
      /**
       * Takes a change of address back, by the token of the mail to the old address. Works without a session.
       */
      undoEmailChange: createAuthEndpoint(
        '/change-email/undo',
        { method: 'POST', body: token },
        async (ctx) => {
          const userId = await undoEmailChange(options, ctx.body.token)
          await note(ctx, 'email_change_undone', userId, { actorId: null })
          return ctx.json({ status: true })
        },
      ),
      /**
       * Schedules the deletion of the account, or deletes it at once without a grace period. Ends the
       * session.
       */
      deleteUser: createAuthEndpoint(
        '/delete-user',
        { method: 'POST', body: z.object({ password }) },
        async (ctx) => {
          const { userId, id: sessionId } = await reauthenticate(ctx, options, ctx.body.password)
          const dueAt = await requestDeletion(options, userId, deletionGraceDays)
          if (dueAt) await note(ctx, 'deletion_requested', userId, { sessionId })
          deleteSessionCookie(ctx)
          return ctx.json({ status: true, deletionDueAt: dueAt?.toISOString() ?? null })
        },
      ),
      /** Takes the scheduled deletion of the account back. */
      cancelDeletion: createAuthEndpoint('/delete-user/cancel', { method: 'POST' }, async (ctx) => {
        const { userId, id: sessionId } = await requireSession(ctx, db)
        await cancelDeletion(options, userId)
        await note(ctx, 'deletion_cancelled', userId, { sessionId })
        return ctx.json({ status: true })
      }),
      /** Answers the user's data as one document. Requires a recent sign-in. */
      exportUser: createAuthEndpoint('/export-user', { method: 'GET' }, async (ctx) => {
        const session = await requireSession(ctx, db)
        if (!isRecent(session)) throw notFresh()
        const { userId, id: sessionId } = session
        const document = await exportOf(db, options.own, userId, sessionId)
        await note(ctx, 'user_exported', userId, { sessionId })
        ctx.setHeader('cache-control', 'no-store')
        ctx.setHeader('content-disposition', 'attachment; filename="account.json"')
        return ctx.json(document)
      }),
    },
    hooks: {
      after: [{ matcher: ({ path = '' }) => SIGNS_IN.test(path), handler: sayDeletion }],
    },
  } satisfies BetterAuthPlugin
}

/** The session that this request has just made; null if it made none. */
function signedIn({ context }: HookContext): string | null {
  const made = context.newSession?.session.id
  if (made) return made
  // An inner endpoint redeems a mailed link, and only its cookie remains.
  const [, token] =
    context.responseHeaders
      ?.getSetCookie()
      .map((line) => /^([^=]+)=([^;.]+)/.exec(line) ?? [])
      .find(([, name]) => name === context.authCookies.sessionToken.name)
      ?.slice(1) ?? []
  return token ? sessionIdOf(token) : null
}
