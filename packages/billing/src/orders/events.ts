/**
 * Settles the orders that an event mentions. An event is searched for ids, and each order with one of these
 * ids is settled. Nothing else in the event is used, so its type, its order and its repetition make no
 * difference. Promise 1.
 *
 * @module
 */

import { isTollgateError } from '@repo/core'
import { Prisma, queryNamed } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { BillingError, isBillingError } from '../errors.ts'
import { isObjectId } from '../providers/object-id.ts'
import type { ProviderHint } from '../providers/provider.ts'
import type { ReceivedEvent } from '../providers/received.ts'
import { receive, type Verify } from '../webhooks/ingest.ts'
import { bodiesOf, finishEvents } from '../webhooks/queue.ts'
import type { Claim } from '../webhooks/row.ts'
import { handleStripeWebhook } from '../webhooks/stripe.ts'
import { type SettleOptions, settleOrder } from './settle.ts'

/** Receives a webhook of the provider that takes payments: verifies it, stores its event, then answers. */
export function handleProviderWebhook(
  ctx: BillingContext,
  req: Request,
  admit?: () => Promise<void>,
): Promise<Response> {
  const { provider } = ctx
  if (provider.name === 'stripe') return handleStripeWebhook(ctx, req, admit)
  const verify: Verify = (_, headers, payload) => {
    const [hint] = provider.parseWebhook(headers, payload)
    if (hint) return eventOf(provider.name, hint, payload)
    throw new BillingError('invalid_payload', 'The body is signed but contains no event.')
  }
  return receive(ctx, req, provider.name, verify, admit)
}

/** Converts a hint to an event that can be stored. */
export const eventOf = (
  provider: ReceivedEvent['provider'],
  hint: ProviderHint,
  payload: string,
): ReceivedEvent => ({
  provider,
  eventId: hint.eventId,
  type: hint.type,
  subject: hint.customerId ?? hint.checkoutId ?? hint.paymentId,
  providerCreatedAt: hint.occurredAt,
  apiVersion: null,
  livemode: hint.livemode,
  payload,
  isListened: true,
})

/** Processes events of a provider other than Stripe. */
export async function processOrders(ctx: BillingContext, claim: Claim): Promise<void> {
  const mentioned = await mentionedIn(ctx, claim.provider, bodiesOf(claim))
  await settleMentioned(ctx, claim.provider, mentioned)
  const reason = mentioned.orders.length > 0 ? null : 'no_order'
  await finishEvents(ctx.db, claim, { status: 'processed', reason })
}

/** The orders that events mention, with the payments that the events name. */
export interface Mentioned {
  orders: readonly { id: string }[]
  payments: readonly string[]
}

/** Finds the orders that the events mention. Nothing is asked of the provider. */
export async function mentionedIn(
  ctx: BillingContext,
  provider: string,
  bodies: readonly unknown[],
): Promise<Mentioned> {
  const ids = [...new Set(bodies.flatMap(stringsIn))]
  // A plan's later payments are orders without a checkout. They are settled when an event names
  // their payment, not for each event of the subscription. Orders of invoices are written by the
  // sync that follows.
  const mentioned = Prisma.sql`
    SELECT "id" FROM "Order"
    WHERE "provider" = ${provider} AND "invoiceId" IS NULL AND ("id" = ANY(${ids}) OR "checkoutId" = ANY(${ids})
      OR "paymentId" = ANY(${ids}) OR ("subscriptionId" = ANY(${ids}) AND "checkoutId" IS NOT NULL))
    ORDER BY "id"`
  const orders = await queryNamed<{ id: string }>(ctx.db, 'orders_mentioned', mentioned)
  if (orders.length === 0) return { orders, payments: [] }
  const named = ctx.providerNamed(provider)
  return { orders, payments: ids.filter((id) => named.isPaymentId(id)) }
}

/** Settles the orders that events mention. @throws as `settleOrder`, except `effect_failed`. */
export async function settleMentioned(
  ctx: BillingContext,
  provider: string,
  { orders, payments }: Mentioned,
  options: Pick<SettleOptions, 'isSynced' | 'from'> = {},
): Promise<void> {
  for (const { id } of orders) {
    try {
      await settleOrder(ctx, id, { ...options, payments })
    } catch (error) {
      // The order is settled except for a handler of the host, which the order itself retries. The
      // event need not wait for that.
      if (isBillingError(error, 'effect_failed')) continue
      const code = isTollgateError(error) ? error.code : 'internal_error'
      ctx.logger.error({ orderId: id, provider, code, error }, 'could not settle the order')
      throw error
    }
  }
}

/** Every string in a body that may be an id, at any depth. */
export function stringsIn(body: unknown): string[] {
  const found: string[] = []
  const left = [body]
  while (left.length > 0) {
    const value = left.pop()
    if (typeof value === 'string' && isObjectId(value)) found.push(value)
    if (typeof value === 'object' && value !== null)
      for (const each of Object.values(value)) left.push(each)
  }
  return found
}
