/**
 * Better Auth's way to the database. Stand-ins of addresses end here, what one user can have is bounded here, and
 * what would outlive the end of a user's access is refused here, because every endpoint of Better Auth writes its
 * rows through it.
 *
 * @module
 */

import { hasRequestState } from '@better-auth/core/context'
import { atomically, type Database, type Db } from '@repo/db'
import type { BetterAuthOptions } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import { APIError } from 'better-auth/api'
import { requireAccess } from './account/access-end.ts'
import { answering, withAnswers } from './answering.ts'
import { beginSession } from './begin-session.ts'
import { type Bounds, boundsOf, endOldSessions, requireRoom } from './bounds.ts'
import { credentialsOf } from './credentials.ts'
import { isChangeGuarded, userOfNew, userOfVerification, usersOf } from './guarded-models.ts'
import { verifiedPassword } from './password-hooks.ts'
import { forgetPresented, takePresented } from './presented.ts'
import { byId, formerToken } from './session-ends.ts'
import { fromStandIn } from './stand-in-address.ts'

type Make = ReturnType<typeof prismaAdapter>
type Adapter = ReturnType<Make>
type Create = Adapter['create']
type Row = Record<string, unknown>
type Where = NonNullable<Parameters<Adapter['findOne']>[0]['where']>

/** Models of which a user has so many, with the name of the bound. */
const BOUNDED = { passkey: 'passkeys', account: 'accounts' } as const

/** The adapter, over a client or over a transaction of one. */
export function adapterOf(db: Database | Db, bounds: Bounds = boundsOf()): Make {
  return (options) => guarded(plain(db)(options), { db, bounds, options })
}

const plain = (db: Database | Db): Make =>
  prismaAdapter(answering(db as Database), { provider: 'postgresql', transaction: false })

interface Parts {
  db: Database | Db
  bounds: Bounds
  options: BetterAuthOptions
}

interface Changed {
  model: string
  where: Where
  update?: Row
}

