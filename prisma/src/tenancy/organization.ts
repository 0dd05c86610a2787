/**
 * The database as one organization sees it. Promise 6: no query made through it sees or writes another
 * organization's row. Two walls enforce this: each query is rewritten here, and runs in a transaction that
 * names the organization, where the policies of row-level security allow the same rows.
 *
 * @module
 */

import { requireId } from '@repo/core'
import type { Database, Db } from '../client.ts'
import { ORGANIZATION_SETTING } from '../connection.ts'
import type { Prisma } from '../generated/client.ts'
import { TenancyError } from './errors.ts'
import { models } from './generated/models.ts'
import { delegateIn, isRecord, type ModelName } from './model.ts'
import { OPERATIONS } from './operations.ts'
import { type Prepared, Query, type Run } from './query.ts'
import { unscoped } from './reads.ts'
import { type Reference, requireOwn } from './references.ts'
import type { OrganizationDb } from './types.ts'

/**
 * Limits `db` to one organization, as a Prisma client extension. Reads are filtered, and new rows get the
 * organization's id. Another organization's id, raw SQL and tables without an organization are refused. Rows
 * of tables declared `global readable` or `owner` can be read and not written.
 *
 * Given a transaction, it works in that transaction and leaves its settings unchanged. Given a client, each
 * query and each `$transaction` is a transaction of its own.
 *
 * @throws `organization_required` without an id, `invalid_argument` for an id that cannot be stored; from its
 *   queries `foreign_organization`, `outside_organization`, `unscoped_query`, and `invalid_argument` for a
 *   filter that is undefined
 *
 * @example
 * ```ts
 * import { db, forOrganization } from '@repo/db'
 *
 * // Sees and writes the rows of this organization alone.
 * const own = forOrganization(db, 'organization_1')
 * const members = await own.member.findMany()
 * console.log(members.length)
 * ```
 */
export function forOrganization(db: Database | Db, organizationId: string): OrganizationDb {
  if (typeof organizationId !== 'string' || organizationId.trim() === '') {
    throw new TenancyError(
      'organization_required',
      'The organization id is missing. Pass the id of the organization to act for.',
    )
  }
  requireId('The organization id', organizationId)
  const held = HELD_TO.get(db)
  if (held === organizationId) return db as unknown as OrganizationDb
  if (held !== undefined) {
    throw new TenancyError(
      'foreign_organization',
      'This client is limited to another organization. Use the plain client.',
    )
  }
  if (!('$extends' in db)) return scoped(organizationId, inTransactionOf(db, organizationId))
  const hold = (client: Database) =>
    scoped(organizationId, onItsOwn(client, organizationId), (work, options) =>
      transaction(client, organizationId, callersWork(organizationId, work), options),
    )
  // Prisma's types require that an extension can be extended itself; this one must not be.
  return db.$extends(hold as never) as unknown as OrganizationDb
}

type Transaction = (work: unknown, options?: object) => Promise<unknown>

const HELD_TO = new WeakMap<object, string>()

const nameOrganization = (db: Db, organizationId: string) =>
  db.$queryRaw<{ before: string | null }[]>`
    SELECT current_setting(${ORGANIZATION_SETTING}, true) AS before,
           set_config(${ORGANIZATION_SETTING}, ${organizationId}, true)`

const onItsOwn =
  (db: Database, organizationId: string): Run =>
  async (prepare) => {
    const query = prepare()
    if (query.references.length > 0) {
      return transaction(db, organizationId, (tx) => sendChecked(tx, query, organizationId))
    }
    const [, result] = await db.$transaction([
      nameOrganization(db, organizationId),
      query.send(db) as Prisma.PrismaPromise<unknown>,
    ])
    return result
  }

/** @throws `foreign_organization` if the query refers to a row that the organization does not have */
async function sendChecked(tx: Db, { references, send }: Prepared, organizationId: string) {
  await requireOwn(tx, references, organizationId)
  return send(tx)
}

const QUEUES = new WeakMap<object, Promise<unknown>>()

