/** Orders on a real database, paid at a provider within the process, whose deliveries are real requests. */

import { randomUUID } from 'node:crypto'
import type { Clock } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { createTestDatabase, type TestPostgres } from '@repo/db/testing'
import type { Alert } from '../alerts.ts'
import { type BillingOptions, createBilling, productOf } from '../index.ts'
import { createLocalProvider, type LocalProvider } from '../providers/local/provider.ts'
import type { CheckoutInput, PaymentProvider } from '../providers/provider.ts'
import { inNumbers } from '../rows.ts'

export interface ShopOptions {
  settings?: BillingOptions
  /** The provider's. */
  clock?: Clock
  /** The provider as billing sees it. Default: as it is. */
  through?: (provider: LocalProvider) => PaymentProvider
}

export async function createShop(postgres: TestPostgres, options: ShopOptions = {}) {
  const database = await createTestDatabase(postgres)
  const { db } = database
  const logger = createTestLogger()
  const alerts: Alert[] = []
  const provider = createLocalProvider({
    checkoutUrl: 'http://localhost:3000/billing/checkout',
    ...(options.clock && { clock: options.clock }),
  })
  const asked = new Map<string, CheckoutInput>()
  const seen = options.through?.(provider) ?? provider
  const settings: BillingOptions = {
    db,
    logger,
    appUrl: 'http://localhost:3000',
    provider: {
      ...seen,
      createCheckout(input) {
        asked.set(input.orderId, input)
        return seen.createCheckout(input)
      },
    },
    onAlert: (alert) => alerts.push(alert),
    ...options.settings,
  }
  const billing = createBilling(settings)
  return {
    db,
    billing,
    settings,
    logger,
    alerts,
    provider,
    controls: provider.controls,
    databaseUrl: database.url,
    /** A user of the host. */
    async owner() {
      const id = randomUUID()
      await db.user.create({ data: { id, name: 'Ada', email: `${id}@example.com` } })
      return id
    },
    /** An owner with an order that is open. */
    async order(productId = 'CREDITS_SMALL') {
      const ownerId = await this.owner()
      const created = await billing.createOrder({ ownerId, productId })
      return { ownerId, ...created }
    },
    /** An owner with an order that is paid and settled. */
    async paid(productId = 'CREDITS_SMALL') {
      const order = await this.order(productId)
      const { paymentId, subscriptionId } = await provider.controls.completeCheckout(
        order.checkoutId,
      )
      await billing.settleOrder(order.orderId)
      return { ...order, paymentId: paymentId ?? '', subscriptionId: subscriptionId ?? '' }
    },
    /** An order whose page was opened past us, although another plan's was: we open no second one. */
    async second(ownerId: string, productId: string) {
      const product = productOf(billing.products, productId)
      const opened = await provider.createCheckout({
        ...{ orderId: randomUUID(), ownerId, product, idempotencyKey: randomUUID() },
        customer: { id: null, email: 'ada@example.com' },
        ...{ successUrl: 'http://localhost:3000/s', cancelUrl: 'http://localhost:3000/c' },
      })
      const { id: customerId } = await db.customer.findUniqueOrThrow({ where: { ownerId } })
      const { amount, currency, plan = null, interval = null, credits = 0 } = product
      const { id: orderId } = await db.order.create({
        data: {
          ...{ id: opened.orderId as string, ownerId, customerId, provider: 'local' },
          ...{ sku: productId, amount, currency, plan, interval, credits },
          ...{ checkoutId: opened.id, returnKey: randomUUID() },
        },
      })
      return { orderId, checkoutId: opened.id }
    },
    /** The order as it is stored. */
    row: async (id: string) => inNumbers(await db.order.findUniqueOrThrow({ where: { id } })),
    /** Where the provider's page would lead the browser. */
    back(orderId: string, status: 'success' | 'cancel'): string {
      const input = asked.get(orderId)
      return (status === 'success' ? input?.successUrl : input?.cancelUrl) ?? ''
    },
    /** The owner's ledger, the oldest first: type and amount. */
    async ledger(ownerId: string) {
      const rows = await db.creditTransaction.findMany({
        where: { ownerId },
        orderBy: { id: 'asc' },
      })
      return rows.map(({ type, amount }) => `${type} ${amount}`)
    },
    async close() {
      await database.drop()
    },
  }
}

export type Shop = Awaited<ReturnType<typeof createShop>>
