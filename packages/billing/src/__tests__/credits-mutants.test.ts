/**
 * Do the checks bite? Each mutant is a wrong version of one function of the ledger, and the check that is named has
 * to find it. The right version passes all of them. A check with several callers at once gets a database of its own,
 * because its calls may go on after it threw. The other checks share a database: after each of them the right
 * version and the empty tables are back, and at the end the right version passes them there.
 */

import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { CHECKS } from './credits-checks.ts'

interface Mutant {
  name: string
  in:
    | 'Credit_post'
    | 'Credit_burn'
    | 'Credit_lot_in_turn'
    | 'Credit_deduct_run'
    | 'Credit_settle'
    | 'Credit_restore'
    | 'Credit_begin_work'
    | 'Credit_end_work'
  from: string | RegExp
  to: string
  by: keyof typeof CHECKS
}

const mutant = (
  by: Mutant['by'],
  name: string,
  where: Mutant['in'],
  from: Mutant['from'],
  to: string,
): Mutant => ({ by, name, in: where, from, to })

const POST = 'Credit_post'
const BURN = 'Credit_burn'
const SETTLE = 'Credit_settle'
const LOT = 'Credit_lot_in_turn'
const RUN = 'Credit_deduct_run'
const BEGIN = 'Credit_begin_work'
const END = 'Credit_end_work'

