/**
 * The one writer of a customer's subscriptions, prices and payments.
 *
 * The success redirect, the webhook and the repair command all call `syncCustomer`; it loads the
 * provider's present state and never believes a payload. A sync draws a ticket before its first
 * request and writes only over a lower one: a lock alone does not order two fetches, and the older
 * of two would overwrite the newer.
 *
 * @module
 */

import { atomically, type Db } from '@repo/db'
import type { BillingContext } from './context.ts'
import { ensureCustomer } from './customers.ts'
import { type NewEffect, recordEffects, runEffects } from './effects.ts'
import { PAYMENT_MARK } from './payments.ts'
import { planOfLookupKey } from './plans.ts'
import {
  type InvoiceShape,
  invoiceShape,
  type PaymentShape,
  type PriceShape,
  paymentShape,
  type SubscriptionShape,
  subscriptionShape,
} from './shapes.ts'
import { ask } from './stripe.ts'
import { isCurrentStatus, isEndedStatus } from './subscriptions.ts'

/** Something at the provider that a person has to look at. It does not hold up the rest. */
export interface Problem {
  /** The provider's id of the object. */
  id: string
  reason:
    | 'missing_period'
    | 'missing_price'
    | 'second_current_subscription'
    | 'unknown_price'
    | 'unknown_status'
}

export interface SyncResult {
  /** False: a sync that began later has already written. */
  written: boolean
  problems: Problem[]
  /** True: something is still to be sent; the next sync tries again. */
  effectsPending: boolean
}

interface ProviderState {
  subscriptions: SubscriptionShape[]
  payments: PaymentShape[]
  openInvoices: InvoiceShape[]
  /** Product names by Stripe's product id. */
  products: Map<string, string>
  problems: Problem[]
}

/**
 * Writes what the provider says of `ownerId` now, then sends what follows from it.
 *
 * @throws `owner_not_found`, `provider_unavailable`, `provider_rejected`. Nothing is written then.
 */
export async function syncCustomer(ctx: BillingContext, ownerId: string): Promise<SyncResult> {
  const customer = await ensureCustomer(ctx, ownerId)
  const [{ ticket }] = await ctx.db.$queryRaw<[{ ticket: bigint }]>`
    SELECT nextval('sync_ticket') AS ticket`
  const state = await load(ctx, customer.stripeCustomerId)

  const written = await atomically(ctx.db, async (tx) => {
    const [row] = await tx.$queryRaw<{ syncedTicket: bigint }[]>`
      SELECT "syncedTicket" FROM "Customer" WHERE "id" = ${customer.id} FOR UPDATE`
    if (!row || row.syncedTicket >= ticket) return false
    await writeSubscriptions(tx, ctx, customer.id, state)
    for (const payment of state.payments) await writePayment(tx, customer.id, payment)
    await recordEffects(tx, customer.id, [
      ...state.subscriptions.flatMap(confirmation),
      ...state.openInvoices.flatMap(failure),
    ])
    await tx.customer.update({
      where: { id: customer.id },
      data: { syncedTicket: ticket, syncedAt: new Date() },
    })
    return true
  })
  for (const problem of state.problems) {
    ctx.logger.warn({ ownerId, ...problem }, 'needs attention')
  }
  const effectsPending = !(await runEffects(ctx, customer.id))
  return { written, problems: state.problems, effectsPending }
}

async function load(ctx: BillingContext, customer: string): Promise<ProviderState> {
  const problems: Problem[] = []
  const subscriptions: SubscriptionShape[] = []
  const { stripe } = ctx
  for (const raw of await all(stripe.subscriptions.list({ customer, status: 'all', limit: 100 }))) {
    const shape = subscriptionShape(raw)
    if ('unreadable' in shape) problems.push({ id: raw.id, reason: shape.unreadable })
    else subscriptions.push(shape)
  }
  const intents = await all(stripe.paymentIntents.list({ customer, limit: 100 }))
  const payments = intents.flatMap((raw) => paymentShape(raw) ?? [])
  const invoices = await all(stripe.invoices.list({ customer, status: 'open', limit: 100 }))
  return {
    subscriptions: subscriptions.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime()),
    // An invoice's own payment is part of its subscription; only what we marked is one-time.
    payments: payments.filter((payment) => payment.metadata[PAYMENT_MARK] !== undefined),
    openInvoices: invoices.flatMap((raw) => invoiceShape(raw) ?? []),
    products: await loadProducts(ctx, subscriptions),
    problems,
  }
}

/** Every page of a list, with the check that it is one. */
async function all<T>(request: Promise<{ object: 'list' }> & AsyncIterable<T>): Promise<T[]> {
  await ask('list', request)
  const items: T[] = []
  for await (const item of request) items.push(item)
  return items
}

async function loadProducts(
  ctx: BillingContext,
  subscriptions: SubscriptionShape[],
): Promise<Map<string, string>> {
  const ids = [...new Set(subscriptions.map(({ price }) => price.stripeProductId))]
  const known = await ctx.db.product.findMany({ where: { stripeProductId: { in: ids } } })
  const names = new Map(known.map((product) => [product.stripeProductId, product.name]))
  for (const id of ids) {
    if (names.has(id)) continue
    const product = await ask('product', ctx.stripe.products.retrieve(id))
    names.set(id, product.name)
  }
  return names
}

