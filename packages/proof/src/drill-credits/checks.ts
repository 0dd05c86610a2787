/**
 * Checks what must hold at the end, in SQL that shares nothing with the ledger's own checks: the rows among
 * themselves, and the rows against the answers that callers got.
 *
 * @module
 */

import { asSystem } from '@repo/db'
import pg from 'pg'
import type { Violation } from '../drill/index.ts'
import { readJournals } from './journal.ts'

/** The promises. Each query selects `id` and `message` of its violations. */
const PROMISES: Record<string, string> = {
  'balance is the sum of its transactions': `
    SELECT a."ownerId" || ' ' || a."creditType" AS id, a.balance || ' is not ' || coalesce(t.sum, 0) AS message
    FROM "CreditAccount" a LEFT JOIN (
      SELECT "ownerId", "creditType", sum(amount) AS sum, sum(debt) AS debt
      FROM "CreditTransaction" GROUP BY 1, 2) t USING ("ownerId", "creditType")
    WHERE a.balance <> coalesce(t.sum, 0) OR a.debt <> coalesce(t.debt, 0) OR a.balance < 0 OR a.debt < 0
      OR a.balance > 0 AND a.debt > 0`,
  'each balance follows from the one before': `
    SELECT id::text, "balanceAfter" || ' does not follow ' || before || ' + ' || amount AS message FROM (
      SELECT *, coalesce(lag("balanceAfter") OVER w, 0) AS before, lag("createdAt") OVER w AS earlier,
        sum(debt) OVER w AS owed
      FROM "CreditTransaction" WINDOW w AS (PARTITION BY "ownerId", "creditType" ORDER BY id)) t
    WHERE "balanceAfter" <> before + amount OR "balanceAfter" < 0 OR "createdAt" < earlier OR owed < 0`,
  'a balance is what its lots have left': `
    SELECT a."ownerId" || ' ' || a."creditType" AS id, a.balance || ' is not ' || coalesce(sum(g.remaining), 0) AS message
    FROM "CreditAccount" a LEFT JOIN "CreditGrant" g USING ("ownerId", "creditType")
    GROUP BY a."ownerId", a."creditType" HAVING a.balance <> coalesce(sum(g.remaining), 0)`,
  'a lot has what transactions left in it': `
    SELECT g.id::text, g.remaining || ' is not ' || coalesce(t.left, 0) AS message
    FROM "CreditGrant" g LEFT JOIN (
      SELECT (lot ->> 0)::bigint AS id, sum((lot ->> 1)::bigint) AS left
      FROM "CreditTransaction", jsonb_array_elements(lots) lot GROUP BY 1) t USING (id)
    WHERE g.remaining <> coalesce(t.left, 0) OR g.remaining < 0 OR g.remaining > g.amount`,
  'a transaction is what it did to lots': `
    SELECT id::text, amount || ' is not ' || lots AS message FROM "CreditTransaction"
    WHERE amount <> (SELECT coalesce(sum((lot ->> 1)::bigint), 0) FROM jsonb_array_elements(lots) lot)`,
  'refunds give back no more than was taken': `
    SELECT t.id::text, sum(r.amount - r.debt) || ' of ' || -t.amount + t.debt AS message
    FROM "CreditTransaction" t JOIN "CreditTransaction" r ON r."refundOf" = t.id
    GROUP BY t.id HAVING sum(r.amount - r.debt) > t.debt - t.amount
      OR count(*) FILTER (WHERE r."ownerId" <> t."ownerId" OR r."creditType" <> t."creditType") > 0`,
  'a settled hold keeps what it captured': `
    SELECT h.id::text, h.status || ', ' || coalesce(h.captured, 0) || ' kept of ' || -t.amount || ', given back ' || coalesce(r.sum, 0) AS message
    FROM "CreditHold" h JOIN "CreditTransaction" t ON t.id = h."transactionId"
      LEFT JOIN (SELECT "refundOf", sum(amount) AS sum, min(amount) FILTER (WHERE "idempotencyKey" LIKE 'ledger:hold:%') AS first
        FROM "CreditTransaction" GROUP BY 1) r ON r."refundOf" = t.id
    WHERE CASE h.status WHEN 'open' THEN r.sum IS NOT NULL
      ELSE coalesce(r.first, 0) <> -t.amount - h.captured OR coalesce(r.sum, 0) > -t.amount END`,
  'a key is one transaction': `
    SELECT "ownerId" || ' ' || "idempotencyKey" AS id, count(*) || ' times' AS message
    FROM "CreditTransaction" GROUP BY "ownerId", "idempotencyKey" HAVING count(*) > 1`,
  'a crossing is told once': `
    SELECT payload ->> 'transactionId' AS id, count(*) || ' times' AS message
    FROM graphile_worker._private_jobs GROUP BY 1 HAVING count(*) > 1`,
  'what was answered is in the log, once, as it was answered': `
    SELECT d."ownerId" || ' ' || d.key AS id, 'answered ' || d.id || ', ' || d.amount || ', ' || d.balance
      || '; found ' || coalesce(t.id || ', ' || t.amount || ', ' || t."balanceAfter", 'nothing') AS message
    FROM drill_answers d LEFT JOIN "CreditTransaction" t ON t."ownerId" = d."ownerId" AND t."idempotencyKey" = d.key
      LEFT JOIN "CreditTransaction" p ON p."ownerId" = d."ownerId" AND p."idempotencyKey" = 'ledger:debt:' || t.id
    WHERE d.id IS NOT NULL AND (t.id IS DISTINCT FROM d.id OR t."creditType" <> d."creditType"
      OR t.amount <> d.amount OR coalesce(p."balanceAfter", t."balanceAfter") <> d.balance
      OR d."holdId" IS NOT NULL AND NOT EXISTS (SELECT FROM "CreditHold" h WHERE h.id = d."holdId" AND h."transactionId" = t.id))`,
  'what was refused is not in the log': `
    SELECT d."ownerId" || ' ' || d.key AS id, 'refused, and found as ' || t.id AS message
    FROM drill_answers d JOIN "CreditTransaction" t ON t."ownerId" = d."ownerId" AND t."idempotencyKey" = d.key
    WHERE d."isRefused"`,
  'a hold was settled as it was answered': `
    SELECT h.id::text, 'answered ' || s.captured || '; found ' || h.status || ', ' || coalesce(h.captured, 0) AS message
    FROM drill_settled s JOIN "CreditHold" h USING (id) WHERE h.captured IS DISTINCT FROM s.captured`,
  'work under a hold is paid for once, or not at all': `
    SELECT w."ownerId" || ' ' || w.key AS id, 'captured ' || coalesce(sum(h.captured), 0) || ' of ' || w.captured AS message
    FROM drill_work w CROSS JOIN generate_series(1, 9) n
      LEFT JOIN "CreditTransaction" t ON t."ownerId" = w."ownerId"
        AND t."idempotencyKey" = CASE WHEN n = 1 THEN '' ELSE 'ledger:work:' || n || ':' END || w.key
      LEFT JOIN "CreditHold" h ON h."transactionId" = t.id
    GROUP BY w."ownerId", w.key, w.captured
    HAVING coalesce(sum(h.captured), 0) <> w.captured OR w.captured > 0 AND count(*) FILTER (WHERE h.status = 'open') > 0`,
}

