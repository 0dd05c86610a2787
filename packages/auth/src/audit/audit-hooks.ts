/**
 * Writes the audit entries for Better Auth's endpoints. This plugin has to be the last one, because a sign-in
 * that still waits for its second factor does not count as a sign-in. The second factor records its own
 * refusals.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { cookieSession, type HookContext } from '../session/cookie-session.ts'
import { createPasswordFields, type Endpoints } from '../sign-in/password-fields.ts'
import {
  ORGANIZATIONS,
  OTHERS,
  OWN,
  PROGRAMS, // #oauth-server
  SECOND_FACTOR,
} from './audit-endpoints.ts'
import { type Before, bodyOf, entriesOf, type Known } from './audit-entries.ts'
import type { Recorder } from './recorder.ts'

/** The dependencies of `auditHooks`. */
export interface AuditHooksOptions extends Known {
  /** The endpoints of the running instance. */
  endpoints: Endpoints
  record: Recorder
}

/** The endpoints that give an account its first password and have entries of their own. */
const SETS_FIRST_PASSWORD = /^\/(sign-up\/email|reset-password)$/

/** The plugin that writes the entries. */
export function auditHooks({ db, key, endpoints, record }: AuditHooksOptions): BetterAuthPlugin {
  const seen = new WeakMap<object, Before>()
  const passwordFieldOf = createPasswordFields(endpoints)

  const before = createAuthMiddleware(async (ctx) => {
    const source = ctx.request ?? ctx.headers
    const session = source && (await cookieSession(ctx, db))
    if (!session) return
    const { id: sessionId, userId, isPending, user } = session
    const { accountId, memberId, memberIdOrEmail, id } = bodyOf(ctx)
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
      // #region oauth-server
      clientId:
        ctx.path?.endsWith('-consent') && typeof id === 'string'
          ? ((await db.oauthConsent.findFirst({ where: { id, userId } }))?.clientId ?? null)
          : null,
      // #endregion
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
    for (const entry of await entriesOf({ db, key }, ctx, by)) await record(entry, source)
  })

  /** Records every new account, also one that a sign-in links. */
  async function linked(
    { userId, providerId }: { userId: string; providerId: string },
    ctx: Pick<HookContext, 'request' | 'headers' | 'path'> | null,
  ): Promise<void> {
    const own = { userId, actorId: userId }
    const source = ctx?.request ?? ctx?.headers
    if (providerId !== 'credential') {
      await record({ action: 'account_linked', ...own, detail: { to: providerId } }, source)
    } else if (ctx && !SETS_FIRST_PASSWORD.test(ctx.path ?? '')) {
      // The host's own code set it with `auth.api.setPassword`.
      await record({ action: 'password_set', ...own }, source)
    }
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
            [
              OWN,
              OTHERS,
              ORGANIZATIONS,
              PROGRAMS, // #oauth-server
            ].some((each) => Object.hasOwn(each, path)) ||
            SECOND_FACTOR.test(path) ||
            passwordFieldOf(path)?.isByEmail === false,
          handler: before,
        },
      ],
      after: [{ matcher: () => true, handler: after }],
    },
  }
}
