/** A row that fails holds up no other row of its sweep, and is named in the log. */

import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createBilling } from '../index.ts'
import type { createLocalProvider } from '../providers/local/provider.ts'
import { createLedger, DAY, type Ledger } from './credits-harness.ts'
import { createHarness, type Harness } from './harness.ts'
import { createShop, type Shop } from './orders-harness.ts'
import { poison } from './poison.ts'

let ledger: Ledger
let h: Harness
let shop: Shop
/** The id of a payment about which the provider answers nonsense. */
let nonsense = ''
beforeAll(async () => {
  ledger = await createLedger(inject('postgres'))
  h = await createHarness(inject('postgres'))
  shop = await createShop(inject('postgres'), {
    through: (provider: ReturnType<typeof createLocalProvider>) => ({
      ...provider,
      async retrievePayment(id: string) {
        if (id === nonsense) throw new TypeError('nonsense')
        return provider.retrievePayment(id)
      },
    }),
  })
})
afterAll(() => Promise.all([ledger.close(), h.close(), shop.close()]))

const MOST = 1_000_000_000_000_000

async function held(owner: string, amount: number): Promise<string> {
  const hold = await ledger.billing.holdCredits(owner, amount, '')
  if (!hold.success) throw new Error(hold.error)
  return hold.holdId
}

test('overdue holds: one that does not fit and one that fails leave the others to be released', async () => {
  const full = await ledger.owner(MOST)
  const doesNotFit = await held(full, 5)
  await ledger.billing.grantCredits(full, 5, { idempotencyKey: 'more' })
  const bad = await ledger.owner(10)
  const fails = await held(bad, 5)
  await poison(ledger.db, 'CreditHold', 'ownerId', bad)
  const good = await ledger.owner(10)
  await held(good, 5)
  await ledger.db.$executeRawUnsafe(`ALTER TABLE "CreditHold" DISABLE TRIGGER USER`)
  await ledger.db.$executeRaw`UPDATE "CreditHold" SET "expiresAt" = clock_timestamp()`
  await ledger.db.$executeRawUnsafe(`ALTER TABLE "CreditHold" ENABLE TRIGGER USER`)
  expect(await ledger.billing.releaseOverdueHolds()).toBe(1)
  expect(await ledger.billing.getBalance(good)).toMatchObject({ balance: 10, holds: 0 })
  expect(ledger.logger.text).toContain(`"holdId":"${doesNotFit}","code":"credit_limit_exceeded"`)
  expect(ledger.logger.text).toContain(`"holdId":"${fails}","code":"internal_error"`)
  // Where there is room again the next sweep releases it.
  await ledger.billing.deductCredits(full, 5, '')
  expect(await ledger.billing.releaseOverdueHolds()).toBe(1)
})

test('lapsed credits: an account that fails leaves the others to be swept', async () => {
  const expiresAt = new Date(ledger.clock.now().getTime() + DAY)
  const owners = [await ledger.owner(), await ledger.owner(), await ledger.owner()].sort()
  for (const owner of owners) {
    await ledger.billing.grantCredits(owner, 7, { idempotencyKey: 'soon', expiresAt })
  }
  await poison(ledger.db, 'CreditTransaction', 'ownerId', owners[0] as string)
  ledger.clock.advance(2 * DAY)
  expect(await ledger.billing.expireCredits()).toBe(2)
  expect(await ledger.rows(owners[2] as string)).toEqual(['grant 7', 'expiry -7'])
  expect(ledger.logger.text).toContain(owners[0])
})

test('pulled events: one that cannot be stored leaves the others to be stored', async () => {
  const events = await h.events('checkout.session.completed')
  expect(events).toEqual([])
  const ownerId = await h.owner()
  const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
  await h.pay(id)
  const [event] = (await h.events('checkout.session.completed')) as unknown as [{ id: string }]
  await poison(h.db, 'WebhookEvent', 'eventId', event.id)
  const { seen, pulled } = await h.billing.pullEvents()
  expect(pulled).not.toContain(event.id)
  expect(pulled).toHaveLength(seen - 1)
  expect(h.logger.text).toContain(event.id)
})

