/**
 * The limit: the least work before an answer with 200. It verifies the signature with Stripe's own function,
 * inserts the event with one statement through the bare driver, and answers. A faster handler would not
 * verify, or not store durably.
 *
 * @module
 */

import pg from 'pg'
import Stripe from 'stripe'
import type { Scope } from '../harness/scope.ts'
import { WEBHOOK_SECRET } from './life.ts'
import type { Handle } from './load.ts'

/** A copy of our table with its indexes and checks. */
const TABLE = `CREATE TABLE "LimitEvent" (LIKE "WebhookEvent" INCLUDING ALL)`
const INSERT = `INSERT INTO "LimitEvent" ("provider", "eventId", "type", "subject",
  "providerCreatedAt", "apiVersion", "livemode", "payload")
  VALUES ('stripe', $1, $2, $3, $4, $5, $6, $7) ON CONFLICT ("provider", "eventId") DO NOTHING`

/** Creates the handler of the limit. */
export async function createLimit(
  url: string,
  scope: Scope,
  maxConnections: number,
): Promise<Handle> {
  const pool = new pg.Pool({ connectionString: url, max: maxConnections })
  // After an interruption the server may stop while connections are idle.
  pool.on('error', () => {})
  scope.add(() => pool.end())
  await pool.query(TABLE)
  return async (request) => {
    const payload = await request.text()
    const header = request.headers.get('stripe-signature') ?? ''
    const event = Stripe.webhooks.constructEvent(payload, header, WEBHOOK_SECRET)
    const { customer } = event.data.object as { customer?: string }
    await pool.query(INSERT, [
      event.id,
      event.type,
      customer,
      new Date(event.created * 1000),
      event.api_version,
      event.livemode,
      payload,
    ])
    return Response.json({ received: true })
  }
}