/** Tables with the answers that callers got. */
const TABLES = `
  CREATE TABLE drill_answers ("ownerId" text, "creditType" text, key text, id bigint, amount bigint,
    balance bigint, "holdId" bigint, "isRefused" boolean);
  CREATE TABLE drill_settled (id bigint, captured bigint);
  CREATE TABLE drill_work ("ownerId" text, key text, captured bigint)`

/** The result of the checks. */
export interface Checked {
  violations: Violation[]
  answers: { carriedOut: Record<string, number>; refused: Record<string, number> }
  accounts: number
  transactions: number
}

/** Rows of one insert. */
const PAGE = 5_000
/** The most violations of one promise. */
const MOST_SHOWN = 100

/** Loads the journals of `folder` into tables and checks all promises. */
export async function checkPromises(url: string, folder: string): Promise<Checked> {
  const client = new pg.Client({ connectionString: asSystem(url) })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(TABLES)
    const violations: Violation[] = []
    const carriedOut: Record<string, number> = {}
    const refused: Record<string, number> = {}
    const load = pages(client)
    for (const line of readJournals(folder)) {
      const { does, ownerId, creditType, key, of } = line.asked
      if ('wrong' in line) {
        violations.push({ invariant: 'answer', id: `${ownerId} ${key}`, message: line.wrong })
        continue
      }
      const { answer } = line
      const counts = answer.refused === undefined ? carriedOut : refused
      counts[does] = (counts[does] ?? 0) + 1
      if (does === 'capture' || does === 'release') {
        if (answer.refused === undefined)
          await load('drill_settled', { id: of, captured: answer.amount })
      } else if (does === 'withCredits') {
        const captured = answer.refused === undefined ? 1 : 0
        await load('drill_work', { ownerId, key, captured })
      } else if (answer.id !== undefined || (answer.refused !== undefined && does !== 'replay')) {
        await load('drill_answers', {
          ...{ ownerId, creditType, key, id: answer.id, balance: answer.balance },
          ...{ amount: movedBy(line.asked, answer), holdId: answer.holdId },
          isRefused: answer.refused !== undefined,
        })
      }
    }
    await load.rest()
    await client.query('ANALYZE')
    for (const [invariant, sql] of Object.entries(PROMISES)) {
      const { rows } = await client.query<{ id: string; message: string }>(
        `SELECT id, message FROM (${sql}) wrong LIMIT ${MOST_SHOWN}`,
      )
      violations.push(...rows.map((row) => ({ invariant, ...row })))
    }
    const { rows } = await client.query<{ accounts: number; transactions: number }>(
      `SELECT (SELECT count(*)::int FROM "CreditAccount") AS accounts,
        (SELECT count(*)::int FROM "CreditTransaction") AS transactions`,
    )
    const [counted = { accounts: 0, transactions: 0 }] = rows
    return { violations, answers: { carriedOut, refused }, ...counted }
  } finally {
    await client.end()
  }
}

/** The change of the balance, as the call or its answer gives it. */
function movedBy(
  { does, amount }: { does: string; amount: number },
  answer: { amount?: number },
): number | undefined {
  if (does === 'deduct' || does === 'deductInTransaction' || does === 'hold') return -amount
  if (does === 'clawBack') return 0 - (answer.amount ?? 0)
  if (does === 'restore') return answer.amount
  return amount
}

/** Inserts rows into tables, many with one statement. */
function pages(client: pg.Client) {
  const waiting = new Map<string, object[]>()
  const write = async (table: string) => {
    const rows = waiting.get(table) ?? []
    waiting.set(table, [])
    await client.query(
      `INSERT INTO ${table} SELECT * FROM jsonb_populate_recordset(NULL::${table}, $1::jsonb)`,
      [JSON.stringify(rows)],
    )
  }
  const load = async (table: string, row: object) => {
    const rows = waiting.get(table) ?? []
    waiting.set(table, rows)
    rows.push(row)
    if (rows.length === PAGE) await write(table)
  }
  return Object.assign(load, {
    async rest() {
      for (const table of waiting.keys()) await write(table)
    },
  })
}
