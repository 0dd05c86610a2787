/** Money that goes back takes its credits along: refunds, whole and in parts, and disputes. */

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { clawbackOf } from '../credits/clawback.ts'
import { createShop, type Shop } from './orders-harness.ts'

let shop: Shop
beforeAll(async () => {
  shop = await createShop(inject('postgres'))
})
afterAll(() => shop.close())

const balance = async (ownerId: string) => {
  const account = await shop.db.creditAccount.findFirst({ where: { ownerId } })
  return { balance: Number(account?.balance ?? 0), debt: Number(account?.debt ?? 0) }
}

describe('refunds', () => {
  test('promise 3: a partial refund takes its share, rounded down, and a full refund exactly all', async () => {
    const { orderId, ownerId } = await shop.paid()
    const parts = [333, 333, 333, 1]
    for (const amount of parts) await shop.billing.refundOrder(orderId, { amount })
    expect(await shop.ledger(ownerId)).toEqual([
      'purchase 100',
      'adjustment -33',
      'adjustment -33',
      'adjustment -33',
      'adjustment -1',
    ])
    // To a reader the log says what it was.
    const { transactions } = await shop.billing.showOrder(orderId)
    expect(transactions.map(({ type }) => type)).toEqual(['purchase', ...parts.map(() => 'refund')])
    expect(await shop.row(orderId)).toMatchObject({
      status: 'completed',
      amountRefunded: 1000,
      creditsRefunded: [33, 33, 33, 1],
    })
    expect(await balance(ownerId)).toEqual({ balance: 0, debt: 0 })
  })

  test('promise 3: spent credits become debt, which the next purchase pays', async () => {
    const { orderId, ownerId } = await shop.paid()
    await shop.billing.deductCredits(ownerId, 70, 'pictures')
    await shop.billing.refundOrder(orderId)
    expect(await balance(ownerId)).toEqual({ balance: 0, debt: 70 })
    const next = await shop.billing.createOrder({ ownerId, productId: 'CREDITS_SMALL' })
    await shop.controls.completeCheckout(next.checkoutId)
    await shop.billing.settleOrder(next.orderId)
    expect(await balance(ownerId)).toEqual({ balance: 30, debt: 0 })
  })

  test('a refund by the provider with many events at once takes the credits once', async () => {
    const { orderId, ownerId, paymentId } = await shop.paid()
    await shop.controls.refundPayment(paymentId, 500)
    await Promise.all(Array.from({ length: 20 }, () => shop.billing.settleOrder(orderId)))
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100', 'adjustment -50'])
  })

  test('a refund that is known before the payment leaves no credits', async () => {
    const { orderId, ownerId, checkoutId } = await shop.order()
    const { paymentId } = await shop.controls.completeCheckout(checkoutId)
    await shop.controls.refundPayment(paymentId ?? '')
    expect(await shop.billing.settleOrder(orderId)).toMatchObject({ status: 'completed' })
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100', 'adjustment -100'])
  })

  test('two calls with one key are one refund', async () => {
    const { orderId, ownerId } = await shop.paid()
    const refund = () =>
      shop.billing.refundOrder(orderId, { amount: 100, idempotencyKey: 'ticket_1' })
    await refund()
    await refund()
    expect(await shop.row(orderId)).toMatchObject({ amountRefunded: 100 })
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100', 'adjustment -10'])
  })

  test('refunds and deductions at once double and lose nothing', async () => {
    const { orderId, ownerId } = await shop.paid()
    const spent = Array.from({ length: 60 }, () => shop.billing.deductCredits(ownerId, 1, 'x'))
    const [, ...deductions] = await Promise.all([shop.billing.refundOrder(orderId), ...spent])
    const done = deductions.filter((each) => 'success' in each && each.success).length
    const { balance: left, debt } = await balance(ownerId)
    expect(left).toBe(0)
    expect(debt).toBe(done)
  })

  test.each([
    ['more than was paid', 1001, 'refund_exceeds_payment'],
    ['nothing', 0, 'invalid_amount'],
    ['less than nothing', -5, 'invalid_amount'],
    ['a fraction', 1.5, 'invalid_amount'],
    ['no number', Number.NaN, 'invalid_amount'],
    ['more than numbers hold', 2 ** 53, 'invalid_amount'],
  ])('refuses %s', async (_, amount, code) => {
    const { orderId, ownerId } = await shop.paid()
    await expect(shop.billing.refundOrder(orderId, { amount })).rejects.toMatchObject({ code })
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100'])
  })

  test('the error says how much can still be refunded', async () => {
    const { orderId } = await shop.paid()
    await shop.billing.refundOrder(orderId, { amount: 400 })
    await expect(shop.billing.refundOrder(orderId, { amount: 601 })).rejects.toMatchObject({
      code: 'refund_exceeds_payment',
      data: { amountAvailable: 600, currency: 'usd' },
    })
  })

  test('refuses an unpaid and an unknown order', async () => {
    const { orderId } = await shop.order()
    await expect(shop.billing.refundOrder(orderId)).rejects.toMatchObject({
      code: 'order_not_paid',
      status: 409,
    })
    await expect(shop.billing.refundOrder('order')).rejects.toMatchObject({
      code: 'order_not_found',
    })
  })
})