const MUTANTS: Mutant[] = [
  // The lock and the key.
  mutant('overspend', 'the account is not locked', POST, / FOR UPDATE/g, ''),
  mutant('duplicates', 'the account is not locked, with keys', POST, / FOR UPDATE/g, ''),
  mutant('settlements', 'settling does not lock the account', SETTLE, ' FOR UPDATE', ''),
  mutant(
    'beginnings',
    'a new account is not locked',
    POST,
    /(ON CONFLICT DO NOTHING;[^;]*) FOR UPDATE/,
    '$1',
  ),
  mutant('duplicates', 'the key is not looked up', POST, 't."idempotencyKey" = p_key', 'false'),
  mutant('keys', 'another type is taken for a replay', POST, `v_past."type" = p_type`, 'true'),
  mutant(
    'keys',
    'another amount is taken for a replay',
    POST,
    `v_past."amount" - v_past."debt" = p_amount`,
    'true',
  ),
  mutant(
    'keys',
    'another expiry is taken for a replay',
    POST,
    `v_past."expiresAt" IS NOT DISTINCT FROM p_expires_at`,
    'true',
  ),
  mutant(
    'keys',
    'another priority is taken for a replay',
    POST,
    `v_past."priority" IS NOT DISTINCT FROM p_priority`,
    'true',
  ),
  mutant(
    'keys',
    'another deduction is taken for a replay',
    POST,
    `v_past."refundOf" IS NOT DISTINCT FROM p_refund_of OR`,
    'true OR',
  ),
  mutant(
    'keys',
    'a deduction is taken for a hold',
    POST,
    '(hold_id IS NULL) = (p_hold_seconds IS NULL)',
    'true',
  ),
  mutant(
    'keys',
    'a replay forgets the debt it paid',
    POST,
    `coalesce(balance, v_past."balanceAfter")`,
    `v_past."balanceAfter"`,
  ),
  mutant(
    'keys',
    'another credit type is taken for a replay',
    POST,
    'v_past."creditType" = p_credit_type',
    'true',
  ),
  // Time.
  mutant('model', 'nothing lapses', POST, `g."expiresAt" <= v_now\n    ORDER`, 'false\n    ORDER'),
  mutant(
    'model',
    'a lot lapses a moment late',
    POST,
    `g."expiresAt" <= v_now\n    ORDER`,
    `g."expiresAt" < v_now\n    ORDER`,
  ),
  mutant(
    'model',
    'what lapses stays in the balance',
    POST,
    `v_balance := v_balance - v_lot."remaining";`,
    '',
  ),
  mutant(
    'model',
    'time runs back with the clock',
    POST,
    `, v_account."updatedAt")`,
    `, '-infinity')`,
  ),
  mutant('model', 'a lot that has lapsed is granted', POST, 'p_expires_at <= v_now', 'false'),
  // What there is.
  mutant(
    'model',
    'one credit more than there is',
    POST,
    'v_balance + p_amount < 0',
    'v_balance + p_amount < -1',
  ),
  mutant(
    'model',
    'the last credit is never spent',
    POST,
    'v_balance + p_amount < 0',
    'v_balance + p_amount <= 0',
  ),
  mutant(
    'limit',
    'one credit more than fits',
    POST,
    'v_balance + p_amount > v_limit',
    'v_balance + p_amount > v_limit + 1',
  ),
  mutant('limit', 'more than fits is refunded', POST, 'v_balance + v_amount > v_limit', 'false'),
  mutant(
    'limit',
    'the last credit that fits is not refunded',
    POST,
    'v_balance + v_amount > v_limit',
    'v_balance + v_amount >= v_limit',
  ),
  mutant(
    'limit',
    'a hold that does not fit is refused without a word',
    SETTLE,
    / +IF balance \+ v_amount - v_captured > v_limit THEN status.*\n/,
    '',
  ),
  mutant(
    'limit',
    'the last of a hold that fits is not given back',
    SETTLE,
    /balance \+ v_amount - v_captured > v_limit/g,
    'balance + v_amount - v_captured >= v_limit',
  ),
  mutant('room', 'what has lapsed makes no room', SETTLE, `'expiry', 0,`, `'grant', 0,`),
  // The lots.
  mutant('model', 'priority is ignored', BURN, `g."priority", g."expiresAt"`, `g."expiresAt"`),
  mutant('model', 'expiry is ignored', BURN, `g."expiresAt" NULLS LAST, `, ''),
  mutant('model', 'what never lapses goes first', BURN, 'NULLS LAST', 'NULLS FIRST'),
  mutant(
    'model',
    'the youngest lot goes first',
    BURN,
    `NULLS LAST, g."id"`,
    `NULLS LAST, g."id" DESC`,
  ),
  mutant(
    'model',
    'the purchase that is undone is not burnt first',
    BURN,
    'p_first IS NOT NULL',
    'false',
  ),
  mutant(
    'model',
    'a lot is emptied whatever was taken',
    BURN,
    /"remaining" = v_lot."remaining" - v_took/g,
    '"remaining" = 0',
  ),
  mutant('series', 'nothing is carried over', POST, 'v_left := p_rollover', 'v_left := 0'),
  mutant('series', 'all is carried over', POST, 'v_left := p_rollover', 'v_left := NULL'),
  mutant(
    'series',
    'each lot is carried over by itself',
    POST,
    'v_left := v_left - v_part;\n          UPDATE',
    'UPDATE',
  ),
  mutant(
    'series',
    'what is carried over lapses as before',
    POST,
    'greatest(g."expiresAt", p_expires_at)',
    'g."expiresAt"',
  ),
  mutant(
    'series',
    'the oldest is carried over first',
    POST,
    'ORDER BY g."id" DESC',
    'ORDER BY g."id"',
  ),
  mutant('series', 'every lot is of the series', POST, 'AND g."series" = p_series', ''),
  mutant(
    'series',
    'what is not carried over stays in the balance',
    POST,
    'v_balance := v_balance - v_part;\n          INSERT',
    'INSERT',
  ),
  // The plain deduction, and many of them at once. What breaks a constraint there is no mutant: the database
  // refuses it, and each is made by itself.
  mutant('model', 'a plain one ignores priority', LOT, 'g.priority, ', ''),
  mutant('model', 'a plain one ignores expiry', LOT, 'g."expiresAt", ', ''),
  mutant(
    'model',
    'a plain one takes first what never lapses',
    LOT,
    '"expiresAt", g.id',
    '"expiresAt" NULLS FIRST, g.id',
  ),
  mutant('model', 'a plain one takes the youngest', LOT, /g\.id(\s+LIMIT)/, 'g.id DESC$1'),
  mutant('lapsing', 'a plain one sees what lapses too late', LOT, '<= "', '< "'),
  mutant('lapsing', 'a plain one lets nothing lapse', POST, ' AND NOT v_lot."lapses"', ''),
  mutant('model', 'a plain one uses a lot up', POST, 'v_lot."remaining" > -', '1 > 0 * -'),
  mutant('model', 'a hold is a plain one', POST, ` AND p_hold_seconds IS NULL THEN`, ' THEN'),
  mutant(
    'model',
    'a plain one takes one more',
    POST,
    `v_lot."id", p_amount`,
    `v_lot."id", p_amount - 1`,
  ),
  mutant(
    'keys',
    'a plain one forgets its key',
    POST,
    /\n\s+p_key, jsonb/,
    ' gen_random_uuid(), jsonb',
  ),
  mutant(
    'threshold',
    'a plain one crosses a threshold and tells nobody',
    POST,
    `(v_account."balance" >= p_threshold AND v_balance < p_threshold) IS NOT TRUE`,
    'true',
  ),
  mutant('together', 'a run lets nothing lapse', RUN, ` AND NOT v_lot."lapses"`, ''),
  mutant('together', 'a hold is part of a run', RUN, ` AND c."holdSeconds" IS NULL`, ''),
  mutant('together', 'what else takes is part of a run', RUN, `c."type" = 'deduction' AND `, ''),
  mutant(
    'together',
    'a run takes from its lot what the first takes',
    RUN,
    `SET "remaining" = v_lot."remaining" + v_run."amount"`,
    `SET "remaining" = v_lot."remaining" - 1`,
  ),
  mutant(
    'together',
    'a run says it took more of its lot',
    RUN,
    `(v_lot."id", r."amount")`,
    `(v_lot."id", r."amount" - 1)`,
  ),
  mutant(
    'together',
    'a run answers the last balance',
    RUN,
    'r."id", r."balance", r',
    'r."id", 0::bigint, r',
  ),
  mutant('together', 'a run is kept under other keys', RUN, 'r."key",', 'gen_random_uuid(),'),
  mutant(
    'threshold',
    'a run crosses a threshold and tells nobody',
    RUN,
    `OR v_account."balance" >= p_threshold AND`,
    'OR false AND',
  ),
  // Refunds.
  mutant(
    'model',
    'more than was taken is refunded',
    POST,
    `v_part + p_amount > v_past."debt" - v_past."amount"`,
    'false',
  ),
  mutant(
    'model',
    'one less than was taken is refunded',
    POST,
    `v_part + p_amount > v_past`,
    `v_part + p_amount >= v_past`,
  ),
  mutant(
    'model',
    'earlier refunds are forgotten',
    POST,
    `coalesce(sum(t."amount"), 0), coalesce`,
    '0, coalesce',
  ),
  mutant('model', 'the first burnt gets back first', POST, 'ORDER BY o DESC', 'ORDER BY o'),
  mutant(
    'model',
    'a lot that has lapsed gets back and lapses',
    POST,
    `WHEN g."expiresAt" <= v_now THEN`,
    'WHEN false THEN',
  ),
  mutant(
    'model',
    'every lot that gets back lives a week',
    POST,
    `WHEN g."expiresAt" <= v_now THEN`,
    'WHEN true THEN',
  ),
  mutant('model', 'an open hold is refunded', POST, `h."transactionId" = v_refund_of`, 'false'),
  mutant(
    'model',
    'an open hold is found to be refunded',
    POST,
    `h."transactionId" = t."id"`,
    'false',
  ),
  mutant(
    'model',
    'the oldest deduction is refunded',
    POST,
    `t."id" DESC LIMIT 1`,
    `t."id" LIMIT 1`,
  ),
  mutant(
    'model',
    'any deduction is found to be refunded',
    POST,
    '-t."amount" - p_amount >= (',
    '0 <= (',
  ),
  // Debt.
  mutant('model', 'nothing becomes debt', POST, 'v_debt := v_amount - p_amount', 'v_debt := 0'),
  mutant('model', 'what comes in pays no debt', POST, 'v_amount > 0 AND v_part > 0', 'false'),
  mutant(
    'model',
    'more debt is paid than there is',
    POST,
    `least(v_balance, v_account."debt" + v_debt)`,
    'v_balance',
  ),
  mutant(
    'model',
    'what is restored forgives no debt',
    POST,
    `v_debt := -least(`,
    'v_debt := 0 * least(',
  ),
  mutant(
    'model',
    'what is restored forgives the debt of others',
    POST,
    `v_account."debt", v_past."debt", p_amount`,
    `v_account."debt", p_amount`,
  ),
  // Holds.
  mutant('model', 'a hold is settled again', SETTLE, `v_hold."status" <> 'open'`, 'false'),
  mutant(
    'model',
    'settled otherwise is taken for a replay',
    SETTLE,
    `v_hold."captured" = v_captured`,
    'true',
  ),
  mutant('model', 'more than was held is captured', SETTLE, 'v_captured > v_amount', 'false'),
  mutant(
    'model',
    'all of a hold is refunded',
    SETTLE,
    `'refund', v_amount - v_captured`,
    `'refund', v_amount`,
  ),
  mutant(
    'model',
    'nothing of a hold is refunded',
    SETTLE,
    'IF v_captured < v_amount THEN',
    'IF false THEN',
  ),
  mutant(
    'deadline',
    'a hold is overdue at once',
    SETTLE,
    `v_hold."expiresAt" > clock_timestamp()`,
    'false',
  ),
  // Work under a key.
  mutant('work', 'whoever asks takes work over', BEGIN, 'v_work."worker" = p_worker', 'true'),
  mutant(
    'work',
    'work under way is not waited for',
    BEGIN,
    `"expiresAt" > clock_timestamp() THEN`,
    `"expiresAt" IS NULL THEN`,
  ),
  mutant(
    'work',
    'what threw is never done anew',
    BEGIN,
    'v_work."finishedAt" >= to_timestamp(p_began / 1000)',
    'true',
  ),
  mutant(
    'work',
    'a call that overlapped is told nothing',
    BEGIN,
    'v_work."finishedAt" >= to_timestamp(p_began / 1000)',
    'false',
  ),
  mutant('work', 'what was done is done again', BEGIN, `v_work."status" = 'done'`, 'false'),
  mutant('work', 'another amount is waited for', BEGIN, 'v_work."amount" <> p_amount', 'false'),
  mutant(
    'work',
    'a second try uses a key of the caller’s',
    BEGIN,
    `'ledger:work:' || v_attempt || ':' || p_key`,
    `p_key || ':' || v_attempt`,
  ),
  mutant('work', 'what threw was done', END, `CASE WHEN p_failed`, 'CASE WHEN false'),
  mutant('work', 'the end is not written down', END, `status IN ('posted', 'replayed')`, 'false'),
]

