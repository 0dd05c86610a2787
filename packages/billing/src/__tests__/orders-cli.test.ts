/** `pnpm billing orders …` and `webhooks diagnose`, as processes of their own. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createCli, DB_PASSWORD } from './cli-process.ts'
import { createHarness, type Harness, WEBHOOK_SECRET } from './harness.ts'

let h: Harness
let cli: ReturnType<typeof createCli>
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
  cli = createCli(h)
})
afterAll(() => h.close())

/** An order that was paid and of which nobody told us. */
async function unheard() {
  const ownerId = await h.owner()
  const created = await h.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
  await h.pay(created.checkoutId)
  return { ownerId, ...created }
}

const transactions = (ownerId: string) =>
  h.db.creditTransaction.findMany({ where: { ownerId }, orderBy: { id: 'asc' } })

describe('orders', () => {
  test('promise 4: reconcile asks the provider, and records the operator', async () => {
    const { orderId, ownerId } = await unheard()
    const args = ['orders', 'reconcile', '--order', orderId, '--operator', 'grace', '--json']
    const first = await cli.run(args)
    expect(first.code).toBe(0)
    expect(first.json()).toMatchObject({
      operator: 'grace',
      order: { id: orderId, status: 'completed' },
      added: [{ type: 'purchase', amount: 100, key: `order:${orderId}:fulfil` }],
    })
    const again = await cli.run(args)
    expect(again.json()).toMatchObject({ added: [] })
    expect(again.stderr).toContain('No credit transactions were missing.')
    expect(await transactions(ownerId)).toMatchObject([
      { amount: 100n, actor: 'grace', description: 'manual reconciliation' },
    ])
  })

  test('promise 4: reconcile grants nothing for an unpaid order', async () => {
    const ownerId = await h.owner()
    const { orderId } = await h.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
    const { code, stderr } = await cli.run(['orders', 'reconcile', '--order', orderId])
    expect(code).toBe(0)
    expect(stderr).toContain('pending')
    expect(await transactions(ownerId)).toEqual([])
  })

  test('reconcile of all orders compares the days, corrects differences, and then finds none', async () => {
    const { orderId } = await unheard()
    const { code, stderr } = await cli.run(['orders', 'reconcile', '--operator', 'grace'])
    expect(stderr).toContain(`${orderId}: repaired`)
    expect(stderr).toMatch(/\d{4}-\d\d-\d\d {2}stripe {2}usd {2}ours \d+ paid \d+ refunded 0.*same/)
    expect(code).toBe(0)
    const { json } = await cli.run(['orders', 'reconcile', '--json'])
    expect(json()).toMatchObject({ mended: [], differing: [], paidWithoutTransaction: [] })
  })

  test('list names a plan’s payment by its product, or else by plan and interval', async () => {
    const { ownerId } = await h.subscriber()
    const listed = async () => (await cli.run(['orders', 'list', ownerId])).stderr
    expect(await listed()).toContain(`${ownerId}  PRO_MONTHLY  2900 usd  completed`)
    const [order] = await h.db.order.findMany({ where: { ownerId }, omit: { id: true } })
    const other = { ...(order as NonNullable<typeof order>), sku: null }
    const terms = { paymentId: 'pi_2', invoiceId: 'in_2' }
    await h.db.order.create({ data: { ...other, ...terms } })
    expect(await listed()).toContain(`${ownerId}  PRO per month  2900 usd  completed`)
    const unknown = { plan: null, interval: null, paymentId: 'pi_3', invoiceId: 'in_3' }
    await h.db.order.create({ data: { ...other, ...unknown } })
    expect(await listed()).toContain(`${ownerId}  subscription  2900 usd  completed`)
    await h.db.order.deleteMany({ where: { paymentId: { in: ['pi_2', 'pi_3'] } } })
  })

  test('list and show print the orders', async () => {
    const { orderId, ownerId } = await unheard()
    await h.billing.settleOrder(orderId)
    await h.billing.refundOrder(orderId, { amount: 500 })
    const list = await cli.run(['orders', 'list', ownerId])
    expect(list.stderr).toContain(
      `${orderId}  ${ownerId}  CREDITS_SMALL  1000 usd  completed  500 refunded`,
    )
    const pending = await cli.run(['orders', 'list', ownerId, '--status', 'pending', '--json'])
    expect(pending.json()).toEqual({ orders: [], nextCursor: null })
    const attention = await cli.run(['orders', 'list', '--status', 'attention'])
    expect(attention.stderr).toContain('There are none.')
    const show = await cli.run(['orders', 'show', orderId, '--json'])
    expect(show.json()).toMatchObject({
      id: orderId,
      transactions: [{ amount: 100 }, { amount: -50, key: `refund:${orderId}:1` }],
    })
    expect(show.stdout).not.toContain('returnKey')
  })

  test('refund refunds the money, takes the credits back, and records the operator', async () => {
    const { orderId, ownerId } = await unheard()
    await h.billing.settleOrder(orderId)
    const args = ['orders', 'refund', orderId, '--amount', '200', '--operator', 'grace']
    const { code, stderr } = await cli.run(args)
    expect(code).toBe(0)
    expect(stderr).toContain('200 of 1000 usd are refunded.')
    const [, refund] = await transactions(ownerId)
    expect(refund).toMatchObject({ amount: -20n, actor: 'grace' })
    const more = await cli.run(['orders', 'refund', orderId, '--amount', '900'])
    expect(more.code).toBe(1)
    expect(more.stderr).toContain('At most 800 (minor units) of the payment can still be refunded.')
  })

  test.each([
    [['orders', 'show'], 2],
    [['orders', 'show', 'nobody'], 1],
    [['orders', 'list', '--status', 'lost'], 2],
    [['orders', 'list', '--limit', '0'], 2],
    [['orders', 'refund', 'nobody', '--amount', '-1'], 2],
    [['orders', 'reconcile', '--order', 'nobody'], 1],
    [['orders', 'reconcile', '--operator', ' '], 2],
    [['orders', 'reconcile', 'surplus'], 2],
  ])('%s exits with %i and a reason', async (args, expected) => {
    const { code, stderr } = await cli.run(args)
    expect(code).toBe(expected)
    expect(stderr.trim()).not.toBe('')
  })
})

