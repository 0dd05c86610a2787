/**
 * Retrieves checkouts, payments and subscriptions from Stripe. An object that a sync has just loaded is not retrieved
 * again, so that a renewal needs no further requests for the customer's orders.
 *
 * @module
 */

import type Stripe from 'stripe'
import { type Plans, planOfPrice } from '../../catalog/plans.ts'
import { type Products, productIdOf, skuOfPlan } from '../../catalog/products.ts'
import { BillingError, type BillingErrorCode } from '../../errors.ts'
import type { PaymentEnvironment } from '../../provider-name.ts'
import { idOf, type Raw, record, whole } from '../json.ts'
import type { LoadedObjects, ProviderPayment, Retrievals } from '../provider.ts'
import { ask, hasNewShape, isMissing } from './client.ts'
import { addDisputes } from './disputes.ts'
import { addInvoicePayments, laterVersion, paidPayments } from './invoice-payments.ts'
import { checkoutOfStripe, paymentOfStripe, subscriptionOfStripe } from './provider-shapes.ts'
import {
  type PriceShape,
  priceShape,
  rows,
  type SubscriptionShape,
  subscriptionShape,
} from './shapes.ts'
import { invoiceLines, linePrice } from './shapes-money.ts'

/** The settings of retrievals: the client, and our plans and products. */
export interface RetrievalSettings {
  /** The client of Stripe's SDK. */
  stripe: Stripe
  /** The plans, whose prices Stripe knows by their lookup keys. */
  plans: Plans
  /** The products. A product without an id at Stripe is sold by its amount. */
  products: Products
  /** The environment whose product ids count. It is called when the value is needed. */
  environment(): PaymentEnvironment
}

const NONE_LOADED: LoadedObjects = { subscriptions: [], invoices: [], intents: [] }

/** The retrievals of Stripe's provider. `loaded` are objects with the expansions and additions of a sync. */
export function stripeRetrievals(
  settings: RetrievalSettings,
  loaded: LoadedObjects = NONE_LOADED,
): Retrievals {
  const { stripe } = settings
  const { skuOfInvoice, withSku } = stripeSkus(settings, loaded)
  const isNew = hasNewShape(stripe)
  /** Since basil an invoice has its payments only if they are expanded; earlier versions refuse to expand them. */
  const paid = isNew ? 'invoice.payments' : 'invoice'
  const latest = `latest_invoice.${isNew ? 'payments' : 'payment_intent'}`

  /**
   * The invoices that a payment pays, which may be several where the payment was attached to them. Before basil a
   * payment names its invoice, unless the payment was attached to it.
   */
  async function invoicesOf(intent: Stripe.PaymentIntent): Promise<Raw[]> {
    const named = isNew ? null : record(intent)?.invoice
    const own = byId(loaded.invoices, idOf(named)) ?? record(named)
    if (own) return [own]
    if (named) {
      const invoice = record(await ask('invoice', stripe.invoices.retrieve(idOf(named) ?? '')))
      return invoice ? [invoice] : []
    }
    const known = loaded.invoices.map(asRaw).filter((invoice) => paysFor(intent.id, invoice))
    if (
      known.length > 0 &&
      known.reduce((left, each) => left - partOf(intent, each), received(intent)) <= 0
    )
      return known
    // A payment of ours for an order that is not a plan has no invoice.
    if (intent.metadata?.orderId !== undefined) return known
    const payment = { type: 'payment_intent' as const, payment_intent: intent.id }
    const params = { payment, limit: 100, expand: ['data.invoice', 'data.invoice.payments'] }
    const listed = stripe.invoicePayments.list(params, laterVersion(stripe))
    const { data } = await ask('list', listed)
    return data
      .map(({ invoice }) => record(invoice))
      .filter((each) => each !== null)
      .reverse()
  }

  async function intentOf(id: string): Promise<Stripe.PaymentIntent> {
    const known = byId(loaded.intents, id)
    if (known) return known as unknown as Stripe.PaymentIntent
    const expand = ['latest_charge', ...(isNew ? [] : ['invoice'])]
    const intent = await found(id, /^pi_\w{1,250}$/, 'payment_not_found', () =>
      ask('payment_intent', stripe.paymentIntents.retrieve(id, { expand })),
    )
    await addDisputes(stripe, [intent])
    return intent
  }

  /** The subscription with its latest invoice expanded. */
  async function withLatestInvoice(id: string): Promise<Raw> {
    const known = byId(loaded.subscriptions, id)
    const invoice = byId(loaded.invoices, idOf(known?.latest_invoice))
    if (known && (invoice || known.latest_invoice === null)) {
      return { ...known, latest_invoice: invoice }
    }
    const subscription = await found(id, /^sub_\w{1,250}$/, 'subscription_not_found', () =>
      ask('subscription', stripe.subscriptions.retrieve(id, { expand: [latest] })),
    )
    return record(subscription) ?? {}
  }

  return {
    async retrieveCheckout(id) {
      return checkoutOfStripe(
        await found(id, /^cs_\w{1,250}$/, 'checkout_not_found', () =>
          ask('checkout.session', stripe.checkout.sessions.retrieve(id, { expand: [paid] })),
        ),
      )
    },
    async retrievePayment(id) {
      const intent = await intentOf(id)
      const invoices = await invoicesOf(intent)
      const paid = invoices.filter(({ status }) => status === 'paid')
      if (paid.length > 0) await addInvoicePayments(stripe, paid, [intent])
      const [first = null] = invoices
      if (first === null || invoices.length === 1) {
        const sku = await skuOfInvoice(first)
        return { ...paymentOfStripe(intent, first), sku, ...(first && shareOf(id, first)) }
      }
      return { ...paymentOfSeveral(intent, invoices), sku: await skuOfInvoice(first) }
    },
    async retrieveSubscription(id) {
      const raw = await withLatestInvoice(id)
      const invoice = record(raw.latest_invoice)
      if (invoice) await addInvoicePayments(stripe, [invoice], loaded.intents)
      const shape = subscriptionShape(raw)
      if ('unreadable' in shape) {
        throw new BillingError(
          'provider_unavailable',
          `The subscription cannot be read (${shape.unreadable}).`,
        )
      }
      return subscriptionOfStripe(...(await withSku(shape)), raw)
    },
  }
}

