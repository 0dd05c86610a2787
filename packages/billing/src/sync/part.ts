/**
 * A part of a customer: the objects that events name, in as few requests as Stripe allows. Promise: a part is written
 * only where the rest of the customer does not depend on it; in every other case the customer is loaded whole.
 *
 * @module
 */

import type { Subscription } from '@repo/db'
import type Stripe from 'stripe'
import { isCurrentStatus, isEndedStatus } from '../catalog/status.ts'
import type { BillingContext } from '../context.ts'
import { ask, hasNewShape, isMissing } from '../providers/stripe/client.ts'
import { addDisputes } from '../providers/stripe/disputes.ts'
import { addInvoicePayments } from '../providers/stripe/invoice-payments.ts'
import { idOf, record, text } from '../providers/stripe/shapes.ts'
import { invoicePaymentIntent, invoiceSubscription } from '../providers/stripe/shapes-money.ts'
import { type ProviderState, type RawState, stateOf } from './provider-state.ts'

/** What to load of a customer: `subscriptions`, or objects by their ids. */
export type Part =
  | 'subscriptions'
  | {
      subscriptions: readonly string[]
      invoices: readonly string[]
      payments: readonly string[]
    }

/** What events ask for. Null: the whole customer. */
export function partOf(payloads: readonly string[]): Part | null {
  const ids = {
    subscriptions: new Set<string>(),
    invoices: new Set<string>(),
    payments: new Set<string>(),
  }
  let isNamed = false
  for (const payload of payloads) {
    const event = record(JSON.parse(payload))
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
  // A payment of its own is told of by more than itself.
  if (ids.invoices.size === 0 && ids.payments.size > 0) return null
  return {
    subscriptions: [...ids.subscriptions],
    invoices: [...ids.invoices],
    payments: [...ids.payments],
  }
}

/** Events that tell of one object and of its subscription. A draft that is deleted has to be missed in the whole. */
const PLAIN_TYPES =
  /^(customer\.subscription\.updated|invoice\.(created|finalized|updated|paid|payment_succeeded)|payment_intent\.(succeeded|processing))$/

/** Null: a part is not enough, because there is more than it tells, or Stripe does not have what it names. */
export async function loadPart(
  ctx: BillingContext,
  customer: string,
  part: Part,
): Promise<ProviderState | null> {
  const raw =
    part === 'subscriptions' ? await all(ctx.stripe, customer) : await named(ctx.stripe, part)
  if (raw === null) return null
  // A hint may name what belongs to somebody else.
  const others = [...raw.subscriptions, ...raw.invoices, ...raw.intents]
  if (others.some((each) => idOf(record(each)?.customer) !== customer)) return null
  await addDisputes(ctx.stripe, raw.intents)
  await addInvoicePayments(ctx.stripe, raw.invoices, raw.intents)
  const state = await stateOf(ctx, raw, { isWhole: false })
  // What several payments paid, or a credit note gave back, is told by the whole customer.
  const isPlain = state.invoices.every(
    ({ payments, amountCredited }) => payments.length <= 1 && amountCredited === 0,
  )
  return isPlain ? state : null
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
    // What a paid invoice gives depends on the period of its subscription, which may not have been told of yet.
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
 * An invoice, and in the same request what hangs on it as far as the API version expands that. Returns the id of its
 * subscription.
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
  // Not expanded its trial could not be told apart.
  const isEnough = !isNew || subscription?.status !== 'trialing'
  if (subscription && isEnough) raw.subscriptions.push(subscription)
  const intent = record(invoice.payment_intent)
  if (intent) raw.intents.push(intent)
  raw.invoices.push(compact(invoice))
  return invoiceSubscription(invoice)
}

/** An invoice with ids where what they name was expanded. */
const compact = (invoice: object): object => {
  const raw = record(invoice) ?? {}
  return { ...raw, payment_intent: idOf(raw.payment_intent), subscription: idOf(raw.subscription) }
}

/**
 * Whether the state can be written without the rest: each subscription is one that runs here already, in order and as
 * the only one, and runs on. `rows`: our rows of the customer's subscriptions.
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
