/**
 * Loads the provider's present state of one customer, which is not yet written.
 *
 * @module
 */

import type Stripe from 'stripe'
import type { Problem } from '../alerts.ts'
import type { BillingContext } from '../context.ts'
import { idOf } from '../providers/json.ts'
import type { LoadedObjects } from '../providers/provider.ts'
import { ask, hasNewShape, isMissing } from '../providers/stripe/client.ts'
import { addDisputes } from '../providers/stripe/disputes.ts'
import { refundsOf } from '../providers/stripe/invoice-money.ts'
import { addInvoicePayments } from '../providers/stripe/invoice-payments.ts'
import { addInvoiceShares } from '../providers/stripe/refund-shares.ts'
import { type SubscriptionShape, subscriptionShape } from '../providers/stripe/shapes.ts'
import {
  type InvoiceShape,
  invoiceShape,
  type PaymentShape,
  paymentShape,
  type RefundShape,
} from '../providers/stripe/shapes-money.ts'
import { PAYMENT_MARK } from '../providers/stripe/terms.ts'

/** `state` without the objects whose ids are in `ids`. */
export function withoutObjects(state: ProviderState, ids: ReadonlySet<string>): ProviderState {
  return {
    ...state,
    subscriptions: state.subscriptions.filter((each) => !ids.has(each.stripeSubscriptionId)),
    invoices: state.invoices.filter((each) => !ids.has(each.stripeInvoiceId)),
    payments: state.payments.filter((each) => !ids.has(each.stripePaymentIntentId)),
    refunds: state.refunds.filter((each) => !ids.has(each.stripeRefundId)),
  }
}

/** The provider's present state of one customer, in our shapes. */
export interface ProviderState {
  /** The oldest first. */
  subscriptions: SubscriptionShape[]
  invoices: InvoiceShape[]
  /** Payments of one-time purchases and of invoices. */
  payments: PaymentShape[]
  refunds: RefundShape[]
  problems: Problem[]
  /** False: the customer has more objects of some kind than were loaded. */
  isWhole: boolean
  /** Every invoice created since this time was loaded. Null: unknown. */
  invoicesSince: Date | null
  /** The objects that the shapes were read from. */
  raw: LoadedObjects
}

/** How much is loaded: the newest hundred objects of each kind and the objects that `also` names, or all objects. */
export interface LoadOptions {
  depth: 'recent' | 'full'
  /** Ids of subscriptions, invoices and payment intents that must be loaded. */
  also(): Promise<readonly string[]>
  /** Payments for which events reported a dispute. */
  disputed?: () => Promise<readonly string[]>
}

/** Stripe's objects as they were loaded. */
export interface RawState extends LoadedObjects {
  subscriptions: object[]
  invoices: object[]
  intents: object[]
}

/** Loads the customer's state with few requests. @throws `provider_unavailable`, `provider_rejected`. */
export async function loadProviderState(
  ctx: BillingContext,
  customer: string,
  options: LoadOptions,
): Promise<ProviderState> {
  const { stripe } = ctx
  const { depth, also } = options
  const [subscriptions, invoices, intents] = await Promise.all([
    read(depth, stripe.subscriptions.list({ customer, status: 'all', ...SUBSCRIPTIONS }), {
      ids: async () => (await also()).filter((id) => id.startsWith('sub_')),
      retrieve: (id) => ask('subscription', stripe.subscriptions.retrieve(id, one(SUBSCRIPTIONS))),
    }),
    read(depth, stripe.invoices.list({ customer, ...invoiceParams(stripe) }), {
      ids: async () => (await also()).filter((id) => id.startsWith('in_')),
      retrieve: (id) => ask('invoice', stripe.invoices.retrieve(id, one(invoiceParams(stripe)))),
    }),
    read(depth, stripe.paymentIntents.list({ customer, ...INTENTS }), {
      ids: async () => (await also()).filter((id) => id.startsWith('pi_')),
      retrieve: (id) => ask('payment_intent', stripe.paymentIntents.retrieve(id, one(INTENTS))),
    }),
  ])
  const named = options.disputed ? await options.disputed() : []
  await addDisputes(stripe, intents.items, new Set(named))
  await addInvoicePayments(stripe, invoices.items, intents.items)
  await addInvoiceShares(stripe, invoices.items, intents.items)
  const raw = {
    subscriptions: subscriptions.items,
    invoices: invoices.items,
    intents: intents.items,
  }
  const isWhole = subscriptions.isWhole && invoices.isWhole && intents.isWhole
  const oldest = Math.min(...invoices.items.map(({ created }) => created))
  const invoicesSince =
    invoices.isWhole || oldest === Infinity ? new Date(0) : new Date(oldest * 1000)
  return { ...(await stateOf(ctx, raw, { isWhole })), invoicesSince }
}

