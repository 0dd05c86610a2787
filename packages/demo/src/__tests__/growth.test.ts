/**
 * For hosts with a million customers: no statement that runs for an event, each minute or for a page reads a growing
 * table whole. The test uses the demo and runs every job. It asks PostgreSQL for the plan of each statement that
 * reached the database, with scans of whole tables made expensive. If a plan still scans a table, no index could serve
 * the statement.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuth, listAuditLog } from '@repo/auth'
import { authCron } from '@repo/auth/worker'
import { createBilling, createStripe } from '@repo/billing'
import { billingCron } from '@repo/billing/worker'
import { createTestLogger } from '@repo/core/testing'
import { createDb } from '@repo/db'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type Demo, startDemo } from '../demo.ts'
import { smoke } from '../smoke.ts'

type Query = (text: string, values?: unknown[]) => Promise<{ rows: unknown[] }>
interface Client {
  query: Query
  connect(): Promise<void>
  end(): Promise<void>
}
/** The copy of `pg` that every client here uses. */
const pg: { Client: { new (config: { connectionString: string }): Client; prototype: Client } } =
  createRequire(import.meta.resolve('@repo/db'))('pg')

/** Statements that reached the database, each with the values of its first use. */
const asked = new Map<string, unknown[]>()
const { query } = pg.Client.prototype
pg.Client.prototype.query = function (this: unknown, ...args: unknown[]) {
  const [first, second] = args as [string | { text?: string; values?: unknown[] }, unknown]
  const { text, values } =
    typeof first === 'string' ? { text: first, values: second as unknown[] } : first
  if (text && /^\s*(select|insert|update|delete|with)\b/i.test(text) && !asked.has(text)) {
    asked.set(text, Array.isArray(values) ? values : [])
  }
  return Reflect.apply(query, this, args)
} as Query

const logger = createTestLogger()
let database: TestDatabase
let folder: string
let demo: Demo
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  folder = await mkdtemp(join(tmpdir(), 'tollgate-demo-'))
  const ports = { hostPort: 0, sandboxPort: 0 }
  demo = await startDemo({ folder, databaseUrl: database.url, ...ports, logger })
})
afterAll(async () => {
  pg.Client.prototype.query = query
  await demo?.stop()
  await database?.drop()
  await rm(folder, { recursive: true, force: true })
})

interface Node {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  Filter?: string
  Plans?: Node[]
}

/** Tables that do not grow with customers or time, tables whose rows live an hour, and the queue engine's tables. */
const SMALL =
  /^(Price|Product|JobWorker|Jwks|CreditWork|_private_\w+|_prisma_migrations|migrations)$/

/** Partial indexes of waiting rows. They are as long as the backlog, and read whole on purpose. */
const BACKLOG =
  /^(WebhookEvent_(due|pending_subject|open)|Order_(due|flagged)|Subscription_flagged|CreditHold_open|CreditGrant_due|AuthEvent_nextAttemptAt_idx|AccessDenial_\w+)$/

/** Intended reads of whole tables: the ledger is checked once a night, in linear time. */
const NIGHTLY = [
  {
    relation: /^Credit\w+$/,
    statement: /"expected"::text AS "expected", "found"::text AS "found"/,
  },
]
const isNightly = (of: string, text: string) =>
  NIGHTLY.some(({ relation, statement }) => relation.test(of) && statement.test(text))

/** The relations that a plan reads whole. Below a LIMIT a plan may read an index in its order. */
function* whole(node: Node, isLimited = false): Generator<string> {
  const { 'Node Type': type, 'Relation Name': relation, 'Index Name': index } = node
  const isWalked = /^Index (Only )?Scan/.test(type) && !node['Index Cond']
  const isWhole = type === 'Seq Scan' || (isWalked && !isLimited && !BACKLOG.test(index ?? ''))
  if (isWhole && relation && !SMALL.test(relation)) yield relation
  for (const inner of node.Plans ?? []) {
    yield* whole(inner, isLimited || type === 'Limit')
  }
}

