/** What makes no sense is refused with the right code, and nothing is written. */

import { createDb } from '@repo/db'
import { createTestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type CreditOptions, MAX_CREDITS } from '../credits/index.ts'
import { createBilling } from '../index.ts'
import { createLedger, DAY, type Ledger } from './credits-harness.ts'

let h: Ledger
beforeAll(async () => {
  h = await createLedger(inject('postgres'))
})
afterAll(() => h.close())

const refused = (code: string, status: number) => expect.objectContaining({ code, status })

/** Each mutation with one amount, whatever that is. */
const amounts = {
  grantCredits: (o: string, n: number) => h.billing.grantCredits(o, n, { idempotencyKey: 'k' }),
  deductCredits: (o: string, n: number) => h.billing.deductCredits(o, n, ''),
  refundCredits: (o: string, n: number) => h.billing.refundCredits(o, n, ''),
  holdCredits: (o: string, n: number) => h.billing.holdCredits(o, n, ''),
  withCredits: (o: string, n: number) => h.billing.withCredits(o, n, '', () => 1),
  clawBackCredits: (o: string, n: number) =>
    h.billing.clawBackCredits(o, n, '', { idempotencyKey: 'k' }),
}

const noAmounts: unknown[] = [
  0,
  -1,
  -0.5,
  0.5,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  2 ** 53 + 2,
  MAX_CREDITS + 1,
  1e300,
  '5',
  5n,
  null,
  undefined,
  {},
]

describe.each(Object.keys(amounts) as (keyof typeof amounts)[])('%s', (name) => {
  test.each(noAmounts)('refuses %s', async (amount) => {
    const owner = await h.owner(10)
    await expect(amounts[name](owner, amount as number)).rejects.toEqual(
      refused('invalid_amount', 400),
    )
    expect(await h.rows(owner)).toEqual(['grant 10'])
  })

  test.each(['', '  ', null, undefined, 5])('refuses the owner %j', async (owner) => {
    await expect(amounts[name](owner as string, 1)).rejects.toEqual(refused('owner_required', 400))
  })

  test.each(['a\0b', 'a\ud800', 'x'.repeat(256)])('refuses the owner %j', async (owner) => {
    await expect(amounts[name](owner, 1)).rejects.toEqual(refused('invalid_input', 400))
  })
})

test.each([0, -0, 0.5, -1.5, Number.NaN, -(2 ** 53), '-5', null])(
  'adjustCredits refuses %s',
  async (amount) => {
    const owner = await h.owner(10)
    const call = h.billing.adjustCredits(owner, amount as number, '', { actor: 'ada' })
    await expect(call).rejects.toEqual(refused('invalid_amount', 400))
  },
)

test.each<[string, CreditOptions, code?: string]>([
  ['an empty key', { idempotencyKey: '' }],
  ['a blank key', { idempotencyKey: ' ' }],
  ['a key too long', { idempotencyKey: 'k'.repeat(256) }],
  ['a key that cannot be stored', { idempotencyKey: 'k\0' }, 'invalid_argument'],
  ['half a character', { idempotencyKey: 'k\udc00' }, 'invalid_argument'],
  ['a key of the ledger’s own', { idempotencyKey: 'ledger:debt:1' }],
  ['a key that is no text', { idempotencyKey: 5 as unknown as string }],
  ['an empty credit type', { creditType: '' }],
  ['a credit type in capitals', { creditType: 'Credits' }],
  ['a credit type too long', { creditType: 'c'.repeat(51) }],
  ['a credit type that is no text', { creditType: {} as string }],
])('every function refuses %s', async (_, options, code = 'invalid_input') => {
  const owner = await h.owner(10)
  const { holdCredits, deductCredits, refundCredits, grantCredits, adjustCredits } = h.billing
  const given = { idempotencyKey: 'k', ...options }
  for (const call of [
    () => grantCredits(owner, 1, given),
    () => deductCredits(owner, 1, '', options),
    () => refundCredits(owner, 1, '', options),
    () => holdCredits(owner, 1, '', options),
    () => adjustCredits(owner, 1, '', { ...options, actor: 'ada' }),
    () => h.billing.clawBackCredits(owner, 1, '', given),
    () => h.billing.restoreCredits(owner, '', { clawBackKey: 'k', ...given }),
  ]) {
    await expect(call()).rejects.toEqual(refused(code, 400))
  }
  expect(await h.rows(owner)).toEqual(['grant 10'])
})