/** The checks that make one call after the other, so that nothing is under way when they throw. */
const ONE_CALLER: ReadonlySet<string> = new Set<Mutant['by']>([
  ...(['model', 'lapsing', 'keys', 'limit', 'room', 'series', 'deadline'] as const),
])

let shared: TestDatabase
const sources = new Map<string, string>()
beforeAll(async () => {
  shared = await createTestDatabase(inject('postgres'))
  for (const name of new Set(MUTANTS.map((each) => each.in))) {
    const [row] = await shared.db.$queryRawUnsafe<[{ source: string }]>(
      `SELECT pg_get_functiondef('"${name}"'::regproc) AS source`,
    )
    sources.set(name, row.source)
  }
})
afterAll(() => shared.drop())

const TABLES = ['Account', 'Transaction', 'Grant', 'Hold', 'TopUp', 'Work'].map(
  (name) => `Credit${name}`,
)
const each = (sql: (table: string) => string) => TABLES.map((name) => sql(`"${name}"`))

/** Puts the right version back, and empties the tables past their guards. */
async function reset(where?: Mutant['in']): Promise<void> {
  const statements = [
    ...(where ? [sources.get(where) ?? ''] : []),
    ...each((table) => `ALTER TABLE ${table} DISABLE TRIGGER USER`),
    `TRUNCATE ${each((table) => table).join(', ')} RESTART IDENTITY`,
    ...each((table) => `ALTER TABLE ${table} ENABLE TRIGGER USER`),
  ]
  await shared.db.$transaction(statements.map((sql) => shared.db.$executeRawUnsafe(sql)))
}