describe('webhooks diagnose', () => {
  /** The host's route, on a port of its own. */
  async function host(answer: (body: string) => Promise<Response>) {
    const server = createServer((req, res) => {
      let body = ''
      req.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      req.on('end', () => {
        void answer(body).then(async (response) => {
          res.writeHead(response.status, Object.fromEntries(response.headers))
          res.end(await response.text())
        })
      })
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/webhooks/stripe`
    return { url, close: () => new Promise((done) => server.close(done)) }
  }

  const checksOf = (run: { json(): Record<string, unknown> }) => {
    const { checks } = run.json() as { checks: { check: string; isOk: boolean; says: string }[] }
    return Object.fromEntries(checks.map(({ check, isOk, says }) => [check, { isOk, says }]))
  }

  test('finds nothing wrong with a mounted route that Stripe knows and has delivered to', async () => {
    const post = (body: string) =>
      h.billing.handleStripeWebhook(new Request('http://x/', { method: 'POST', body }))
    const { url, close } = await host(post)
    try {
      await h.billing.createWebhookEndpoint(url)
      await unheard()
      await h.deliverAll()
      const run = await cli.run(['webhooks', 'diagnose', url, '--json'])
      const checks = checksOf(run)
      expect(Object.entries(checks).filter(([, { isOk }]) => !isOk)).toEqual([])
      expect(Object.keys(checks)).toEqual([
        'url',
        'https',
        'secret',
        'answer',
        'rate_limit',
        'deliveries',
        'processing',
      ])
      expect(run.code).toBe(0)
    } finally {
      await close()
    }
  })

  test('names each problem', async () => {
    const { url, close } = await host(async () => new Response(null, { status: 404 }))
    try {
      const run = await cli.run(['webhooks', 'diagnose', url, '--json'], {
        STRIPE_WEBHOOK_SECRET: '',
      })
      expect(run.code).toBe(1)
      expect(checksOf(run)).toMatchObject({
        url: { isOk: false },
        secret: { isOk: false, says: expect.stringContaining('STRIPE_WEBHOOK_SECRET') },
        answer: { isOk: false, says: expect.stringContaining('mounted') },
      })
    } finally {
      await close()
    }
    const limited = await host(async () => new Response(null, { status: 429 }))
    try {
      expect(
        checksOf(await cli.run(['webhooks', 'diagnose', limited.url, '--json'])),
      ).toMatchObject({
        rate_limit: { isOk: false },
      })
    } finally {
      await limited.close()
    }
    const nowhere = await cli.run([
      'webhooks',
      'diagnose',
      'http://shop.example.invalid/x',
      '--json',
    ])
    expect(checksOf(nowhere)).toMatchObject({
      https: { isOk: false },
      answer: { isOk: false, says: 'The endpoint cannot be reached from here.' },
    })
    const none = await cli.run(['webhooks', 'diagnose', 'nonsense', '--json'])
    expect(checksOf(none)).toMatchObject({
      url: { isOk: false, says: 'The address is not a valid URL.' },
    })
  })
})

test('promise 7: no output contains a secret or an address', () => {
  for (const secret of [WEBHOOK_SECRET, DB_PASSWORD, 'sk_test_harness', '@example.com']) {
    expect(cli.said()).not.toContain(secret)
  }
})