async function writeSubscriptions(
  tx: Db,
  ctx: BillingContext,
  customerId: string,
  state: ProviderState,
): Promise<void> {
  const rows = await tx.subscription.findMany({ where: { customerId } })
  const rowOf = new Map(rows.map((row) => [row.stripeSubscriptionId, row]))
  const current = chooseCurrent(ctx, state.subscriptions, rows)
  const attention = new Map<string, Problem['reason']>()
  for (const { stripeSubscriptionId: id, status, price } of state.subscriptions) {
    if (planOfLookupKey(ctx.plans, price.lookupKey) === null) attention.set(id, 'unknown_price')
    else if (isCurrentStatus(status) && id !== current) {
      attention.set(id, 'second_current_subscription')
    }
  }
  // Whoever holds the one current place gives it up before another takes it.
  const last = (shape: SubscriptionShape) => (shape.stripeSubscriptionId === current ? 1 : 0)
  for (const shape of [...state.subscriptions].sort((a, b) => last(a) - last(b))) {
    const reason = attention.get(shape.stripeSubscriptionId) ?? null
    if (reason) state.problems.push({ id: shape.stripeSubscriptionId, reason })
    const row = rowOf.get(shape.stripeSubscriptionId)
    // What cannot be read does not overwrite what could: the old price and status stand.
    if (row && reason === 'unknown_price' && !isEndedStatus(shape.status)) continue
    if (row && isEndedStatus(row.status) && row.status !== shape.status) continue
    await writeSubscription(tx, customerId, shape, reason, state.products)
  }
}

/**
 * The one that counts: the row that does already, until the provider says that it no longer runs,
 * also while it cannot be read; else the oldest.
 */
function chooseCurrent(
  ctx: BillingContext,
  shapes: SubscriptionShape[],
  rows: { stripeSubscriptionId: string; needsAttention: string | null; status: string }[],
): string | null {
  const holder = rows.find((row) => isCurrentStatus(row.status) && row.needsAttention === null)
  const now = shapes.find((shape) => shape.stripeSubscriptionId === holder?.stripeSubscriptionId)
  if (holder && (now === undefined || isCurrentStatus(now.status))) {
    return holder.stripeSubscriptionId
  }
  const next = shapes.find(
    ({ status, price }) =>
      isCurrentStatus(status) && planOfLookupKey(ctx.plans, price.lookupKey) !== null,
  )
  return next?.stripeSubscriptionId ?? null
}

async function writeSubscription(
  tx: Db,
  customerId: string,
  shape: SubscriptionShape,
  needsAttention: string | null,
  products: Map<string, string>,
): Promise<void> {
  const { price, createdAt, stripeSubscriptionId, ...facts } = shape
  const priceId = await writePrice(tx, price, products.get(price.stripeProductId) ?? '')
  const data = { ...facts, customerId, priceId, needsAttention }
  await tx.subscription.upsert({
    where: { stripeSubscriptionId },
    create: { ...data, stripeSubscriptionId, createdAt },
    update: data,
  })
}

async function writePrice(tx: Db, price: PriceShape, productName: string): Promise<string> {
  const { stripeProductId, stripePriceId, ...facts } = price
  const product = await tx.product.upsert({
    where: { stripeProductId },
    create: { stripeProductId, name: productName, active: true },
    update: {},
  })
  const data = { ...facts, productId: product.id }
  const { id } = await tx.price.upsert({
    where: { stripePriceId },
    create: { ...data, stripePriceId },
    update: data,
  })
  return id
}

/** Also called for one payment alone, by `confirmPayment`. */
export async function writePayment(
  tx: Db,
  customerId: string,
  payment: PaymentShape,
): Promise<string> {
  const { stripePaymentIntentId, amount, currency, status, metadata, createdAt } = payment
  const paidAt = status === 'succeeded' ? new Date() : null
  const row = await tx.payment.upsert({
    where: { stripePaymentIntentId },
    create: {
      stripePaymentIntentId,
      customerId,
      amount,
      currency,
      status,
      metadata,
      createdAt,
      paidAt,
    },
    update: { amount, currency, status, metadata },
  })
  if (paidAt && !row.paidAt) await tx.payment.update({ where: { id: row.id }, data: { paidAt } })
  return row.id
}

function confirmation(shape: SubscriptionShape): NewEffect[] {
  if (shape.status !== 'active' && shape.status !== 'trialing') return []
  const { stripeSubscriptionId } = shape
  return [
    {
      key: `subscription:${stripeSubscriptionId}:confirmed`,
      name: 'email.SubscriptionConfirmedEmail',
      payload: { stripeSubscriptionId },
    },
  ]
}

function failure(invoice: InvoiceShape): NewEffect[] {
  if (!invoice.stripeSubscriptionId || invoice.attemptCount < 1) return []
  return [
    {
      key: `invoice:${invoice.stripeInvoiceId}:attempt:${invoice.attemptCount}:failed`,
      name: 'email.PaymentFailedEmail',
      payload: {
        stripeSubscriptionId: invoice.stripeSubscriptionId,
        amount: invoice.amountDue,
        currency: invoice.currency,
        nextAttemptAt: invoice.nextAttemptAt?.toISOString() ?? null,
      },
    },
  ]
}