/** Runs `work` on a database without rows, in which `where` may be replaced. */
async function within(
  by: Mutant['by'],
  work: (database: TestDatabase) => Promise<void>,
  where?: Mutant['in'],
): Promise<void> {
  if (ONE_CALLER.has(by)) {
    try {
      await work(shared)
    } finally {
      await reset(where)
    }
    return
  }
  const database = await createTestDatabase(inject('postgres'))
  try {
    await work(database)
  } finally {
    await database.drop()
  }
}

describe('promise 3: a ledger is caught in which', () => {
  test.each(MUTANTS)('$name, by $by', async ({ in: where, from, to, by }) => {
    const source = sources.get(where) ?? ''
    const wrong = source.replace(from as string, to)
    expect(wrong).not.toBe(source)
    const isCaught = async (database: TestDatabase) => {
      await database.db.$executeRawUnsafe(wrong)
      await expect(CHECKS[by](database)).rejects.toThrow()
    }
    await within(by, isCaught, where)
  })
})

// After the mutants, so that it also shows that nothing of them is left in the shared database.
describe('promise 3: the right ledger passes', () => {
  test.each(Object.keys(CHECKS) as (keyof typeof CHECKS)[])('%s', (name) =>
    within(name, async (database) => {
      await (name === 'model' ? CHECKS.model(database, 40) : CHECKS[name](database))
    }),
  )
})
