/**
 * Better Auth's database adapter, with our rules on top. Every endpoint of Better Auth writes its rows
 * through this adapter, so three rules are enforced here: stand-in addresses are replaced by the real ones,
 * the number of rows per user is bounded, and a write is refused once the user's access has ended.
 *
 * @module
 */

import { hasRequestState } from '@better-auth/core/context'
import { atomically, type Database, type Db } from '@repo/db'
import type { BetterAuthOptions } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import { APIError } from 'better-auth/api'
import { requireAccess } from '../account/access-end.ts'
import { beginSession } from '../session/begin-session.ts'
import { forgetCookieSession, takeCookieSession } from '../session/cookie-session.ts'
import { byId, formerToken } from '../session/session-ends.ts'
import { credentialsOf } from '../sign-in/credentials.ts'
import { verifiedPassword } from '../sign-in/password-hooks.ts'
import { answering, withAnswers } from './answering.ts'
import { type Bounds, boundsOf } from './bounds.ts'
import { isChangeGuarded, userOfNew, userOfVerification, usersOf } from './guarded-models.ts'
import { endOldSessions, requireRoom } from './room.ts'
import { fromStandIn } from './stand-in-address.ts'

type Make = ReturnType<typeof prismaAdapter>
type Adapter = ReturnType<Make>
type Create = Adapter['create']
type Row = Record<string, unknown>
type Where = NonNullable<Parameters<Adapter['findOne']>[0]['where']>

/** The models that are bounded per user, with the name of each bound. */
const BOUNDED = { passkey: 'passkeys', account: 'accounts' } as const

/** The adapter over a database client, or over a transaction of one. */
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
    await forgetCookieSession()
    if (userId === null) return adapter.create(given)
    if (model === 'session') return createSession(given, userId)
    const row = await atomically(db, async (tx) => {
      const made = () => plain(tx)(options).create(given)
      if (model === 'verification') {
        // Ending a user's access locks the user's row first and deletes the challenges afterwards. A
        // challenge that is written before `requireAccess` is therefore seen and deleted.
        const challenge = await made()
        await requireAccess(tx, userId)
        return challenge
      }
      const isBounded = Object.hasOwn(BOUNDED, model)
      // Counting needs an exclusive lock on the user's row. Two transactions that both share the lock first
      // would deadlock.
      const isLocked = await requireAccess(tx, userId, { isUpdated: isBounded })
      if (isBounded) {
        await requireRoom(tx, bounds, BOUNDED[model as keyof typeof BOUNDED], userId, { isLocked })
      }
      return made()
    })
    return row
  }

  /**
   * Writes a session. Within a request, `new-session.ts` ends the sessions above the bound later, once it
   * knows how many there are.
   */
  async function createSession(given: Parameters<Create>[0], userId: string) {
    const create = async ({ data }: { data: Parameters<typeof beginSession>[1] }) =>
      (await beginSession(db, data)) ?? db.session.create({ data: data as never })
    const row = await withAnswers({ session: { create } }, () => adapter.create(given))
    if (!(await hasRequestState())) await endOldSessions(db, bounds, userId)
    return row
  }

  /**
   * Answers two of Better Auth's queries from one statement each, or from the rows that hooks have read
   * already.
   */
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

  /** Makes a change while it holds the access of each user whose rows are changed. */
  async function change<T>(args: Changed, run: (adapter: Adapter, args: Changed) => Promise<T>) {
    const given = real(args)
    await forgetCookieSession()
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
      // The update applies only while the password is still the one that was verified, because another
      // request may have changed it.
      const same = { field: 'password', value: verified } as Where[number]
      const changed = await run(inner, { ...given, where: [...given.where, same] })
      if (changed === 0 || changed === null) throw passwordReplaced()
      return changed
    })
  }

  /**
   * Uses up a link, a challenge or a code while the access of its user is held, before anything is done with
   * it.
   */
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
      // Better Auth continues with the row it gets, but the session may have ended since it was read.
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

/**
 * The row that the request's hooks have read for the session with this token; null if they have read none.
 */
async function presentedByToken(model: string, where: Where | undefined) {
  const token = model === 'session' ? onlyValue(where, 'token') : null
  return token === null ? null : takeCookieSession(token)
}

/**
 * The value of `field`, if the query's only condition is that `field` equals a string; null for other
 * queries.
 */
function onlyValue(where: Where | undefined, field: string): string | null {
  const [only, ...others] = where ?? []
  if (!only || others.length > 0 || only.field !== field) return null
  return (only.operator ?? 'eq') === 'eq' && typeof only.value === 'string' ? only.value : null
}

const firstOf = (row: object) => ({ findFirst: async () => ({ ...row }) })

const ended = <T extends Changed>(args: T): T => ({ ...args, where: byId(args.model, args.where) })

/** The users whose rows the change affects. */
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
