/**
 * Plays one subscriber's life at the stand-in. The database has everything up to the last renewal, about
 * which Stripe has just sent events. The benchmark copies this life under other ids, because playing
 * thousands of lives would take longer than the measurement.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { createBilling, STRIPE_API_VERSION } from '@repo/billing'
import type { Database } from '@repo/db'
import { createStripeSandbox, type Delivery, type StripeSnapshot } from '@repo/sandbox'
import Stripe from 'stripe'
import { noMails, silent } from '../harness/silent.ts'

export const SECRET_KEY = 'sk_test_bench'
export const WEBHOOK_SECRET = 'whsec_bench'
export const APP_URL = 'http://localhost:3000'
/** The oldest API version that the peer can read. */
const NEW_SHAPE = '2025-03-31.basil'

const PEER = `${APP_URL}/peer`

/** A subscriber's life. */
export interface Life {
  /** The provider's state. */
  snapshot: StripeSnapshot
  customerId: string
  subscriptionId: string
  priceId: string
  /** The body of the newest `invoice.paid`, as Stripe sends it. */
  invoicePaid: string
  /** The body of the newest `customer.subscription.updated`, in the newer API version that the peer reads. */
  subscriptionUpdated: string
}

/** Plays the life and stores it in `db`, which must be migrated and empty. */
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
  if (customer === null) throw new Error('The customer was not created at Stripe.')
  const card = await stripe.paymentMethods.attach('pm_card_visa', { customer })
  const [price] = (await stripe.prices.list({ lookup_keys: ['pro_monthly'] })).data
  if (!price) throw new Error('The plan PRO has no monthly price.')
  const { id: subscriptionId } = await stripe.subscriptions.create({
    customer,
    items: [{ price: price.id }],
    default_payment_method: card.id,
    // Stripe repeats a subscription's metadata on its invoices and on each of their lines.
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

/** The body of the newest event of a type, as sent to `url`. */
function bodyOf(deliveries: Delivery[], type: string, url: string): string {
  const found = deliveries.findLast((each) => each.type === type && each.url === url)
  const body = found?.request()?.body
  if (!body) throw new Error(`The stand-in sent no ${type}.`)
  return body
}
