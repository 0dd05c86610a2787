/**
 * Loads a part of a customer: the objects that events name, in as few requests as Stripe allows. Promise: a
 * part is written only where the rest of the customer does not depend on it. Otherwise the whole customer is
 * loaded.
 *
 * @module
 */

import type { Subscription } from '@repo/db'
import type Stripe from 'stripe'
import { isCurrentStatus, isEndedStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { idOf, record, text, whole } from '../providers/json.ts'
import { ask, hasNewShape, isMissing } from '../providers/stripe/client.ts'
import { addDisputes } from '../providers/stripe/disputes.ts'
import { addInvoicePayments } from '../providers/stripe/invoice-payments.ts'
import { isShared } from '../providers/stripe/refund-shares.ts'
import { invoicePaymentIntent, invoiceSubscription } from '../providers/stripe/shapes-money.ts'
import { type ProviderState, type RawState, stateOf } from './provider-state.ts'

/** The part of a customer to load: all `subscriptions`, or objects by their ids. */
export type Part =
  | 'subscriptions'
  | {
      /** Stripe's ids of subscriptions. */
      subscriptions: readonly string[]
      /** Stripe's ids of invoices. */
      invoices: readonly string[]
      /** Stripe's ids of payment intents. */
      payments: readonly string[]
    }

/** The part that the events name. Null: the whole customer has to be loaded. */
export function partOf(bodies: readonly unknown[]): Part | null {
  const ids = {
    subscriptions: new Set<string>(),
    invoices: new Set<string>(),
    payments: new Set<string>(),
  }
  let isNamed = false
  for (const body of bodies) {
    const event = record(body)
    const type = text(event?.type) ?? ''
    if (type === 'customer.updated') continue
    const object = record(record(event?.data)?.object)
    const id = idOf(object)
    if (!object || !id || !PLAIN_TYPES.test(type)) return null
    isNamed = true
    if (object.object === 'subscription') ids.subscriptions.add(id)
    else if (object.object === 'invoice') {
      const subscription = invoiceSubscription(object)
      const payment = invoicePaymentIntent(object)
      if (subscription === null) return null
      ids.invoices.add(id)
      if (payment) ids.payments.add(payment)
    } else if (object.object === 'payment_intent') {
      ids.payments.add(id)
      const invoice = idOf(object.invoice)
      if (invoice) ids.invoices.add(invoice)
    } else return null
  }
  if (!isNamed) return 'subscriptions'
  if (ids.subscriptions.size > 1 || ids.invoices.size > 1 || ids.payments.size > 1) return null
  // A one-time payment has no invoice. More than the payment itself may have changed, so the whole
  // customer is loaded.
  if (ids.invoices.size === 0 && ids.payments.size > 0) return null
  return {
    subscriptions: [...ids.subscriptions],
    invoices: [...ids.invoices],
    payments: [...ids.payments],
  }
}

/**
 * Types of events about one object and its subscription. `invoice.deleted` is left out: only a load of the
 * whole customer shows that a draft is gone.
 */
const PLAIN_TYPES =
  /^(customer\.subscription\.updated|invoice\.(created|finalized|updated|paid|payment_succeeded)|payment_intent\.(succeeded|processing))$/

/**
 * Loads the part. Null: the whole customer has to be loaded, because the part depends on more objects or
 * names an object that Stripe does not have.
 */
export async function loadPart(
  ctx: BillingContext,
  customer: string,
  part: Part,
): Promise<ProviderState | null> {
  const raw =
    part === 'subscriptions' ? await all(ctx.stripe, customer) : await named(ctx.stripe, part)
  if (raw === null) return null
  // An event is only a hint: it may name an object of another customer.
  const others = [...raw.subscriptions, ...raw.invoices, ...raw.intents]
  if (others.some((each) => idOf(record(each)?.customer) !== customer)) return null
  await addDisputes(ctx.stripe, raw.intents)
  await addInvoicePayments(ctx.stripe, raw.invoices, raw.intents)
  // A credit note, several payments of an invoice, and refunds of a payment of several invoices need the whole customer.
  const isCredited = raw.invoices.some(
    (each) => (whole(record(each)?.post_payment_credit_notes_amount) ?? 0) > 0,
  )
  if (isCredited || raw.intents.some((each) => isShared(each, raw.invoices))) return null
  const state = await stateOf(ctx, raw, { isWhole: false })
  return state.invoices.every(({ payments }) => payments.length <= 1) ? state : null
}

/** All subscriptions with their newest invoices, in one request. */
async function all(stripe: Stripe, customer: string): Promise<RawState | null> {
  const expand = [
    'data.default_payment_method',
    'data.schedule',
    ...invoicePaths(stripe, 'data.latest_invoice'),
  ]
  const request = stripe.subscriptions.list({ customer, status: 'all', limit: 100, expand })
  const page = await ask('list', request).catch((error: unknown) => {
    if (isMissing(error)) return null
    throw error
  })
  if (page === null || page.has_more) return null
  const { data } = page
  const invoices = data.flatMap(({ latest_invoice }) =>
    record(latest_invoice) ? [latest_invoice as object] : [],
  )
  return { subscriptions: data, invoices: invoices.map(compact), intents: [] }
}

const invoicePaths = (stripe: Stripe, path: string): string[] => [
  hasNewShape(stripe) ? `${path}.payments` : path,
]

async function named(
  stripe: Stripe,
  {
    subscriptions: [subscription],
    invoices: [invoice],
    payments: [payment],
  }: Exclude<Part, string>,
): Promise<RawState | null> {
  try {
    const raw: RawState = { subscriptions: [], invoices: [], intents: [] }
    // A paid invoice grants by its subscription's period, and that period may be newer than our
    // row.
    const owner = invoice ? await addInvoice(stripe, raw, invoice) : null
    const has = (of: readonly object[], id: string) => of.some((each) => idOf(each) === id)
    for (const id of new Set([subscription, owner])) {
      if (!id || has(raw.subscriptions, id)) continue
      const expand = ['default_payment_method', 'schedule']
      raw.subscriptions.push(
        await ask('subscription', stripe.subscriptions.retrieve(id, { expand })),
      )
    }
    if (payment && !has(raw.intents, payment)) {
      const expand = ['latest_charge.refunds']
      raw.intents.push(
        await ask('payment_intent', stripe.paymentIntents.retrieve(payment, { expand })),
      )
    }
    return raw
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/**
 * Loads an invoice, its subscription and its payment in one request, as far as the API version can expand
 * them. Returns the subscription's id.
 */
async function addInvoice(stripe: Stripe, raw: RawState, id: string): Promise<string | null> {
  const isNew = hasNewShape(stripe)
  const path = isNew ? 'parent.subscription_details.subscription' : 'subscription'
  const expand = [
    isNew ? 'payments' : 'payment_intent.latest_charge.refunds',
    isNew ? path : `${path}.default_payment_method`,
    `${path}.schedule`,
  ]
  const invoice = record(await ask('invoice', stripe.invoices.retrieve(id, { expand }))) ?? {}
  const details = record(record(invoice.parent)?.subscription_details)
  const subscription = record(details?.subscription) ?? record(invoice.subscription)
  // The payment method is not expanded here, and a trial is recognized by its card.
  const isEnough = !isNew || subscription?.status !== 'trialing'
  if (subscription && isEnough) raw.subscriptions.push(subscription)
  const intent = record(invoice.payment_intent)
  if (intent) raw.intents.push(intent)
  raw.invoices.push(compact(invoice))
  return invoiceSubscription(invoice)
}

/** The invoice with ids in place of expanded objects. */
const compact = (invoice: object): object => {
  const raw = record(invoice) ?? {}
  return { ...raw, payment_intent: idOf(raw.payment_intent), subscription: idOf(raw.subscription) }
}

/**
 * Whether the part can be written without the rest of the customer: its subscriptions are known here, the
 * only running row is not flagged, and that subscription keeps running. `rows` are our rows of the customer's
 * subscriptions.
 */
export function isPlainPart(
  rows: readonly Subscription[],
  { subscriptions, invoices }: ProviderState,
): boolean {
  const running = rows.filter(({ status }) => !isEndedStatus(status))
  const [only] = running
  if (running.length > 1 || (only && only.needsAttention !== null)) return false
  const isKnown = (id: string | null) => rows.some((row) => row.stripeSubscriptionId === id)
  if (!invoices.every(({ stripeSubscriptionId }) => isKnown(stripeSubscriptionId))) return false
  return subscriptions.every(({ stripeSubscriptionId: id, status }) => {
    const row = rows.find((each) => each.stripeSubscriptionId === id)
    if (!row) return false
    if (isEndedStatus(status)) return row.status === status
    return row.id === only?.id && isCurrentStatus(status) && isCurrentStatus(row.status)
  })
}