test('events: one that cannot be processed leaves the others to be processed', async () => {
  const owners = [await h.owner(), await h.owner()]
  for (const ownerId of owners) {
    const { id } = await h.billing.createCheckoutSession({ ownerId, plan: 'PRO' })
    await h.pay(id)
  }
  const bad = await h.db.customer.findFirstOrThrow({ where: { ownerId: owners[0] as string } })
  await poison(h.db, 'Subscription', 'customerId', bad.id)
  await h.billing.pullEvents()
  await h.work()
  expect((await h.billing.getSubscription(owners[1] as string)).plan).toBe('PRO')
  expect((await h.billing.getSubscription(owners[0] as string)).plan).toBe('FREE')
})

test('due orders: neither an order that cannot be written nor one that fails holds up the others', async () => {
  const [bad, failing, good] = [await shop.order(), await shop.order(), await shop.order()]
  for (const { checkoutId } of [bad, failing, good])
    await shop.controls.completeCheckout(checkoutId)
  await poison(shop.db, 'CreditTransaction', 'ownerId', failing.ownerId)
  for (const [at, { orderId }] of [bad, failing, good].entries()) {
    await shop.db.order.update({ where: { id: orderId }, data: { nextCheckAt: new Date(at) } })
  }
  await poison(shop.db, 'Order', 'id', bad.orderId)
  expect(await shop.billing.checkOrders()).toMatchObject({ checked: 2, completed: 1, failed: 2 })
  expect(await shop.row(good.orderId)).toMatchObject({ status: 'completed' })
  for (const { orderId } of [bad, failing]) {
    expect(await shop.row(orderId)).toMatchObject({ status: 'pending' })
    expect(shop.logger.text).toContain(orderId)
  }
})

test('events of orders: one that cannot be stored leaves the others to be stored', async () => {
  const { checkoutId } = await shop.order()
  await shop.controls.completeCheckout(checkoutId)
  const all = createBilling(shop.settings)
  const { pulled } = await all.pullOrders()
  const [bad] = pulled as [string]
  await shop.db.$executeRaw`DELETE FROM "WebhookEvent"`
  await poison(shop.db, 'WebhookEvent', 'eventId', bad)
  const again = await all.pullOrders()
  expect(again.pulled).toEqual(pulled.filter((id) => id !== bad))
  expect(again.pulled.length).toBeGreaterThan(0)
  expect(shop.logger.text).toContain(bad)
})

test('payments: one that cannot be asked about leaves the others to be reconciled', async () => {
  const [bad, good] = [await shop.paid(), await shop.paid()]
  nonsense = bad.paymentId
  await shop.db.$executeRawUnsafe(`ALTER TABLE "Order" DISABLE TRIGGER USER`)
  await shop.db.order.update({ where: { id: good.orderId }, data: { amountPaid: 1 } })
  await shop.db.$executeRawUnsafe(`ALTER TABLE "Order" ENABLE TRIGGER USER`)
  const { mended } = await shop.billing.reconcileOrders()
  expect(mended).toContain(good.orderId)
  expect(shop.logger.text).toContain(nonsense)
})

test('low balances: a hook that fails for one owner is still called for the others', async () => {
  const told: string[] = []
  const bad = await ledger.owner(10)
  const good = await ledger.owner(10)
  const { runPending } = await import('@repo/jobs')
  const onEach = (ownerId: string) => {
    if (ownerId === bad) throw new Error('no mail')
    told.push(ownerId)
  }
  const billing = createBilling({
    ...ledger.settings,
    credits: {
      lowBalance: { credits: 5 },
      onLowBalance: ({ ownerId }) => onEach(ownerId),
      topUp: { perDay: 1, run: (ownerId) => onEach(ownerId) },
    },
  })
  for (const owner of [bad, good]) await billing.deductCredits(owner, 8, '')
  await runPending({
    databaseUrl: ledger.databaseUrl,
    jobs: [billing.jobs],
    logger: ledger.logger,
  }).catch(() => {})
  expect(told).toEqual([good, good])
})
