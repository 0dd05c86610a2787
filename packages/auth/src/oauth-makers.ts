/**
 * A program gets tokens for as long as the user who made it has the role ADMIN: a user who loses the role keeps no
 * way in through a program. One that the host made by itself has no maker, and goes on. With a maker who is deleted
 * the program is deleted as well, by a foreign key.
 *
 * @module
 */

import type { Database, Db } from '@repo/db'
import type { AuthContext } from 'better-auth'
import { audit } from './audit.ts'
import type { Endpoint } from './endpoint.ts'
import { currentTransaction } from './transaction.ts'

interface Client {
  userId?: string | null
}

/** `endpoints`, to which a program without its maker's role is one that was disabled. */
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
    // Of this request alone, and kept, because the hooks look at what is set on it.
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
 * Ends what somebody else may have made of the user's programs since `since`, for a user whose account was taken
 * back: a new program is deleted with the tokens that it has. An older one that was changed may have a secret or an
 * address of theirs, and others depend on it, so it stays and is disabled.
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
