/**
 * Writes a customer's subscriptions as the provider has them, and decides which is current and which need
 * attention.
 *
 * @module
 */

import { columnsOf, type Db, Prisma, queryNamed, type Subscription } from '@repo/db'
import type { Problem } from '../alerts.ts'
import { planOfPrice } from '../catalog/plans.ts'
import { isCurrentStatus, isEndedStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import type { LinkedCustomer } from '../customers/customers.ts'
import type { SubscriptionShape } from '../providers/stripe/shapes.ts'
import { pastDueSinceOf } from '../subscriptions/subscriptions.ts'
import { isFinished, NO_INTENT } from './plan-intent.ts'
import { planItemOf } from './plan-item.ts'
import type { PriceRow } from './prices.ts'
import type { ProviderState } from './provider-state.ts'
import { upsertAll } from './rows-in-one.ts'
import { writeAlone } from './write-alone.ts'

/** A row that the write changed. */
export interface Change {
  /** The kind of row. */
  object: 'subscription' | 'invoice' | 'payment' | 'refund'
  /** The provider's id. */
  id: string
  /** A subscription's status before; null for a new row. */
  from?: string | null
  /** The status after the write; absent where the row has none. */
  to?: string
}

/** The input of `writeState`. */
export interface Writing {
  ctx: BillingContext
  tx: Db
  customer: LinkedCustomer
  state: ProviderState
  prices: Map<string, PriceRow>
  /** Trialing subscriptions whose trial this person has had before. */
  repeatedTrials: ReadonlySet<string>
  /** Our subscription rows, if they were read after the customer's row was locked. Null: the write reads them. */
  before: readonly Subscription[] | null
  /**
   * Collects the provider's ids of rows that the database refuses; each row is then written alone. Null: all
   * rows are written together.
   */
  refused: Set<string> | null
}

/** What `writeState` changed. */
export interface Written {
  changes: Change[]
  /** Flagged subscriptions, by the provider's id, with the reason. */
  flagged: Map<string, Problem['reason']>
  /** The provider's ids of subscriptions whose flag is new or has another reason than before. */
  newlyFlagged: string[]
  /** Our ids of subscriptions that lost their flag. */
  unflagged: Set<string>
  /** Our rows of the customer's subscriptions, by the provider's id. */
  rows: ReadonlyMap<string, Subscription>
}

/** Our rows of the customer's subscriptions. `tx` holds the customer's row. */
export const subscriptionsOf = (
  tx: Db,
  { id }: Pick<LinkedCustomer, 'id'>,
): Promise<Subscription[]> =>
  queryNamed(
    tx,
    'subscriptions_of_customer',
    Prisma.sql`SELECT ${SUBSCRIPTION} FROM "Subscription" t WHERE "customerId" = ${id}`,
  )

const SUBSCRIPTION = columnsOf(Object.keys(Prisma.SubscriptionScalarFieldEnum), 't')

/** Writes the subscriptions, the current one last. */
export async function writeSubscriptions(writing: Writing): Promise<Written> {
  const { ctx, tx, customer, state, prices, repeatedTrials } = writing
  const rows = writing.before ?? (await subscriptionsOf(tx, customer))
  const rowOf = new Map(
    rows.flatMap((row) => (row.stripeSubscriptionId ? [[row.stripeSubscriptionId, row]] : [])),
  )
  const isSold = ({ price }: SubscriptionShape) => {
    const row = prices.get(price.stripePriceId)
    return row !== undefined && planOfPrice(ctx.plans, row) !== null
  }
  const pending = awaitingFirstPayment(state)
  const may = ({ status, stripeSubscriptionId: id }: SubscriptionShape) =>
    isCurrentStatus(status) && !repeatedTrials.has(id) && !pending.has(id)
  const current = chooseCurrent(state.subscriptions, rows, may, isSold)
  const flagOf = (shape: SubscriptionShape): Problem['reason'] | null => {
    const { stripeSubscriptionId: id, status } = shape
    if (repeatedTrials.has(id)) return 'trial_already_used'
    if (!isSold(shape)) return 'unknown_price'
    if (pending.has(id)) return pending.get(id) ?? null
    if (!isCurrentStatus(status) || id === current) return null
    return 'second_current_subscription'
  }
  const written: Written = {
    ...{ changes: [], flagged: new Map(), newlyFlagged: [] },
    ...{ unflagged: new Set(), rows: rowOf },
  }
  for (const shape of state.subscriptions) {
    const { stripeSubscriptionId: id } = shape
    const reason = flagOf(shape)
    if (reason === null) continue
    written.flagged.set(id, reason)
    if (rowOf.get(id)?.needsAttention !== reason) written.newlyFlagged.push(id)
  }
  // The current subscription is written last. A unique index allows one, so the former one is
  // written before.
  const last = (shape: SubscriptionShape) => (shape.stripeSubscriptionId === current ? 1 : 0)
  for (const shape of [...state.subscriptions].sort((a, b) => last(a) - last(b))) {
    const { stripeSubscriptionId: id, status } = shape
    const reason = written.flagged.get(id) ?? null
    const row = rowOf.get(id)
    // A subscription whose price is unknown does not overwrite its row: the old price and status
    // stay.
    if (row && reason === 'unknown_price' && !isEndedStatus(status)) continue
    if (row && isEndedStatus(row.status) && row.status !== status) continue
    const data = {
      ...subscriptionData(writing, shape, reason),
      pastDueSince: pastDueSinceOf(ctx, status, row),
      ...(row && isFinished(row, shape) ? NO_INTENT : {}),
    }
    if (row && !differs(row, data)) continue
    const write = async () => {
      const key = { stripeSubscriptionId: id, customerId: customer.id, createdAt: shape.createdAt }
      const rows = [{ ...data, ...key, provider: 'stripe' }]
      for (const after of await upsertAll<Subscription>(
        tx,
        'Subscription',
        'stripeSubscriptionId',
        rows,
        SUBSCRIPTION,
      ))
        rowOf.set(id, after)
    }
    if (!writing.refused) await write()
    else if (!(await writeAlone(tx, write))) {
      writing.refused.add(id)
      continue
    }
    if (row && row.needsAttention !== null && reason === null) written.unflagged.add(row.id)
    const from = row?.status ?? null
    written.changes.push({ object: 'subscription', id, from, to: status })
  }
  return written
}

/**
 * Subscriptions whose first payment has not arrived, and whether that payment is pending or failed. While a
 * bank debit is under way the provider activates the subscription or leaves it `incomplete`. Such a
 * subscription grants nothing and blocks a second purchase.
 */
function awaitingFirstPayment({
  subscriptions,
  invoices,
  payments,
}: ProviderState): Map<string, 'first_payment_pending' | 'first_payment_failed'> {
  const statusOf = new Map(
    payments.map(({ stripePaymentIntentId, status }) => [stripePaymentIntentId, status]),
  )
  const awaiting = new Map<string, 'first_payment_pending' | 'first_payment_failed'>()
  for (const { stripeSubscriptionId: id, status, isCharged } of subscriptions) {
    const unpaid = invoices.find(
      (invoice) =>
        invoice.stripeSubscriptionId === id &&
        invoice.billingReason === 'subscription_create' &&
        invoice.status === 'open' &&
        invoice.amountDue > 0,
    )
    if (!isCharged || !unpaid) continue
    const payment = statusOf.get(unpaid.stripePaymentIntentId ?? '')
    const hasFailed = payment === 'requires_payment_method' || payment === 'canceled'
    if (isCurrentStatus(status)) {
      awaiting.set(id, hasFailed ? 'first_payment_failed' : 'first_payment_pending')
    } else if (payment === 'processing' && !isEndedStatus(status)) {
      awaiting.set(id, 'first_payment_pending')
    }
  }
  return awaiting
}

/**
 * Chooses the current subscription: the present one, until the provider says that it no longer runs, even
 * while it cannot be read; otherwise the oldest that has a plan's price.
 */
function chooseCurrent(
  shapes: SubscriptionShape[],
  rows: readonly Subscription[],
  may: (shape: SubscriptionShape) => boolean,
  isSold: (shape: SubscriptionShape) => boolean,
): string | null {
  const holder = rows.find((row) => isCurrentStatus(row.status) && row.needsAttention === null)
  const now = shapes.find((shape) => shape.stripeSubscriptionId === holder?.stripeSubscriptionId)
  if (holder && (now === undefined || may(now))) return holder.stripeSubscriptionId
  return shapes.find((shape) => may(shape) && isSold(shape))?.stripeSubscriptionId ?? null
}

/** Columns of a change that waits for its payment, with the URL of the page where it is paid. */
function pendingData(
  { ctx, state, prices }: Writing,
  pending: SubscriptionShape['pending'],
): Pick<
  Subscription,
  'pendingPlan' | 'pendingInterval' | 'pendingQuantity' | 'pendingUntil' | 'pendingUrl'
> {
  const item = pending && planItemOf(ctx.plans, prices, pending.items)
  const row = item && prices.get(item.stripePriceId)
  const sold = row ? planOfPrice(ctx.plans, row) : null
  const invoice = state.invoices.find(
    ({ stripeInvoiceId }) => stripeInvoiceId === pending?.stripeInvoiceId,
  )
  return {
    pendingPlan: sold?.plan ?? null,
    pendingInterval: sold?.interval ?? null,
    pendingQuantity: sold ? (item?.quantity ?? null) : null,
    pendingUntil: sold ? (pending?.expiresAt ?? null) : null,
    pendingUrl: sold ? (invoice?.hostedInvoiceUrl ?? null) : null,
  }
}

function subscriptionData(
  writing: Writing,
  shape: SubscriptionShape,
  needsAttention: string | null,
) {
  const { prices } = writing
  const { price, schedule, pause, pending, createdAt, isCharged, stripeSubscriptionId, ...rest } =
    shape
  const { cardFingerprint, items, prices: _, ...facts } = rest
  const next = schedule?.next ?? null
  const scheduledPriceId = next ? (prices.get(next.stripePriceId)?.id ?? null) : null
  return {
    ...facts,
    priceId: (prices.get(price.stripePriceId) as PriceRow).id,
    stripeScheduleId: schedule?.stripeScheduleId ?? null,
    scheduledPriceId,
    scheduledFor: scheduledPriceId ? (next?.startsAt ?? null) : null,
    scheduledQuantity: scheduledPriceId ? (next?.quantity ?? null) : null,
    pauseBehavior: pause?.behavior ?? null,
    pauseResumesAt: pause?.resumesAt ?? null,
    ...pendingData(writing, pending),
    needsAttention,
  }
}

function differs(row: Subscription, data: object): boolean {
  const value = (of: unknown) => (of instanceof Date ? of.getTime() : of)
  return Object.entries(data).some(
    ([key, item]) => value(row[key as keyof Subscription]) !== value(item),
  )
}
