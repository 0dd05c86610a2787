/** Creem over its real transport, as the conformance suite wants it, and a host that uses it. */

import { createHmac } from 'node:crypto'
import { createTestLogger } from '@repo/core/testing'
import type { TestPostgres } from '@repo/db/testing'
import { createSandbox, type Sandbox } from '@repo/sandbox'
import { type Product, productOf, products } from '../catalog/products.ts'
import type { BillingOptions } from '../index.ts'
import { type CreemClient, createCreemClient } from '../providers/creem/client.ts'
import { createCreemProvider } from '../providers/creem/provider.ts'
import type { PaymentProvider } from '../providers/provider.ts'
import type { ConformanceSubject } from '../testing.ts'
import { type Market, marketOf } from './orders-markets.ts'
import { HOOK, once, plan, STRIPE_KEY } from './provider-subjects.ts'

export const CREEM_KEY = 'creem_test_conformance'
const CREEM_SECRET = 'creem-secret-conformance'

/** Our client over HTTP against the stand-in. */
export async function creemSubject(): Promise<
  ConformanceSubject & {
    sandbox: Sandbox
    via(client: CreemClient): PaymentProvider
    client: CreemClient
  }
> {
  const sandbox = createSandbox({
    stripe: { secretKey: STRIPE_KEY },
    creem: { apiKey: CREEM_KEY, webhooks: [{ url: HOOK, secret: CREEM_SECRET }] },
    logger: createTestLogger(),
  })
  const { creemUrl } = await sandbox.listen()
  const { creem } = sandbox
  creem.pause()
  const named = Object.fromEntries(
    Object.entries<Product>(products).map(([sku, product]) => {
      const { name, amount: price, interval } = product
      const made = { name, price, currency: 'USD' as const, ...(interval && { interval }) }
      return [sku, { ...product, productIds: { creem: { test: creem.createProduct(made).id } } }]
    }),
  )
  const client = createCreemClient(CREEM_KEY, { apiBase: creemUrl, retries: 0 })
  const via = (through: CreemClient) =>
    createCreemProvider({
      client: () => through,
      products: named,
      environment: () => 'test',
      webhookSecrets: () => ['an-older-one', CREEM_SECRET],
    })
  return {
    sandbox,
    client,
    via,
    provider: via(client),
    other: via(client),
    once: productOf(named, once.sku),
    plan: productOf(named, plan.sku),
    secrets: [CREEM_KEY, CREEM_SECRET],
    world: {
      pay: (id) => creem.completeCheckout(id),
      expire: (id) => creem.expireCheckout(id),
      endPeriod: (id) => creem.renew(id),
      refund: (id, amount) => creem.refund(id, amount),
      dispute: (id) => creem.dispute(id),
      setDown: (isDown) => creem.failNext({ status: 503, times: isDown ? 1_000_000 : 0 }),
      count() {
        const refunds = creem.events.filter(({ eventType }) => eventType === 'refund.created')
        const { checkouts, transactions } = creem.snapshot().tables
        return checkouts.length + transactions.length + refunds.length
      },
      deliveries: () =>
        creem.events.flatMap(({ id }) =>
          creem
            .requestsOf(id)
            .map(({ headers, body }) => ({ headers: new Headers(headers), body })),
        ),
      sign(body, which) {
        const secret = which === 'right' ? CREEM_SECRET : 'another'
        const signature = createHmac('sha256', secret).update(body).digest('hex')
        return new Headers({ 'creem-signature': signature })
      },
    },
    close: () => sandbox.stop(),
  }
}

export async function creemMarket(
  postgres: TestPostgres,
  settings: BillingOptions = {},
): Promise<Market> {
  const subject = await creemSubject()
  const failPeriod = (id: string) => subject.sandbox.creem.failRenewal(id)
  return marketOf(postgres, { ...subject, failPeriod }, settings)
}