/** Finds our product for a price. */
function stripeSkus(
  { stripe, plans, products, environment }: RetrievalSettings,
  loaded: LoadedObjects,
) {
  /** The product that an invoice is for. Null: none of ours, or there is no invoice. */
  async function skuOfInvoice(invoice: Raw | null): Promise<string | null> {
    // The invoice may have add-ons beside the plan, so each line is tried.
    for (const line of invoiceLines(invoice ?? {})) {
      const id = linePrice(line)
      if (id === null) continue
      const known = priceShape(line.price) ?? loadedPrice(loaded, id)
      const price = known ?? priceShape(await ask('price', stripe.prices.retrieve(id)))
      const sku = price && (await skuOf(price))
      if (sku) return sku
    }
    return null
  }

  async function skuOf(price: PriceShape): Promise<string | null> {
    const { lookupKey, interval, stripeProductId } = price
    const known = planOfPrice(plans, { lookupKey, interval, product: { plan: null } })
    const sold = known ?? (await planOfReplaced(price))
    const sku = sold && skuOfPlan(products, sold.plan, sold.interval)
    if (sku) return sku
    const own = Object.entries(products).find(
      ([name, product]) =>
        product.interval === interval &&
        productIdOf({ ...product, sku: name }, 'stripe', environment()) === stripeProductId,
    )
    return own?.[0] ?? null
  }

  /** The plan of a price that was replaced. Such a price has lost its lookup key, but its product names the plan. */
  async function planOfReplaced({ lookupKey, interval, stripeProductId }: PriceShape) {
    const product = await ask('product', stripe.products.retrieve(stripeProductId))
    const plan = product.metadata?.plan ?? null
    return planOfPrice(plans, { lookupKey, interval, product: { plan } })
  }

  /** The subscription with the item that is one of our products, and its SKU; unchanged and null where none is. */
  async function withSku(shape: SubscriptionShape): Promise<[SubscriptionShape, string | null]> {
    for (const { stripePriceId, quantity } of shape.items) {
      const price = shape.prices.find((each) => each.stripePriceId === stripePriceId)
      const sku = price ? await skuOf(price) : null
      if (price && sku) return [{ ...shape, price, quantity }, sku]
    }
    return [shape, null]
  }

  return { skuOfInvoice, withSku }
}