test.each<[string, (owner: string) => Promise<unknown>, code?: string]>([
  ['a description too long', (o) => h.billing.deductCredits(o, 1, 'd'.repeat(501))],
  ['no description', (o) => h.billing.deductCredits(o, 1, null as unknown as string)],
  [
    'a description that cannot be stored',
    (o) => h.billing.deductCredits(o, 1, '\0'),
    'invalid_argument',
  ],
  ['no key for a grant', (o) => h.billing.grantCredits(o, 1, {} as { idempotencyKey: string })],
  ['a grant of a type there is not', (o) => grant(o, { type: 'refund' })],
  ['a priority above 100', (o) => grant(o, { priority: 101 })],
  ['a priority below 0', (o) => grant(o, { priority: -1 })],
  ['half a priority', (o) => grant(o, { priority: 0.5 })],
  ['an expiry that is no date', (o) => grant(o, { expiresAt: '2031-01-01' })],
  ['an expiry that is no time', (o) => grant(o, { expiresAt: new Date(Number.NaN) })],
  ['an expiry beyond the calendar', (o) => grant(o, { expiresAt: new Date(8.64e15) })],
  ['an expiry in the past', (o) => grant(o, { expiresAt: new Date(h.clock.now().getTime() - 1) })],
  ['an expiry at this moment', (o) => grant(o, { expiresAt: h.clock.now() })],
  ['an adjustment by nobody', (o) => h.billing.adjustCredits(o, 1, '', { actor: ' ' })],
  ['an actor that is not said', (o) => h.billing.adjustCredits(o, 1, '', {} as { actor: string })],
  ['a hold for no time', (o) => h.billing.holdCredits(o, 1, '', { ttlSeconds: 0 })],
  ['a hold for a year', (o) => h.billing.holdCredits(o, 1, '', { ttlSeconds: 365 * 86_400 })],
  ['a cursor of another list', (o) => h.billing.listTransactions(o, { cursor: 'abc' })],
  ['a page of none', (o) => h.billing.listTransactions(o, { limit: 0 })],
  ['a page of too many', (o) => h.billing.listTransactions(o, { limit: 201 })],
  [
    'a page after a row',
    (o) => h.billing.listTransactions(o, { after: '1' } as object),
    'invalid_argument',
  ],
  [
    'a list with null for its options',
    (o) => h.billing.listTransactions(o, null as never),
    'invalid_argument',
  ],
  ['a balance of no type', (o) => h.billing.getBalance(o, { creditType: 'A' })],
])('%s is refused', async (_, call, code = 'invalid_input') => {
  const owner = await h.owner(10)
  await expect(call(owner)).rejects.toEqual(refused(code, 400))
  expect(await h.rows(owner)).toEqual(['grant 10'])
})

const grant = (ownerId: string, options: object) =>
  h.billing.grantCredits(ownerId, 1, { idempotencyKey: 'k', ...options })

test('keys may have letters of any script, and two Unicode forms of a letter are two keys', async () => {
  const owner = 'مالك-所有者-🦉'
  const key = (text: string) => ({ idempotencyKey: text })
  await h.billing.grantCredits(owner, 10, { ...key('ключ 🔑'), description: 'Zwölf Bücher' })
  await h.billing.deductCredits(owner, 1, '', key('é'))
  await h.billing.deductCredits(owner, 1, '', key('e\u0301'))
  await h.billing.deductCredits(owner, 1, '', key('é'))
  expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 8 })
  const { transactions } = await h.billing.listTransactions(owner)
  expect(transactions.at(-1)).toMatchObject({ description: 'Zwölf Bücher' })
})

test('a repeated call returns the first result after the expiry of its credits, too', async () => {
  const owner = await h.owner()
  const options = { idempotencyKey: 'g', expiresAt: new Date(h.clock.now().getTime() + DAY) }
  const first = await h.billing.grantCredits(owner, 5, options)
  h.clock.advance(2 * DAY)
  expect(await h.billing.grantCredits(owner, 5, options)).toEqual(first)
})

test('an account has a limit, also for refunds', async () => {
  const owner = await h.owner(MAX_CREDITS)
  const more = h.billing.grantCredits(owner, 1, { idempotencyKey: 'more' })
  await expect(more).rejects.toEqual(refused('credit_limit_exceeded', 409))
  await h.billing.deductCredits(owner, MAX_CREDITS, '')
  await h.billing.grantCredits(owner, MAX_CREDITS, { idempotencyKey: 'again' })
  const back = h.billing.refundCredits(owner, 1, '')
  await expect(back).rejects.toEqual(refused('credit_limit_exceeded', 409))
  expect(await h.billing.getBalance(owner)).toMatchObject({ balance: MAX_CREDITS })
})

test('debt has a limit, too', async () => {
  const owner = await h.owner()
  const claw = (key: string, n: number) =>
    h.billing.clawBackCredits(owner, n, '', { idempotencyKey: key })
  await claw('a', MAX_CREDITS)
  await expect(claw('b', 1)).rejects.toEqual(refused('credit_limit_exceeded', 409))
})

