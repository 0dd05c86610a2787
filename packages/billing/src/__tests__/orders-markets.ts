/** The three providers as orders meet them: billing on a database, the provider over its real transport. */

import { randomUUID } from 'node:crypto'
import { createTestLogger, type TestLogger } from '@repo/core/testing'
import type { Database } from '@repo/db'
import { createTestDatabase, type TestPostgres } from '@repo/db/testing'
import { type Billing, type BillingOptions, createBilling, defineProducts } from '../index.ts'
import { type ConformanceSubject, type EffectsSubject, stripeWebhookRequest } from '../testing.ts'
import { createHarness, WEBHOOK_SECRET } from './harness.ts'
import { localSubject } from './provider-subjects.ts'

export interface Market {
  billing: Billing
  db: Database
  owner(): Promise<string>
  pay(checkoutId: string): unknown
  /** Refunds past us. */
  refund(paymentId: string, amount: number): unknown
  dispute(paymentId: string): unknown
  endPeriod(subscriptionId: string): unknown
  /** Ends it with a card that is declined; `endPeriod` then pays. */
  failPeriod(subscriptionId: string): unknown
  /** Delivers all there is, twice and the newest first, and works through it. */
  deliver(): Promise<void>
  close(): Promise<void>
}

async function deliverAll(
  billing: Billing,
  requests: (() => Request)[],
  { entries }: Pick<TestLogger, 'entries'>,
): Promise<void> {
  for (const request of [...requests, ...requests].reverse()) {
    const { status } = await billing.handlePaymentCallback(request())
    if (status !== 200) throw new Error(`A delivery was answered ${status}.`)
  }
  const { waiting, dead } = await billing.processEvents()
  if (waiting + dead === 0) return
  const cause = entries.findLast(({ level, fields }) => level === 'error' && 'error' in fields)
  throw new Error(`Billing did not process ${waiting + dead} events; the cause is below.`, {
    cause: Reflect.get(cause?.fields ?? {}, 'error'),
  })
}

async function userOf(db: Database): Promise<string> {
  const id = randomUUID()
  await db.user.create({ data: { id, name: 'Ada', email: `${id}@example.com` } })
  return id
}

/** Through the SDK and the stand-in, with the sync of the customer beside it. */
export async function stripeMarket(
  postgres: TestPostgres,
  settings: BillingOptions = {},
): Promise<Market> {
  const h = await createHarness(postgres, { settings })
  const overdue = new Map<string, string>()
  const { stripe } = h.sandbox
  return {
    billing: h.billing,
    db: h.db,
    owner: () => h.owner(),
    pay: (id) => h.pay(id),
    refund: (payment_intent, amount) => h.stripe.refunds.create({ payment_intent, amount }),
    dispute: (id) => stripe.dispute(id),
    async endPeriod(id) {
      const invoice = overdue.get(id)
      overdue.delete(id)
      return invoice ? h.stripe.invoices.pay(invoice) : stripe.renew(id)
    },
    failPeriod: (id) => overdue.set(id, stripe.failPayment(id).id as string),
    async deliver() {
      await deliverAll(
        h.billing,
        stripe.events.map((event) => () => stripeWebhookRequest(event, { secret: WEBHOOK_SECRET })),
        h.logger,
      )
    },
    close: () => h.close(),
  }
}

export async function marketOf(
  postgres: TestPostgres,
  subject: ConformanceSubject & Pick<Market, 'failPeriod'>,
  settings: BillingOptions = {},
): Promise<Market> {
  const database = await createTestDatabase(postgres)
  const { db } = database
  const { provider, world } = subject
  const logger = createTestLogger()
  const billing = createBilling({
    db,
    logger,
    appUrl: 'http://localhost:3000',
    provider,
    products: defineProducts({
      CREDITS_SMALL: subject.once,
      PRO_MONTHLY: subject.plan,
    }),
    ...settings,
  })
  return {
    billing,
    db,
    owner: () => userOf(db),
    pay: (id) => world.pay(id),
    refund: (id, amount) => world.refund(id, amount),
    dispute: (id) => world.dispute(id),
    endPeriod: (id) => world.endPeriod(id),
    failPeriod: (id) => subject.failPeriod(id),
    deliver: () =>
      deliverAll(
        billing,
        world.deliveries().map(
          ({ headers, body }) =>
            () =>
              new Request('http://localhost:3000/x', { method: 'POST', headers, body }),
        ),
        logger,
      ),
    async close() {
      await subject.close()
      await database.drop()
    },
  }
}

export async function localMarket(
  postgres: TestPostgres,
  settings: BillingOptions = {},
): Promise<Market> {
  const subject = await localSubject()
  const failPeriod = (id: string) => subject.provider.controls.failPeriod(id)
  return marketOf(postgres, { ...subject, failPeriod }, settings)
}

/** As the suite of effects wants it. */
export const effectsSubject = (market: Market): EffectsSubject => ({
  ...market,
  world: market,
  plan: 'PRO_MONTHLY',
})
