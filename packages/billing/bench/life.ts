/**
 * One subscriber's life, played by the stand-in and known to a database up to the last renewal, of
 * which Stripe has just told. Everything else in the benchmark is copies of it, under other ids:
 * making thousands of lives one after the other would take longer than measuring.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import type { Database } from '@repo/db'
import { createStripeSandbox, type Delivery, type StripeSnapshot } from '@repo/sandbox'
import Stripe from 'stripe'
import { createBilling, STRIPE_API_VERSION } from '../src/index.ts'
import { noMails, silent } from './silent.ts'

export const SECRET_KEY = 'sk_test_bench'
export const WEBHOOK_SECRET = 'whsec_bench'
export const APP_URL = 'http://localhost:3000'
/** The first of the shape that the peer reads. */
const NEW_SHAPE = '2025-03-31.basil'

const PEER = `${APP_URL}/peer`

export interface Life {
  /** What the provider knows. */
  snapshot: StripeSnapshot
  customerId: string
  subscriptionId: string
  priceId: string
  /** The bodies as Stripe sends them. */
  invoicePaid: string
  /** In the newer shape, which the peer reads. */
  subscriptionUpdated: string
}

/** Plays the life and leaves it in `db`, which is migrated and otherwise empty. */
export async function playLife(db: Database): Promise<Life> {
  const sandbox = createStripeSandbox({
    secretKey: SECRET_KEY,
    webhooks: [
      { url: APP_URL, secret: WEBHOOK_SECRET },
      { url: PEER, secret: WEBHOOK_SECRET, apiVersion: NEW_SHAPE },
    ],
    logger: silent,
  })
  sandbox.pause()
  const stripe = clientOf(sandbox)
  const billing = createBilling({ db, stripe, logger: silent, sender: noMails, appUrl: APP_URL })
  await billing.pushPlans()
  const ownerId = randomUUID()
  const email = `${ownerId}@example.com`
  await db.user.create({ data: { id: ownerId, name: 'Ada', email, emailVerified: true } })
  const { stripeCustomerId: customer } = await billing.ensureCustomer(ownerId)
  if (customer === null) throw new Error('The customer was not made at Stripe.')
  const card = await stripe.paymentMethods.attach('pm_card_visa', { customer })
  const [price] = (await stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
  if (!price) throw new Error('The plan PRO has no monthly price.')
  const { id: subscriptionId } = await stripe.subscriptions.create({
    customer,
    items: [{ price: price.id }],
    default_payment_method: card.id,
    // What hosts say of a subscription is repeated on its invoices and on each of their lines.
    metadata: { ownerId, plan: 'PRO', environment: 'localhost:3000', campaign: 'spring launch' },
  })
  sandbox.renew(subscriptionId)
  sandbox.renew(subscriptionId)
  await billing.syncCustomer(ownerId)
  sandbox.renew(subscriptionId)
  const life = {
    snapshot: { ...sandbox.snapshot(), deliveries: [], answers: [] },
    customerId: customer,
    subscriptionId,
    priceId: price.id,
    invoicePaid: bodyOf(sandbox.deliveries, 'invoice.paid', APP_URL),
    subscriptionUpdated: bodyOf(sandbox.deliveries, 'customer.subscription.updated', PEER),
  }
  await sandbox.stop()
  return life
}

function clientOf(sandbox: { fetch(request: Request): Promise<Response> }): Stripe {
  const request = ((url: string, init: RequestInit) =>
    sandbox.fetch(new Request(url, init))) as typeof fetch
  return new Stripe(SECRET_KEY, {
    apiVersion: STRIPE_API_VERSION as Stripe.LatestApiVersion,
    httpClient: Stripe.createFetchHttpClient(request),
    telemetry: false,
  })
}

/** The newest event of a type as `url` would be sent it. */
function bodyOf(deliveries: Delivery[], type: string, url: string): string {
  const found = deliveries.findLast((each) => each.type === type && each.url === url)
  const body = found?.request()?.body
  if (!body) throw new Error(`The stand-in sent no ${type}.`)
  return body
}
