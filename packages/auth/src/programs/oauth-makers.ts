/**
 * Disables an OAuth client while the user who made it lacks the role ADMIN, so that a user who loses the role
 * keeps no access through a client. A client that the host itself made has no maker and keeps working.
 * Deleting a user deletes the user's clients, by a foreign key.
 *
 * @module
 */

import type { Database, Db } from '@repo/db'
import type { AuthContext } from 'better-auth'
import { audit } from '../audit/audit.ts'
import { currentTransaction } from '../database/transaction.ts'
import type { Endpoint } from '../http/endpoint.ts'

/** The part of a client that is read here. */
interface Client {
  userId?: string | null
}

/** Wraps `endpoints` so that they see a client as disabled while its maker lacks the role. */
export const whileMadeByAdmins = <Endpoints extends object>(
  endpoints: Endpoints,
  db: Database,
): Endpoints =>
  Object.fromEntries(
    Object.entries(endpoints).map(([name, endpoint]) => [name, withMakers(endpoint, db)]),
  ) as Endpoints

function withMakers(endpoint: Endpoint, db: Database): Endpoint {
  const isAdmin = async (id: string) => {
    const where = { id, role: 'ADMIN' }
    return (await (currentTransaction() ?? db).user.count({ where })) > 0
  }
  const wrapped = async (ctx: { context: AuthContext }) => {
    // The context is this request's own, and is changed in place because hooks read what endpoints set on it.
    const { context } = ctx
    const { adapter } = context
    context.adapter = {
      ...adapter,
      async findOne(query) {
        const found = await adapter.findOne<Client>(query)
        const maker = query.model === 'oauthClient' && found?.userId
        return (maker && !(await isAdmin(maker)) ? { ...found, disabled: true } : found) as never
      },
    }
    try {
      return await endpoint(ctx)
    } finally {
      context.adapter = adapter
    }
  }
  return Object.assign(wrapped, endpoint)
}

/**
 * Ends the OAuth clients that a thief may have made or changed since `since`, for a user who takes the
 * account back. A client made since then is deleted together with its tokens. An older client that was
 * changed since then may hold the thief's secret or redirect address, but others depend on it, so it is kept
 * and disabled.
 */
export async function distrustPrograms(tx: Db, userId: string, since: Date): Promise<void> {
  const made = await tx.$queryRaw<{ clientId: string }[]>`
    DELETE FROM "OauthClient" WHERE "userId" = ${userId} AND ("createdAt" IS NULL OR "createdAt" >= ${since})
    RETURNING "clientId"`
  const changed = await tx.$queryRaw<{ clientId: string }[]>`
    UPDATE "OauthClient" SET "disabled" = true
    WHERE "userId" = ${userId} AND "updatedAt" >= ${since} AND "disabled" IS NOT TRUE
    RETURNING "clientId"`
  for (const [action, programs] of [
    ['program_deleted', made],
    ['program_disabled', changed],
  ] as const) {
    for (const { clientId: to } of programs) {
      await audit(tx, { action, userId, detail: { to, reason: 'email_change_undone' } })
    }
  }
}