/** Converts Stripe's objects to our shapes. Unreadable objects become `problems`. */
export async function stateOf(
  ctx: BillingContext,
  raw: RawState,
  { isWhole }: { isWhole: boolean },
): Promise<ProviderState> {
  const problems: Problem[] = []
  const shapes: SubscriptionShape[] = []
  for (const each of raw.subscriptions) {
    const shape = subscriptionShape(each)
    if ('unreadable' in shape) problems.push({ id: idOf(each) ?? '', reason: shape.unreadable })
    else shapes.push(shape)
  }
  const payments = readable(raw.intents, paymentShape, 'unreadable_payment', problems)
  for (const payment of payments) payment.refunds = await refundsOf(ctx.stripe, payment)
  return {
    subscriptions: shapes.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime()),
    invoices: readable(raw.invoices, invoiceShape, 'unreadable_invoice', problems),
    payments,
    refunds: payments.flatMap(({ refunds }) => refunds),
    problems,
    isWhole,
    invoicesSince: null,
    raw,
  }
}

const SUBSCRIPTIONS = {
  limit: 100,
  expand: ['data.default_payment_method', 'data.schedule'],
}
const INTENTS = {
  limit: 100,
  expand: ['data.latest_charge.refunds'],
}
/**
 * From API version 2025-03-31 (basil) an invoice contains its payments only when they are expanded. Earlier
 * versions refuse that expansion.
 */
const invoiceParams = (stripe: Stripe) => ({
  limit: 100,
  expand: hasNewShape(stripe) ? ['data.payments'] : [],
})
/** Turns the expansions of a list into those of a single object. */
const one = ({ expand }: { expand: string[] }) => ({
  expand: expand.map((path) => path.replace(/^data\./, '')),
})

/** How to load objects that are older than the first page. */
interface More<T> {
  ids(): Promise<readonly string[]>
  retrieve(id: string): Promise<T>
}

/** The fields of a Stripe object that loading needs. */
interface Listed {
  id: string
  customer?: unknown
}

type Page<T> = Promise<{ object: 'list'; data: T[]; has_more: boolean }> & AsyncIterable<T>

async function read<T extends Listed>(
  depth: LoadOptions['depth'],
  request: Page<T>,
  more: More<T>,
): Promise<{ items: T[]; isWhole: boolean }> {
  const { data, has_more } = await ask('list', request)
  if (!has_more) return { items: data, isWhole: true }
  if (depth === 'full') {
    const items: T[] = []
    for await (const item of request) items.push(item)
    return { items, isWhole: true }
  }
  const items = [...data]
  for (const id of new Set(await more.ids())) {
    if (items.some((item) => item.id === id)) continue
    const item = await more.retrieve(id).catch((error: unknown) => {
      if (isMissing(error)) return null
      throw error
    })
    // An event is only a hint: it may name an object of another customer.
    if (item && idOf(item.customer) === idOf(data[0]?.customer)) items.push(item)
  }
  return { items, isWhole: false }
}

function readable<T>(
  items: object[],
  shapeOf: (item: unknown) => T | null,
  reason: Problem['reason'],
  problems: Problem[],
): T[] {
  return items.flatMap((item) => {
    const shape = shapeOf(item)
    if (shape === null) problems.push({ id: idOf(item) ?? '', reason })
    return shape ?? []
  })
}

/** The keys of a payment's metadata that we set to name the purchase. The host's own keys are dropped. */
const ownMetadata = (metadata: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(metadata).filter(([key]) => key === PAYMENT_MARK || key === 'orderId'),
  )

/** The state of a forgotten owner without URLs of invoice pages, comments and the host's metadata. */
export function withoutNames(state: ProviderState): ProviderState {
  return {
    ...state,
    subscriptions: state.subscriptions.map((each) => ({
      ...each,
      cancellationComment: null,
      pending: null,
    })),
    invoices: state.invoices.map((each) => ({ ...each, hostedInvoiceUrl: null, invoicePdf: null })),
    payments: state.payments.map((each) => ({ ...each, metadata: ownMetadata(each.metadata) })),
  }
}
