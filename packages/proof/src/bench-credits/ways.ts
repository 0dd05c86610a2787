/**
 * The ways to deduct one credit: the least work that a database can do, ours, and the usual code.
 *
 * @module
 */

import { createBilling } from '@repo/billing'
import { createDb, type Database, migrate } from '@repo/db'
import { migrateJobs } from '@repo/jobs'
import pg from 'pg'
import { silent } from '../harness/silent.ts'
import { ACCOUNTS, anyOf, CONNECTIONS, calling, type Setting, type Way } from './turns.ts'

/** Credits of each account, so many that no account runs out. */
export const CREDITS = 1_000_000_000

/** Chooses the account of the next call. */
export type Pick = () => number

/** Ways over one database. */
export interface Ways {
  /** The ways over the accounts that `pick` chooses. */
  on(pick: Pick): Way[]
}

const ownerOf = (account: number) => `user_${account}`

/** The limit: an UPDATE of a row by its key. A faster way would not keep a balance. */
export async function createLimit({ postgres, scope }: Setting): Promise<Ways & { url: string }> {
  const url = await postgres.createDatabase('limit')
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  pool.on('error', () => {})
  scope.add(() => pool.end())
  await pool.query(
    `CREATE TABLE balances (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50)`,
  )
  await pool.query(
    `INSERT INTO balances SELECT n, ${CREDITS} FROM generate_series(0, ${ACCOUNTS - 1}) n`,
  )
  const text = 'UPDATE balances SET balance = balance - 1 WHERE id = $1'
  const on = (pick: Pick) => [
    {
      name: 'bare UPDATE',
      run: calling(() => pool.query({ name: 'take', text, values: [pick()] })),
    },
  ]
  return { url, on }
}

/** Our public functions, without and with `groupCommit`. */
export async function createOurs(setting: Setting): Promise<Ways> {
  const { postgres, scope } = setting
  const url = await postgres.createDatabase('ours')
  await migrate(url)
  await migrateJobs(url)
  const db = createDb(url, { maxConnections: CONNECTIONS })
  scope.add(() => db.$disconnect())
  const make = (groupCommit: boolean) =>
    createBilling({ db, logger: silent, credits: { groupCommit } })
  const ways = [
    { name: 'ours', billing: make(false) },
    { name: 'ours, group commit', billing: make(true) },
  ]
  for (const [at, { billing }] of ways.entries()) {
    for (let account = 0; account < ACCOUNTS; account += 1) {
      const owner = `${ownerOf(account)}_${at}`
      await billing.grantCredits(owner, CREDITS, { idempotencyKey: 'first' })
    }
  }
  return {
    on: (pick) =>
      ways.map(({ name, billing }, at) => ({
        name,
        run: calling(async () => {
          const owner = `${ownerOf(pick())}_${at}`
          const answer = await billing.deductCredits(owner, 1, 'one')
          if (!answer.success)
            throw new Error("The benchmark's accounts have run out of credits. Lower --seconds.")
        }),
      })),
  }
}

/**
 * The usual code: reads and checks the balance, updates it and inserts a transaction, in an interactive
 * transaction over the same two tables without their guards.
 */
export async function createNaive(setting: Setting): Promise<Ways & { drift(): Promise<Drift> }> {
  const { postgres, scope } = setting
  const url = await postgres.createDatabase('naive')
  await migrate(url)
  const db = createDb(url, { maxConnections: CONNECTIONS })
  scope.add(() => db.$disconnect())
  await stripGuards(db)
  await db.creditAccount.createMany({
    data: Array.from({ length: ACCOUNTS }, (_, account) => ({
      ownerId: ownerOf(account),
      balance: CREDITS,
    })),
  })
  let calls = 0
  const once = (ownerId: string) =>
    db.$transaction(
      async (tx) => {
        const where = { ownerId_creditType: { ownerId, creditType: 'credits' } }
        const account = await tx.creditAccount.findUniqueOrThrow({ where })
        if (account.balance < 1n) throw new Error('Insufficient credits')
        const balanceAfter = account.balance - 1n
        await tx.creditAccount.update({ where, data: { balance: balanceAfter } })
        calls += 1
        await tx.creditTransaction.create({
          data: {
            ownerId,
            creditType: 'credits',
            type: 'deduction',
            amount: -1n,
            balanceAfter,
            idempotencyKey: `${process.pid}:${calls}`,
            lots: [],
            description: 'one',
          },
        })
      },
      { maxWait: 60_000, timeout: 60_000 },
    )
  return {
    on: (pick) => [{ name: 'naive', run: calling(() => once(ownerOf(pick()))) }],
    async drift() {
      const [{ taken, kept }] = await db.$queryRaw<[{ taken: number; kept: number }]>`
        SELECT (SELECT count(*) FROM "CreditTransaction")::float8 AS "taken",
          (SELECT sum(${CREDITS}::bigint - "balance") FROM "CreditAccount")::float8 AS "kept"`
      return { taken, lost: taken - kept }
    },
  }
}

/** How far balances are from their transactions. */
export interface Drift {
  /** Number of deductions that succeeded. */
  taken: number
  /** How many of them are missing in the balances. */
  lost: number
}

const stripGuards = (db: Database) =>
  db.$executeRawUnsafe(`
    ALTER TABLE "CreditAccount" DISABLE TRIGGER USER, DISABLE ROW LEVEL SECURITY;
    ALTER TABLE "CreditTransaction" DISABLE TRIGGER USER, DISABLE ROW LEVEL SECURITY`)

/** One account that all calls share. */
export const onOne: Pick = () => 0
/** One of many accounts. */
export const onMany: Pick = () => anyOf(ACCOUNTS)
