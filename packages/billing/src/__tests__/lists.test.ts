/** Lists come in pages: each row once, whichever page it is on, however many were made in one moment. */

import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { ListOrdersOptions } from '../orders/list.ts'
import type { PageOptions } from '../page.ts'
import { createCli } from './cli-process.ts'
import { createHarness, type Harness } from './harness.ts'
import { statementsOf } from './statements.ts'

const moment = new Date(Date.now() - 60_000)
/** Ten rows of one moment, and the others before. */
const timeOf = (n: number) => (n < 10 ? moment : new Date(moment.getTime() - n * 1000))
const ROWS = Array.from({ length: 25 }, (_, n) => n)

let h: Harness
let ownerId: string
let customerId: string
let otherId: string
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
  ownerId = await h.owner()
  customerId = (await h.billing.ensureCustomer(ownerId)).id
  otherId = await h.owner()
  await h.billing.ensureCustomer(otherId)
  await h.db.order.createMany({
    data: ROWS.map((n) => ({
      ...{ ownerId, customerId, provider: 'stripe', amount: 100, currency: 'usd', returnKey: 'k' },
      idempotencyKey: `${n}`,
      status: (['pending', 'cancelled'] as const)[n % 2] as string,
      needsAttention: n % 5 === 0 ? 'stuck' : null,
      createdAt: timeOf(n),
    })),
  })
  await h.db.payment.createMany({
    data: ROWS.map((n) => ({
      ...{ customerId, stripePaymentIntentId: `pi_${n}`, amount: 100, currency: 'usd' },
      ...{ status: 'succeeded', createdAt: timeOf(n) },
    })),
  })
  await h.db.invoice.createMany({
    data: ROWS.map((n) => ({
      ...{ customerId, stripeInvoiceId: `in_${n}`, status: n === 24 ? 'draft' : 'paid' },
      // Of one moment: invoices with a number each, two of one number, and two without.
      number: n < 2 ? null : n < 4 ? 'N-0003' : `N-${`${n}`.padStart(4, '0')}`,
      ...{ total: 100, amountDue: 100, amountPaid: 100, currency: 'usd' },
      ...{ periodStart: moment, periodEnd: moment, createdAt: timeOf(n), updatedAt: moment },
    })),
  })
  await h.db.booking.createMany({
    data: ROWS.map((n) => ({
      ...{ customerId, calBookingUid: `uid_${n}`, calUids: [`uid_${n}`], calCreatedAt: moment },
      ...{ title: 'Call', status: 'accepted', startsAt: timeOf(n), endsAt: moment },
    })),
  })
  await h.db.subscription.createMany({
    data: ROWS.map((n) => ({
      ...{ customerId, provider: 'local', providerSubscriptionId: `sub_${n}` },
      status: n % 2 === 0 ? 'active' : 'canceled',
      ...{ currentPeriodStart: moment, currentPeriodEnd: moment, createdAt: timeOf(n) },
      endedAt: n % 2 === 0 ? null : moment,
      needsAttention: 'second_current_subscription',
    })),
  })
  await h.db.effect.createMany({
    data: ROWS.map((n) => ({
      ...{ key: `effect:${n}`, customerId, name: 'order.completed', payload: {} },
      awaits: n % 5 === 0 ? [] : ['handler'],
    })),
  })
  for (const n of ROWS) await h.billing.grantCredits(ownerId, 1, { idempotencyKey: `grant:${n}` })
})
afterAll(() => h.close())

interface List {
  /** How many rows there are. */
  count: number
  page(options: PageOptions): Promise<object[]>
  /** The name by which the next page is asked for. */
  id: string
}
const of = (count: number, page: List['page'], id = 'id'): List => ({ count, page, id })
const orders = (count: number, which: ListOrdersOptions): List =>
  of(count, (options) => h.billing.listOrders({ ...which, ...options }))

const LISTS: Record<string, List> = {
  'all orders': orders(25, {}),
  'orders of one status': orders(13, { status: ['pending'] }),
  'orders of two statuses': orders(25, { status: ['cancelled', 'pending'] }),
  'orders that a person has to look at': orders(5, { needsAttention: true }),
  'orders of a status that none has': orders(0, { status: ['completed'] }),
  'invoices of an owner, without drafts': of(24, (page) => h.billing.listInvoices(ownerId, page)),
  'payments of an owner': of(25, (page) => h.billing.listPayments(ownerId, page)),
  'bookings of an owner': of(25, (page) => h.billing.listBookings(ownerId, page)), // #calcom
  'subscriptions of an owner': of(25, (page) => h.billing.listSubscriptions(ownerId, page)),
  'flagged subscriptions of all': of(13, (page) => h.billing.listFlagged(page)),
  'flagged subscriptions of an owner': of(13, (page) =>
    h.billing.listFlagged({ ownerId, ...page }),
  ),
  'effects that wait': of(20, (page) => h.billing.listWaitingEffects(page), 'key'),
}