describe('disputes', () => {
  test('promise 3: take the credits back, and return them when won', async () => {
    const { orderId, ownerId, paymentId } = await shop.paid()
    await shop.billing.deductCredits(ownerId, 40, 'pictures')
    const { disputeId } = await shop.controls.dispute(paymentId)
    for (const _ of [1, 2]) await shop.billing.settleOrder(orderId)
    expect(await balance(ownerId)).toEqual({ balance: 0, debt: 40 })
    const row = await shop.db.creditTransaction.findFirst({
      where: { ownerId, idempotencyKey: `dispute:${disputeId}` },
    })
    expect(row).toMatchObject({ type: 'adjustment', amount: -60n, debt: 40n })
    await shop.controls.dispute(paymentId, 'won')
    for (const _ of [1, 2]) await shop.billing.settleOrder(orderId)
    expect(await balance(ownerId)).toEqual({ balance: 60, debt: 0 })
    expect(await shop.row(orderId)).toMatchObject({ disputeStatus: 'won', creditsDisputed: 0 })
  })

  test('promise 3: keep them when lost', async () => {
    const { orderId, ownerId, paymentId } = await shop.paid()
    await shop.controls.dispute(paymentId)
    await shop.billing.settleOrder(orderId)
    await shop.controls.dispute(paymentId, 'lost')
    await shop.billing.settleOrder(orderId)
    expect(await balance(ownerId)).toEqual({ balance: 0, debt: 0 })
    expect(await shop.ledger(ownerId)).toEqual(['purchase 100', 'adjustment -100'])
  })

  test('take the credits that a refund has left, and a refund during a dispute takes nothing twice', async () => {
    const { orderId, ownerId, paymentId } = await shop.paid()
    await shop.billing.refundOrder(orderId, { amount: 300 })
    await shop.controls.dispute(paymentId)
    await shop.billing.settleOrder(orderId)
    expect(await shop.row(orderId)).toMatchObject({ creditsRefunded: [30], creditsDisputed: 70 })
    await shop.billing.refundOrder(orderId, { amount: 200 })
    expect(await balance(ownerId)).toEqual({ balance: 0, debt: 0 })
    await shop.controls.dispute(paymentId, 'won')
    await shop.billing.settleOrder(orderId)
    expect(await shop.row(orderId)).toMatchObject({ creditsRefunded: [30, 20], creditsDisputed: 0 })
    expect(await balance(ownerId)).toEqual({ balance: 50, debt: 0 })
  })
})

describe('promise 3: with any events in any order', () => {
  const status = fc.constantFrom(null, 'warning_needs_response', 'needs_response', 'won', 'lost')

  test('the credits that are taken are the share that is due, and never more than were granted', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2_000_000_000 }),
        fc.integer({ min: 1, max: 99_999_999 }),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), status), { maxLength: 8 }),
        (credits, amountPaid, news) => {
          const order = {
            credits,
            creditsRefunded: [] as number[],
            creditsDisputed: 0,
            disputeId: null as string | null,
            disputes: 0,
          }
          let held: string | null = null
          const ledger = new Map<string, number>()
          for (const [share, disputeStatus] of news) {
            const amountRefunded = Math.round(amountPaid * share)
            const disputeId = disputeStatus === null ? order.disputeId : 'dispute'
            const said: { disputeId: string | null; disputeStatus: string | null } = {
              disputeId,
              disputeStatus: disputeStatus ?? held,
            }
            const { steps, ...taken } = clawbackOf(order, { amountPaid, amountRefunded, ...said })
            for (const step of steps) {
              const key = 'number' in step ? `refund:${step.number}` : step.dispute
              const isTaking = step.kind === 'refund' || step.kind === 'dispute'
              // As in the ledger: a key is used once, and only what is there is given back.
              expect(ledger.has(key)).toBe(!isTaking)
              if (!isTaking) expect(ledger.get(key)).toBe(step.credits)
              ledger.set(key, isTaking ? step.credits : 0)
            }
            held = said.disputeStatus
            Object.assign(order, taken, { disputeId })
            const sum = [...ledger.values()].reduce((a, b) => a + b, 0)
            const refunds = order.creditsRefunded.reduce((a, b) => a + b, 0)
            expect(sum).toBe(refunds + order.creditsDisputed)
            expect(sum).toBeLessThanOrEqual(credits)
            if (amountRefunded === amountPaid) expect(sum).toBe(credits)
            const isQuiet = order.creditsDisputed === 0
            const due = Number((BigInt(credits) * BigInt(amountRefunded)) / BigInt(amountPaid))
            if (isQuiet) expect(refunds).toBe(due)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})