function guarded(adapter: Adapter, parts: Parts): Adapter {
  const { db, bounds, options } = parts
  const isRoot = '$transaction' in db

  const create = async (args: Parameters<Create>[0]) => {
    const { model } = args
    const userId = userOfNew(model, args.data)
    const given = { ...args, data: realRow(args.data) }
    await forgetPresented()
    if (userId === null) return adapter.create(given)
    if (model === 'session') return createSession(given, userId)
    const row = await atomically(db, async (tx) => {
      const made = () => plain(tx)(options).create(given)
      if (model === 'verification') {
        // The end of access deletes the challenges that it sees after it has locked the user's row.
        const challenge = await made()
        await requireAccess(tx, userId)
        return challenge
      }
      const isBounded = Object.hasOwn(BOUNDED, model)
      // What is counted is counted under the row's own lock, and two who share it first would wait for each other.
      const isLocked = await requireAccess(tx, userId, { isUpdated: isBounded })
      if (isBounded) {
        await requireRoom(tx, bounds, BOUNDED[model as keyof typeof BOUNDED], userId, { isLocked })
      }
      return made()
    })
    return row
  }

  /** A request ends the sessions above the bound once it is known how many there are; see `new-session.ts`. */
  async function createSession(given: Parameters<Create>[0], userId: string) {
    const create = async ({ data }: { data: Parameters<typeof beginSession>[1] }) =>
      (await beginSession(db, data)) ?? db.session.create({ data: data as never })
    const row = await withAnswers({ session: { create } }, () => adapter.create(given))
    if (!(await hasRequestState())) await endOldSessions(db, bounds, userId)
    return row
  }

  /** Two of Better Auth's questions are answered by one statement, or by what the hooks have read. */
  async function findOne<T>(args: Parameters<Adapter['findOne']>[0]): Promise<T | null> {
    const given = real(args)
    const { model, where, join } = given
    const row = isRoot && join?.user ? await presentedByToken(model, where) : null
    if (row) {
      const answers = { session: firstOf(row), user: firstOf(row.user) }
      return withAnswers(answers, () => adapter.findOne<T>(given))
    }
    const email = isRoot && model === 'user' && join?.account ? onlyValue(where, 'email') : null
    if (email !== null) {
      const answers = await credentialsOf(db as Database, email)
      return withAnswers(answers, () => adapter.findOne<T>(given))
    }
    return adapter.findOne<T>(given)
  }

  /** Makes the change while the access of those whose rows it is about is held. */
  async function change<T>(args: Changed, run: (adapter: Adapter, args: Changed) => Promise<T>) {
    const given = real(args)
    await forgetPresented()
    if (!isChangeGuarded(args.model)) return run(adapter, given)
    return atomically(db, async (tx) => {
      const inner = plain(tx)(options)
      const isUpdated = args.model === 'user'
      for (const userId of await ownersOf(inner, given))
        await requireAccess(tx, userId, { isUpdated })
      const isPassword =
        args.model === 'account' &&
        args.update?.password !== undefined &&
        !given.where.some(({ field }) => field === 'password')
      const verified = isPassword ? await verifiedPassword() : undefined
      if (verified === undefined) return run(inner, given)
      // Only over the password that was shown: another may have been chosen meanwhile.
      const same = { field: 'password', value: verified } as Where[number]
      const changed = await run(inner, { ...given, where: [...given.where, same] })
      if (changed === 0 || changed === null) throw passwordReplaced()
      return changed
    })
  }

  /** A link, a challenge or a code is used while the access of its user is held, and before anything is done with it. */
  async function consume<T>(args: Parameters<Adapter['consumeOne']>[0]): Promise<T | null> {
    if (args.model !== 'verification') return adapter.consumeOne<T>(real(args))
    return atomically(db, async (tx) => {
      const inner = plain(tx)(options)
      const row = await inner.findOne<Row>(args)
      const userId = userOfVerification(row?.value)
      if (userId !== null) await requireAccess(tx, userId)
      return inner.consumeOne<T>(args)
    })
  }

  return {
    ...adapter,
    create: create as Create,
    findOne,
    findMany: async <T>(args: Parameters<Adapter['findMany']>[0]) => {
      const found = await adapter.findMany<T>(real(args))
      const former = found.length === 0 && formerToken(args)
      return former ? adapter.findMany<T>({ ...args, where: former }) : found
    },
    count: (args) => adapter.count(real(args)),
    update: (async (args: Changed) => {
      const row = await change(args, (inner, given) => inner.update(given as never))
      // Better Auth goes on with the row, and a session may have ended since it was read.
      if (row === null && args.model === 'session') throw sessionOver()
      return row
    }) as never,
    updateMany: (args) => change(args, (inner, given) => inner.updateMany(given as never)),
    delete: (args) => change(ended(args), (inner, given) => inner.delete(given)),
    deleteMany: (args) => change(ended(args), (inner, given) => inner.deleteMany(given)),
    consumeOne: consume,
    transaction: (work) => adapter.transaction((inner) => work(guarded(inner as Adapter, parts))),
  }
}

/** What the hooks of the request have read of the session with this token; null: nothing. */
async function presentedByToken(model: string, where: Where | undefined) {
  const token = model === 'session' ? onlyValue(where, 'token') : null
  return token === null ? null : takePresented(token)
}

/** The text that the only condition asks of `field`; null for every other question. */
function onlyValue(where: Where | undefined, field: string): string | null {
  const [only, ...others] = where ?? []
  if (!only || others.length > 0 || only.field !== field) return null
  return (only.operator ?? 'eq') === 'eq' && typeof only.value === 'string' ? only.value : null
}

const firstOf = (row: object) => ({ findFirst: async () => ({ ...row }) })

const ended = <T extends Changed>(args: T): T => ({ ...args, where: byId(args.model, args.where) })

/** The users whose rows a change is about. */
async function ownersOf(adapter: Adapter, { model, where }: Changed): Promise<string[]> {
  const column = model === 'user' ? 'id' : 'userId'
  const named = where.find(({ field, operator }) => field === column && (operator ?? 'eq') === 'eq')
  if (typeof named?.value === 'string') return usersOf(model, [{ [column]: named.value }])
  return usersOf(model, await adapter.findMany<Row>({ model, where }))
}

const sessionOver = () =>
  new APIError('UNAUTHORIZED', { code: 'not_authenticated', message: 'The session has ended.' })

const passwordReplaced = () =>
  new APIError('CONFLICT', {
    code: 'conflict',
    message: 'The password was changed meanwhile. Try again.',
  })

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
