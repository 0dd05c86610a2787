/** Billing on a real database, against the Stripe stand-in over HTTP, with a captured outbox. */

import { randomUUID } from 'node:crypto'
import type { Clock } from '@repo/core'
import { createTestLogger } from '@repo/core/testing'
import { createTestDatabase, type TestPostgres } from '@repo/db/testing'
import { createOutbox } from '@repo/email/testing'
import { runPending } from '@repo/jobs'
import { createSandbox } from '@repo/sandbox'
import Stripe from 'stripe'
import { type BillingOptions, createBilling, createStripe, STRIPE_API_VERSION } from '../index.ts'
import { inNumbers } from '../rows.ts'
import { stripeWebhookRequest } from '../testing.ts'
import { CALCOM_SECRET } from './calcom-secret.ts' // #calcom

export const SECRET_KEY = 'sk_test_harness'
export const WEBHOOK_SECRET = 'whsec_harness'
/** The version the product is pinned to, and the newest the SDK knows. */
export const API_VERSIONS = [STRIPE_API_VERSION, Stripe.API_VERSION]

export async function createHarness(
  postgres: TestPostgres,
  options: {
    apiVersion?: string
    settings?: BillingOptions
    clock?: Clock
    timeZone?: string
  } = {},
) {
  const { timeZone } = options
  const database = await createTestDatabase(postgres, timeZone ? { timeZone } : {})
  const { db } = database
  // Deliveries are made by the tests, by hand: here and not by the stand-in's own clock.
  const sandbox = createSandbox({
    stripe: { secretKey: SECRET_KEY },
    logger: createTestLogger(),
    ...(options.clock && { clock: options.clock }),
  })
  const { url } = await sandbox.listen()
  const outbox = createOutbox()
  const logger = createTestLogger()
  const { apiVersion } = options
  const stripeOptions = { apiBase: url, maxNetworkRetries: 0, ...(apiVersion && { apiVersion }) }
  const stripe = createStripe(SECRET_KEY, stripeOptions)
  const settings: BillingOptions = {
    db,
    stripe,
    logger,
    sender: outbox.sender,
    appUrl: 'http://localhost:3000',
    stripeWebhookSecrets: [WEBHOOK_SECRET],
    // #region calcom
    calcom: {
      origin: 'https://cal.example',
      eventTypes: { 101: 'acme/strategy-call' },
      webhookSecret: CALCOM_SECRET,
    },
    // #endregion
    ...(options.clock && { clock: options.clock }),
    ...options.settings,
  }
  const billing = createBilling(settings)
  await billing.pushPlans()
  const standIn = sandbox.stripe
  return {
    db,
    url,
    billing,
    settings,
    /** The same with the SDK's own tries, as in production: for calls at once under one key. */
    patient: createBilling({
      ...settings,
      stripe: createStripe(SECRET_KEY, { ...stripeOptions, maxNetworkRetries: 2 }),
    }),
    stripe,
    sandbox,
    outbox,
    logger,
    /** A user of the host. */
    async owner(name = 'Ada') {
      const id = randomUUID()
      await db.user.create({ data: { id, name, email: `${id}@example.com`, emailVerified: true } })
      return id
    },
    databaseUrl: database.url,
    /** Does what a worker would: processes what is due, then runs the jobs that came of it. */
    async work() {
      const result = await billing.processEvents()
      await runPending({ databaseUrl: database.url, jobs: [billing.jobs], logger })
      return result
    },
    /** Makes what was put off due now. */
    async skipDelays() {
      await db.$executeRaw`UPDATE "WebhookEvent" SET "nextAttemptAt" = now() WHERE "status" = 'pending'`
      await db.$executeRaw`UPDATE graphile_worker._private_jobs SET run_at = now()`
    },
    /** Pays a checkout on the provider's page; nothing is delivered. */
    pay: (sessionId: string, card = '4242424242424242') =>
      standIn.completeCheckout(sessionId, { card }),
    /** An owner who has just bought PRO and come back. */
    async subscriber() {
      const ownerId = await this.owner()
      const { id } = await billing.createCheckoutSession({ ownerId, plan: 'PRO' })
      await this.pay(id)
      await billing.confirmCheckout(ownerId, id)
      const { stripeSubscriptionId } = await billing.getSubscription(ownerId)
      return { ownerId, subscriptionId: stripeSubscriptionId as string, sessionId: id }
    },
    /** An ENTERPRISE subscription of the same customer, made past us at the provider. */
    async secondSubscription(subscriptionId: string) {
      const first = await stripe.subscriptions.retrieve(subscriptionId)
      const [price] = (await stripe.prices.list({ lookup_keys: ['enterprise_monthly'] })).data
      return stripe.subscriptions.create({
        customer: first.customer as string,
        default_payment_method: first.default_payment_method as string,
        items: [{ price: price?.id as string }],
      })
    },
    /** An owner whose subscription has a price of no plan, made past us at the provider. */
    async foreignSubscription() {
      const product = await stripe.products.create({ name: 'Pro, special' })
      const recurring = { interval: 'month' } as const
      const made = { product: product.id, currency: 'usd', unit_amount: 2000, recurring }
      const price = await stripe.prices.create(made)
      const ownerId = await this.owner()
      const customer = (await billing.ensureCustomer(ownerId)).stripeCustomerId as string
      const card = await stripe.paymentMethods.attach('pm_card_visa', { customer })
      const { id } = await stripe.subscriptions.create({
        customer,
        default_payment_method: card.id,
        items: [{ price: price.id }],
      })
      return { ownerId, product, subscriptionId: id }
    },
    deliver(event: unknown) {
      return billing.handleStripeWebhook(stripeWebhookRequest(event, { secret: WEBHOOK_SECRET }))
    },
    /** Delivers every event the stand-in has made and we have not seen, the newest first, and works. */
    async deliverAll() {
      await this.deliverNew()
      return this.work()
    },
    /** Delivers every event the stand-in has made and we have not seen, the newest first. */
    async deliverNew() {
      const seen = await db.webhookEvent.findMany({ select: { eventId: true } })
      const known = new Set(seen.map(({ eventId }) => eventId))
      for (const event of standIn.eventsBeside(known).reverse()) await this.deliver(event)
    },
    /** The owner's, the oldest first. */
    async orders(ownerId: string) {
      const orderBy = [{ createdAt: 'asc' }, { id: 'asc' }] as const
      const rows = await db.order.findMany({ where: { ownerId }, orderBy: [...orderBy] })
      return rows.map(inNumbers)
    },
    /** Of the newest invoice, the provider's id of its payment. */
    async newestPayment(ownerId: string) {
      const [invoice] = await billing.listInvoices(ownerId)
      return invoice?.stripePaymentIntentId as string
    },
    /** The customer's events at the provider of one type, the oldest first. */
    async events(type: string) {
      const list = await stripe.events.list({ type, limit: 100 })
      return list.data.reverse()
    },
    async close() {
      await sandbox.stop()
      await database.drop()
    },
  }
}

export type Harness = Awaited<ReturnType<typeof createHarness>>