/** The price of a loaded subscription's item. */
function loadedPrice({ subscriptions }: LoadedObjects, id: string): PriceShape | null {
  const items = subscriptions.flatMap((each) => rows(record(each)?.items))
  return priceShape(items.find(({ price }) => idOf(price) === id)?.price)
}

const asRaw = (object: object): Raw => object as Raw

const byId = (objects: readonly object[], id: string | null): Raw | null =>
  id === null ? null : record(objects.find((each) => idOf(each) === id))

/** Whether an invoice names the payment as one of its own. */
const paysFor = (paymentId: string, { payments, payment_intent }: Raw): boolean =>
  idOf(payment_intent) === paymentId ||
  rows(payments).some(({ payment }) => idOf(record(payment)?.payment_intent) === paymentId)

/** What is left of the amount that a payment received, or all of it. */
const received = (intent: Stripe.PaymentIntent): number =>
  whole(record(intent)?.amount_received) ?? 0

/** The part of a payment that paid an invoice. An invoice that lists no payments was paid by one. */
function partOf({ id, amount }: Stripe.PaymentIntent, invoice: Raw): number {
  if (!record(invoice.payments)) return amount
  const part = paidPayments(invoice).find((each) => each.stripePaymentIntentId === id)
  return part?.amount ?? 0
}

/**
 * A payment of several invoices. It brings the credits of each invoice that begins a period of the first one's
 * subscription, once all of them are closed: an order's credits do not change later.
 */
function paymentOfSeveral(intent: Stripe.PaymentIntent, invoices: readonly Raw[]): ProviderPayment {
  const isPaid = ({ status }: Raw) => (status === 'paid' ? 0 : 1)
  const parts = [...invoices]
    .sort((a, b) => isPaid(a) - isPaid(b))
    .map((invoice) => ({ ...paymentOfStripe(intent, invoice), invoice }))
  const [first] = parts as [(typeof parts)[number]]
  const isOpen = invoices.some(({ status }) => status === 'open' || status === 'draft')
  const shares = parts
    .filter((each) => each.subscriptionId === first.subscriptionId && !each.isForChange)
    .filter(({ invoice }) => invoice.status === 'paid')
    .map(({ invoice }) => shareOf(intent.id, invoice, 1).share)
    .filter((share) => share !== undefined)
  const { invoice: _, ...payment } = first
  return {
    ...payment,
    status: isOpen && payment.status === 'succeeded' ? 'pending' : payment.status,
    amount: parts.reduce((sum, { amount }) => sum + amount, 0),
    isForChange: shares.length === 0,
    ...(shares[0] ? { share: shares[0], otherShares: shares.slice(1) } : {}),
  }
}

/** A payment's share of its invoice, where at least `least` payments paid it. */
function shareOf(
  paymentId: string,
  invoice: Record<string, unknown>,
  least = 2,
): Pick<ProviderPayment, 'share'> {
  const payments = paidPayments(invoice)
  const at = payments.findIndex((each) => each.stripePaymentIntentId === paymentId)
  if (at < 0 || payments.length < least) return {}
  const upTo = (end: number) => payments.slice(0, end).reduce((sum, { amount }) => sum + amount, 0)
  return { share: { before: upTo(at), after: upTo(at + 1), of: upTo(payments.length) } }
}

/** What `retrieve` returns. @throws `code` where Stripe has no such object, or where `id` is malformed. */
export async function found<T>(
  id: string,
  form: RegExp,
  code: BillingErrorCode,
  retrieve: () => Promise<T>,
): Promise<T> {
  const missing = new BillingError(code, 'Stripe has no object with this id.')
  if (!form.test(id)) throw missing
  return retrieve().catch((error: unknown) => {
    throw isMissing(error) ? missing : error
  })
}
