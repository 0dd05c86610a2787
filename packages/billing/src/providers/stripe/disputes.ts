/**
 * The disputes of a payment. Stripe's charge says only whether there are any, so they are listed by a request. A charge
 * may have several disputes, one after the other.
 *
 * @see https://docs.stripe.com/api/disputes/list
 * @module
 */

import type Stripe from 'stripe'
import { idOf, record } from '../json.ts'
import { ask } from './client.ts'
import { rows } from './shapes.ts'

/**
 * Adds `disputes` to each payment intent whose charge was disputed, for `paymentShape` to read. `named` are payments
 * whose disputes an event named; these are asked about whatever the charge says.
 */
export async function addDisputes(
  stripe: Stripe,
  intents: readonly object[],
  named: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const intent of intents) {
    const id = idOf(intent)
    const raw = record(intent)
    const charge = record(raw?.latest_charge) ?? rows(raw?.charges)[0]
    const isDisputed = charge?.disputed === true || idOf(charge?.dispute) !== null
    if (id === null || !(isDisputed || named.has(id))) continue
    const request = stripe.disputes.list({ payment_intent: id, limit: 100 })
    const { data } = await ask('list', request)
    Object.assign(intent, { disputes: { object: 'list', data } })
  }
}
