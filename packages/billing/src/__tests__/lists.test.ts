/** Lists come in pages: each row once, whichever page it is on, however many were made in one moment. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { ListOrdersOptions } from '../orders/list.ts'
import { createCli } from './cli-process.ts'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
  const ownerId = await h.owner()
  const { id: customerId } = await h.billing.ensureCustomer(ownerId)
  const moment = new Date(Date.now() - 60_000)
  await h.db.order.createMany({
    data: Array.from({ length: 25 }, (_, n) => ({
      ...{ ownerId, customerId, provider: 'stripe', amount: 100, currency: 'usd', returnKey: 'k' },
      idempotencyKey: `${n}`,
      status: (['pending', 'cancelled'] as const)[n % 2] as string,
      needsAttention: n % 5 === 0 ? 'stuck' : null,
      // Ten of one moment, and the others before.
      createdAt: n < 10 ? moment : new Date(moment.getTime() - n * 1000),
    })),
  })
})
afterAll(() => h.close())

async function inPages(options: ListOrdersOptions): Promise<string[][]> {
  const pages: string[][] = []
  for (let after: string | undefined; ; ) {
    const page = await h.billing.listOrders({ ...options, ...(after ? { after } : {}) })
    pages.push(page.map(({ id }) => id))
    after = page.at(-1)?.id
    if (!after) return pages
  }
}

test.each<[string, ListOrdersOptions, number]>([
  ['all', {}, 25],
  ['of one status', { status: ['pending'] }, 13],
  ['of two statuses', { status: ['cancelled', 'pending'] }, 25],
  ['that a person has to look at', { needsAttention: true }, 5],
  ['of a status that none has', { status: ['completed'] }, 0],
])('orders, %s, are each on one page, the newest first', async (_, options, count) => {
  const whole = await h.billing.listOrders({ ...options, limit: 100 })
  expect(whole).toHaveLength(count)
  const times = whole.map(({ createdAt }) => createdAt.getTime())
  expect(times).toEqual([...times].sort((a, b) => b - a))
  const pages = await inPages({ ...options, limit: 4 })
  expect(pages.flat()).toEqual(whole.map(({ id }) => id))
  expect(pages.slice(0, Math.floor(count / 4)).every(({ length }) => length === 4)).toBe(true)
})

test('a page after an order that is not there is refused', async () => {
  await expect(h.billing.listOrders({ after: 'nothing' })).rejects.toMatchObject({
    code: 'order_not_found',
  })
})

test('the command names where the next page begins', async () => {
  const cli = createCli(h)
  const first = await cli.run(['orders', 'list', '--limit', '20', '--json'])
  const { orders } = first.json() as { orders: { id: string }[] }
  const last = orders.at(-1)?.id as string
  expect(first.stderr).toContain(`There may be more: --after=${last}`)
  const second = await cli.run(['orders', 'list', '--limit', '20', `--after=${last}`, '--json'])
  expect(second.json()).toMatchObject({ orders: { length: 5 } })
  expect(second.stderr).not.toContain('There may be more')
})