test('no statement reads a growing table whole', async () => {
  await smoke(demo, () => {})
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  for (const { job } of [...authCron, ...billingCron]) {
    await client.query('SELECT graphile_worker.add_job($1)', [job])
  }
  await demo.settled()
  const db = createDb(database.url)
  await pages(db)
  await db.$disconnect()

  await client.query(`SELECT set_config('tollgate.system', 'on', false)`)
  const explain = async (text: string, values: unknown[], isWalked: 'on' | 'off') => {
    await client.query(
      `SET enable_seqscan = off; SET enable_indexscan = ${isWalked}; SET enable_indexonlyscan = ${isWalked}`,
    )
    const { rows } = await client.query(`EXPLAIN (FORMAT JSON) ${text}`, values)
    const [{ 'QUERY PLAN': plan }] = rows as [{ 'QUERY PLAN': [{ Plan: Node }] }]
    return new Set(whole(plan[0].Plan))
  }
  const found: string[] = []
  // A message without values may hold several statements.
  const statements = [...asked].flatMap(([text, values]) =>
    (values.length > 0 ? [text] : text.split(';').filter((part) => part.trim() !== '')).map(
      (part) => [part, values] as const,
    ),
  )
  expect(statements.length).toBeGreaterThan(150)
  for (const [text, values] of statements) {
    // First with bitmap scans only, which need a condition; then also with index scans, which can follow an order.
    const byCondition = await explain(text, values, 'off')
    if (byCondition.size === 0) continue
    const byOrder = await explain(text, values, 'on')
    for (const relation of byCondition) {
      if (!byOrder.has(relation) || isNightly(relation, text)) continue
      found.push(`${relation}: ${text.replace(/\s+/g, ' ').slice(0, 500)}`)
    }
  }
  await client.end()
  expect(found.sort()).toEqual([])
})

/** The lists and commands of people and hosts, beside the demo's own pages. */
async function pages(db: ReturnType<typeof createDb>): Promise<void> {
  const secret = 'a-secret-for-tests-of-32-characters'
  const auth = createAuth({ db, baseURL: demo.url, secret, logger })
  const stripe = createStripe('sk_test_tollgatedemo', { apiBase: new URL(demo.mailboxUrl).origin })
  const billing = createBilling({ db, logger, stripe, appUrl: demo.url })
  const [{ ownerId } = { ownerId: '' }] = await db.customer.findMany({ take: 1 })
  await billing.diagnoseWebhooks()
  await everyPage(billing, db, ownerId)
  for (const filter of [
    { action: 'sign_in' },
    { userId: ownerId },
    { actorId: ownerId },
  ] as const) {
    await listAuditLog(db, filter)
  }
  await billing.exportOwner(ownerId)
  await auth.deleteUser(ownerId)
  await auth.settled()
  await billing.forgetOwner(ownerId)
  await auth.close()
}

/** The first page of each list, and the page after a row. */
async function everyPage(
  billing: ReturnType<typeof createBilling>,
  db: ReturnType<typeof createDb>,
  ownerId: string,
): Promise<void> {
  const { id: customerId } = await billing.ensureCustomer(ownerId)
  const now = new Date()
  const times = { currentPeriodStart: now, currentPeriodEnd: now }
  await db.subscription.create({
    data: {
      ...{ customerId, provider: 'local', providerSubscriptionId: 'sub_flagged', ...times },
      ...{ status: 'active', needsAttention: 'second_current_subscription' },
    },
  })
  await db.effect.create({
    data: { key: 'e', customerId, name: 'order.completed', payload: {}, awaits: ['handler'] },
  })
  const lists: ((page: { after?: string }) => Promise<object[]>)[] = [
    (page) => billing.listEvents({ status: ['processed', 'ignored', 'pending'], ...page }),
    (page) => billing.listFlagged({ limit: 50, ...page }),
    (page) => billing.listFlagged({ ownerId, ...page }),
    (page) => billing.listWaitingEffects(page),
    (page) => billing.listOrders(page),
    (page) => billing.listOrders({ needsAttention: true, ...page }),
    (page) => billing.listOrders({ ownerId, ...page }),
    (page) => billing.listOrders({ status: ['completed'], ...page }),
    (page) => billing.listInvoices(ownerId, page),
    (page) => billing.listPayments(ownerId, page),
    (page) => billing.listBookings(ownerId, page),
    (page) => billing.listSubscriptions(ownerId, page),
  ]
  for (const list of lists) {
    const [first] = (await list({})) as { id?: string; eventId?: string; key?: string }[]
    const after = first?.id ?? first?.eventId ?? first?.key
    if (after !== undefined) await list({ after })
  }
  await billing.listTransactions(ownerId, { cursor: '9' })
  // No provider knows this subscription, so nobody could cancel it.
  await db.subscription.deleteMany({ where: { providerSubscriptionId: 'sub_flagged' } })
}

/** Tables whose rows are never deleted, so no statement looks for rows that refer to a deleted row. */
const NEVER_DELETED = ['"CreditAccount"', '"CreditTransaction"', '"Price"', '"Product"']

test('every foreign key has an index, which finds the rows that refer to a deleted row', async () => {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query(
    `
    SELECT conrelid::regclass::text AS "table", conname AS "key" FROM pg_constraint c
    WHERE contype = 'f' AND confrelid::regclass::text <> ALL($1) AND connamespace = 'public'::regnamespace AND NOT EXISTS (
      SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
        AND c.conkey <@ (i.indkey::int2[])[0:cardinality(c.conkey) - 1])
    ORDER BY 1, 2`,
    [NEVER_DELETED],
  )
  await client.end()
  expect(rows).toEqual([])
})