test('promise 7: an error does not contain the description', async () => {
  const owner = await h.owner()
  const secret = 'ada@example.com '.repeat(40)
  const refusal = await h.billing.deductCredits(owner, 1, secret).catch((error: Error) => error)
  expect(`${(refusal as Error).message} ${h.logger.text}`).not.toContain('ada@')
})

test('a clock that runs back does not set an account’s time back', async () => {
  const owner = await h.owner()
  const start = h.clock.now()
  const at = (days: number) => new Date(start.getTime() + days * DAY)
  await h.billing.grantCredits(owner, 5, { idempotencyKey: 'g', expiresAt: at(5) })
  await h.billing.grantCredits(owner, 7, { idempotencyKey: 'never' })
  h.clock.set(at(6))
  await h.billing.deductCredits(owner, 1, '')
  h.clock.set(at(1))
  expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 6 })
  expect(await h.billing.deductCredits(owner, 7, '')).toMatchObject({ success: false, balance: 6 })
  await h.billing.deductCredits(owner, 2, '')
  const { transactions } = await h.billing.listTransactions(owner)
  const times = transactions.map(({ createdAt }) => createdAt.getTime())
  expect(times).toEqual([...times].sort((a, b) => b - a))
  expect(transactions[0]?.createdAt).toEqual(at(6))
  await expect(grant(owner, { expiresAt: at(5.5) })).rejects.toEqual(refused('invalid_input', 400))
})

test('without the database functions the first call says what is missing', async () => {
  const database = await createTestDatabase(inject('postgres'))
  const billing = createBilling({ db: database.db, appUrl: 'http://localhost' })
  await database.db.$executeRaw`DROP FUNCTION "Credit_post"`
  const call = billing.deductCredits('user_1', 1, '')
  await expect(call).rejects.toEqual(refused('credits_not_installed', 500))
  await expect(billing.deductCredits('user_1', 1, '')).rejects.toThrow('db:migrate')
  await database.db.$executeRaw`DROP TABLE "CreditAccount" CASCADE`
  await expect(billing.getBalance('user_1')).rejects.toThrow('db:migrate')
  await database.drop()
})

test('a call without a transaction is tried once more when its connection is cut, and done once', async () => {
  const owner = await h.owner(1000)
  // The first connection that comes by is cut after its work, before it can answer.
  const db = createDb(h.databaseUrl, { maxConnections: 2 })
  const billing = createBilling({ ...h.settings, db })
  await db.$executeRaw`CREATE TABLE "Cut" (left_over int)`
  await db.$executeRaw`INSERT INTO "Cut" VALUES (1)`
  await db.$executeRawUnsafe(`
    CREATE FUNCTION "Cut"() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW."ownerId" = '${owner}' AND nextval('"Cut_seq"') = 1 THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
      END IF;
      RETURN NULL;
    END $$`)
  await db.$executeRaw`CREATE SEQUENCE "Cut_seq"`
  await db.$executeRaw`CREATE TRIGGER "Cut" AFTER INSERT ON "CreditTransaction" FOR EACH ROW EXECUTE FUNCTION "Cut"()`
  const done = await billing.deductCredits(owner, 5, '')
  expect(done).toMatchObject({ success: true, balance: 995 })
  expect(h.logger.text).toContain('trying once more')
  await db.$executeRaw`ALTER SEQUENCE "Cut_seq" RESTART`
  // In a host's transaction there is nothing to try again: all of it is gone.
  const joined = db.$transaction((tx) => billing.deductCredits(owner, 5, '', { tx }))
  await expect(joined).rejects.toThrow()
  expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 995 })
  await db.$executeRaw`DROP TRIGGER "Cut" ON "CreditTransaction"`
  await db.$disconnect()
})

test('a call whose answer is lost is not done again', async () => {
  const owner = await h.owner(100)
  let lost = 0
  const db = new Proxy(h.db, {
    get(target, name) {
      const member = Reflect.get(target, name)
      if (name !== '$queryRaw') return member
      return async (...args: Parameters<typeof h.db.$queryRaw>) => {
        const answer = await target.$queryRaw(...args)
        lost += 1
        if (lost % 2 === 1) throw new Error('Connection terminated unexpectedly')
        return answer
      }
    },
  })
  const billing = createBilling({ ...h.settings, db })
  expect(await billing.deductCredits(owner, 5, '')).toMatchObject({ success: true, balance: 95 })
  const held = await billing.holdCredits(owner, 5, '')
  await billing.captureHold(held.success ? held.holdId : '', 3)
  await billing.clawBackCredits(owner, 200, '', { idempotencyKey: 'dispute:1' })
  await billing.restoreCredits(owner, '', { clawBackKey: 'dispute:1' })
  expect(lost).toBe(10)
  expect(await h.billing.getBalance(owner)).toMatchObject({ balance: 92, debt: 0, holds: 0 })
})