async function inPages({ page, id }: List, limit: number): Promise<unknown[][]> {
  const pages: unknown[][] = []
  for (let after: string | undefined; ; ) {
    const rows = await page({ limit, ...(after ? { after } : {}) })
    pages.push(rows.map((row) => Reflect.get(row, id)))
    if (rows.length === 0) return pages
    after = Reflect.get(rows.at(-1) as object, id) as string
    if (pages.length > 100) throw new Error('The pages do not end.')
  }
}

describe.each(Object.entries(LISTS))('%s', (_, list) => {
  test('have each row on one page, in the order of the whole list', async () => {
    const whole = await list.page({ limit: 100 })
    expect(whole).toHaveLength(list.count)
    const ids = whole.map((row) => Reflect.get(row, list.id))
    for (const limit of [1, 4, 10]) {
      const pages = await inPages(list, limit)
      expect(pages.flat()).toEqual(ids)
      expect(
        pages.slice(0, Math.floor(list.count / limit)).every((each) => each.length === limit),
      ).toBe(true)
    }
  })

  test('refuse an invalid limit, and an invalid or unknown cursor', async () => {
    for (const limit of [0, -1, 1.5, 10_001, '5', null]) {
      await expect(list.page({ limit } as PageOptions)).rejects.toMatchObject({
        code: 'invalid_argument',
        status: 400,
      })
    }
    for (const after of ['', null, 5, 'x'.repeat(300)]) {
      await expect(list.page({ after } as PageOptions)).rejects.toMatchObject({
        code: 'invalid_argument',
        status: 400,
      })
    }
    const refusal = await list.page({ after: 'nothing' }).catch((error: unknown) => error)
    expect(refusal).toMatchObject({
      code: expect.stringMatching(/^(invalid_argument|order_not_found)$/),
    })
  })
})

test.each<[string, (ownerId: string, options: PageOptions) => Promise<unknown>]>([
  ['invoices', (id, page) => h.billing.listInvoices(id, page)],
  ['payments', (id, page) => h.billing.listPayments(id, page)],
  ['bookings', (id, page) => h.billing.listBookings(id, page)], // #calcom
  ['subscriptions', (id, page) => h.billing.listSubscriptions(id, page)],
  ['flagged subscriptions', (id, page) => h.billing.listFlagged({ ownerId: id, ...page })],
  ['orders', (id, page) => h.billing.listOrders({ ownerId: id, ...page })],
])('a page of %s does not begin after a row of another owner', async (_, list) => {
  const [first] = (await list(ownerId, {})) as { id: string }[]
  expect(first?.id).toEqual(expect.any(String))
  await expect(list(otherId, { after: first?.id as string })).rejects.toMatchObject({
    message: expect.not.stringContaining(ownerId),
  })
  expect(await list(otherId, {})).toEqual([])
})

test('orders and events name the unknown row', async () => {
  await expect(h.billing.listOrders({ after: 'nothing' })).rejects.toMatchObject({
    code: 'order_not_found',
  })
  await expect(h.billing.listEvents({ after: 'nothing' })).rejects.toMatchObject({
    code: 'event_not_found',
  })
})

test('a list without a limit has at most 100 rows', async () => {
  const sent = await statementsOf(async () => {
    await h.billing.listInvoices(ownerId)
    await h.billing.listPayments(ownerId)
    await h.billing.listBookings(ownerId) // #calcom
    await h.billing.listSubscriptions(ownerId)
    await h.billing.listFlagged()
    await h.billing.listFlagged(ownerId)
    await h.billing.listWaitingEffects()
  })
  const lists = sent.filter((sql) => /order by/i.test(sql))
  expect(lists).toHaveLength(7)
  expect(lists.filter((sql) => !/limit/i.test(sql))).toEqual([])
})

test.each<[string[], string, string, number]>([
  [['orders', 'list'], 'orders', 'id', 25],
  [['subscriptions', 'list'], 'flagged', 'id', 13],
  [['effects', 'list'], 'effects', 'key', 20],
  [['credits', 'list', 'OWNER'], 'transactions', 'id', 25],
])('the command %j names where the next page begins', async (words, name, id, count) => {
  const command = words.map((word) => (word === 'OWNER' ? ownerId : word))
  const cli = createCli(h)
  const ids: unknown[] = []
  let after: string | null = null
  do {
    const next = after === null ? [] : [`--after=${after}`]
    const { stderr, json } = await cli.run([...command, '--limit', '9', ...next, '--json'])
    const answer = json() as { nextCursor: string | null } & Record<string, object[]>
    const rows = answer[name] as object[]
    ids.push(...rows.map((row) => Reflect.get(row, id)))
    after = answer.nextCursor
    expect(stderr.includes('more: --after=')).toBe(after !== null)
    if (after !== null) expect(stderr).toContain(`--after=${after}`)
  } while (after !== null)
  expect(ids).toHaveLength(count)
  expect(new Set(ids).size).toBe(count)
  for (const limit of ['0', '1e2', '10001', 'many']) {
    const { code, stderr } = await cli.run([...command, `--limit=${limit}`])
    expect([limit, code, stderr]).toEqual([
      limit,
      2,
      expect.stringContaining('--limit must be a whole number from 1 to'),
    ])
  }
  const { code } = await cli.run([...command, '--after=nothing'])
  expect(code).not.toBe(0)
})
