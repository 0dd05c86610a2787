/**
 * A program gets tokens for as long as the user who made it has the role ADMIN: a user who loses the role keeps no
 * way in through a program. One that the host made by itself has no maker, and goes on. With a maker who is deleted
 * the program is deleted as well, by a foreign key.
 *
 * @module
 */

import type { Database } from '@repo/db'
import type { AuthContext } from 'better-auth'
import { currentTransaction, type Endpoint } from './transaction.ts'

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