/** Runs queries in the caller's transaction, one after the other, and restores the setting after each. */
function inTransactionOf(tx: Db, organizationId: string): Run {
  return (prepare) => {
    const turn = (QUEUES.get(tx) ?? Promise.resolve()).then(async () => {
      const query = prepare()
      const [found] = await nameOrganization(tx, organizationId)
      const restore = () => nameOrganization(tx, found?.before ?? '')
      try {
        const result = await sendChecked(tx, query, organizationId)
        await restore()
        return result
      } catch (error) {
        // If the database has aborted the transaction, there is nothing to restore.
        await restore().catch(() => {})
        throw error
      }
    })
    QUEUES.set(
      tx,
      turn.catch(() => {}),
    )
    return turn
  }
}

/** A transaction that names the organization from its first statement on. */
function transaction(
  db: Database,
  organizationId: string,
  work: (tx: Db) => unknown,
  options?: object,
): Promise<unknown> {
  return db.$transaction(async (tx) => {
    await nameOrganization(tx, organizationId)
    return work(tx)
  }, options)
}

/** Runs the caller's `work`: a function that takes the limited transaction, or a list of queries. */
const callersWork = (organizationId: string, work: unknown) => async (tx: Db) => {
  const run: Run = async (prepare) => sendChecked(tx, prepare(), organizationId)
  if (typeof work === 'function') return work(scoped(organizationId, run))
  const results: unknown[] = []
  for (const query of work as unknown[]) {
    const found = query instanceof Query && query.organizationId === organizationId
    if (!found) {
      throw new TenancyError(
        'unscoped_query',
        'A transaction of an organization takes only queries of that organization. Build them with its client.',
      )
    }
    results.push(await run(() => query.prepare()))
  }
  return results
}

/** The limited client. It has the models, `$transaction` if it can open one, and nothing else. */
function scoped(organizationId: string, run: Run, transaction?: Transaction): OrganizationDb {
  const delegates = new Map<string, object>()
  const client: object = new Proxy(Object.create(null), {
    has: (_, key) => (key === '$transaction' ? transaction !== undefined : modelOf(key) !== null),
    get(_, key) {
      if (key === '$transaction' && transaction) return transaction
      const model = modelOf(key)
      if (!model) return refusedUnlessProbed(key, 'The client')
      const known = delegates.get(model)
      if (known) return known
      const delegate = delegateOf(model, organizationId, run)
      delegates.set(model, delegate)
      return delegate
    },
  })
  HELD_TO.set(client, organizationId)
  return client as OrganizationDb
}

function modelOf(key: string | symbol): ModelName | null {
  if (typeof key !== 'string' || !/^[a-z]/.test(key)) return null
  const name = key.replace(/^./, (letter) => letter.toUpperCase())
  return Object.hasOwn(models, name) ? (name as ModelName) : null
}

function delegateOf(model: ModelName, organizationId: string, run: Run): object {
  return new Proxy(Object.create(null), {
    get(_, operation) {
      const rewrite =
        typeof operation === 'string' && Object.hasOwn(OPERATIONS, operation)
          ? OPERATIONS[operation]
          : undefined
      if (!rewrite) return refusedUnlessProbed(operation, model)
      return (args: unknown = {}) =>
        new Query(model, organizationId, run, args, (given) => {
          // Prisma would take another value for "no arguments", which means every row.
          if (!isRecord(given))
            throw unscoped(model, `${operation.toString()} with arguments that are not an object`)
          const references: Reference[] = []
          const rewritten = rewrite(model, given, organizationId, references)
          const send = (db: Db) => Reflect.get(delegateIn(db, model), operation)(rewritten)
          return { references, send }
        }).withRelations()
    },
  })
}

/** Members that promises and printing look for. They get undefined instead of an error. */
const PROBED = ['then', 'catch', 'finally', 'toJSON', 'constructor', 'asymmetricMatch']

function refusedUnlessProbed(key: string | symbol, of: string): unknown {
  if (typeof key === 'symbol' || PROBED.includes(key)) return undefined
  return () => {
    throw new TenancyError(
      'unscoped_query',
      `${of} has no ${key} that can be limited to one organization. Use the plain client for it.`,
    )
  }
}
