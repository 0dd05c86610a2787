/**
 * Better Auth's way to the database. Stand-ins of addresses end here, and what one user can have is bounded here,
 * because every endpoint of Better Auth creates its rows through it.
 *
 * @module
 */

import { atomically, type Database, type Db } from '@repo/db'
import type { BetterAuthOptions } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import { type Bounds, boundsOf, endOldSessions, requireRoom } from './bounds.ts'
import { fromStandIn } from './stand-in-address.ts'

type Make = ReturnType<typeof prismaAdapter>
type Adapter = ReturnType<Make>
type Create = Adapter['create']
type Row = Record<string, unknown>
type Where = Parameters<Adapter['findOne']>[0]['where']

/** Models of which a user has so many, with the name of the bound. */
const BOUNDED = { passkey: 'passkeys', account: 'accounts' } as const

/** The adapter, over a client or over a transaction of one. */
export function adapterOf(db: Database | Db, bounds: Bounds = boundsOf()): Make {
  return (options) => bounded(plain(db)(options), { db, bounds, options })
}

const plain = (db: Database | Db): Make =>
  prismaAdapter(db as Database, { provider: 'postgresql', transaction: false })

interface Parts {
  db: Database | Db
  bounds: Bounds
  options: BetterAuthOptions
}

function bounded(adapter: Adapter, parts: Parts): Adapter {
  const { db, bounds, options } = parts
  const create = async (args: Parameters<Create>[0]) => {
    const { model } = args
    const { userId } = args.data as { userId?: unknown }
    const given = { ...args, data: realRow(args.data) }
    if (typeof userId === 'string' && Object.hasOwn(BOUNDED, model)) {
      return atomically(db, async (tx) => {
        await requireRoom(tx, bounds, BOUNDED[model as keyof typeof BOUNDED], userId)
        return plain(tx)(options).create(given)
      })
    }
    const row = await adapter.create(given)
    if (typeof userId === 'string' && model === 'session') await endOldSessions(db, bounds, userId)
    return row
  }
  return {
    ...adapter,
    create: create as Create,
    findOne: (args) => adapter.findOne(real(args)),
    findMany: (args) => adapter.findMany(real(args)),
    count: (args) => adapter.count(real(args)),
    update: (args) => adapter.update(real(args)),
    updateMany: (args) => adapter.updateMany(real(args)),
    delete: (args) => adapter.delete(real(args)),
    deleteMany: (args) => adapter.deleteMany(real(args)),
    consumeOne: (args) => adapter.consumeOne(real(args)),
    transaction: (work) => adapter.transaction((inner) => work(bounded(inner as Adapter, parts))),
  }
}

function real<T extends { where?: Where | undefined; update?: Row }>(args: T): T {
  const { where, update } = args
  return {
    ...args,
    ...(where
      ? {
          where: where.map((each) =>
            isEmail(each.field) ? { ...each, value: realOf(each.value) } : each,
          ),
        }
      : {}),
    ...(update ? { update: realRow(update) } : {}),
  }
}

const realRow = <T extends Row>(row: T): T =>
  typeof row.email === 'string' ? { ...row, email: fromStandIn(row.email) } : row

const isEmail = (field: string) => field === 'email'

const realOf = <T>(value: T): T => (typeof value === 'string' ? (fromStandIn(value) as T) : value)
