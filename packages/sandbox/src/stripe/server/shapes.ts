/**
 * Shows records in the form of an API version: the old shape (before 2025-03-31, tested as 2024-04-10) or the
 * new one. Both are made from the same record, so they never disagree.
 *
 * @see https://docs.stripe.com/changelog/basil
 * @module
 */

import type { Price } from './base-objects.ts'
import { complete } from './members.ts'
import type {
  CheckoutSession,
  CreditNote,
  CreditNoteLine,
  Customer,
  Discount,
  EventRecord,
  Invoice,
  InvoiceLine,
  InvoicePayment,
  PaymentIntent,
  PaymentMethod,
  PortalConfiguration,
  PromotionCode,
  Subscription,
  SubscriptionItem,
  SubscriptionSchedule,
  Tax,
  TaxRate,
  WebhookEndpoint,
} from './objects.ts'

/** A JSON object of a response. */
export type Shown = Record<string, unknown>

/** Whether `version` has the new shape. */
export const isNewShape = (version: string): boolean => version.slice(0, 10) >= '2025-03-31'

/** `record` in the form of `version`, with references as ids and without members that only `expand[]` adds. */
export const show = (record: object, version: string): Shown =>
  complete(shaped(record, version), isNewShape(version))

function shaped(record: object, version: string): Shown {
  const value = record as { object?: string }
  const isNew = isNewShape(version)
  switch (value.object) {
    case 'credit_note':
      return showCreditNote(record as CreditNote, isNew)
    case 'credit_note_line_item':
      return showCreditLine(record as CreditNoteLine, isNew)
    case 'customer':
      return showCustomer(record as Customer)
    case 'subscription':
      return showSubscription(record as Subscription, isNew)
    case 'subscription_item':
      return showItem(record as SubscriptionItem, isNew)
    case 'invoice':
      return showInvoice(record as Invoice, isNew)
    case 'billing_portal.configuration':
      return showConfiguration(record as PortalConfiguration, isNew)
    case 'invoice_payment':
      return showInvoicePayment(record as InvoicePayment)
    case 'line_item':
      return showLine(record as InvoiceLine, isNew)
    case 'payment_intent':
      return showIntent(record as PaymentIntent, version)
    case 'charge':
      return without(record, isNew ? ['dispute', 'invoice'] : ['dispute'])
    case 'subscription_schedule':
      return showSchedule(record as SubscriptionSchedule, isNew)
    case 'tax_rate':
      return showTaxRate(record as TaxRate)
    case 'item':
      return without(record, ['tax_rates'])
    case 'payment_method':
      return showMethod(record as PaymentMethod)
    case 'checkout.session':
      return showSession(record as CheckoutSession, version)
    case 'discount':
      return showDiscount(record as Discount, version)
    case 'promotion_code':
      return showCode(record as PromotionCode, version)
    case 'webhook_endpoint':
      return without(record as WebhookEndpoint, ['configured', 'secret'])
    default:
      return { ...record }
  }
}

/** The event in the form of a version; `pendingWebhooks` is the number of receivers that still wait for it. */
export function showEvent(event: EventRecord, version: string, pendingWebhooks: number): Shown {
  const { subject, before, request, ...rest } = event
  const object = show(subject, version)
  const previous =
    before === null ? {} : { previous_attributes: changed(show(before, version), object) }
  return {
    ...rest,
    api_version: version,
    data: { object, ...previous },
    pending_webhooks: pendingWebhooks,
    request,
  }
}

function showIntent(intent: PaymentIntent, version: string): Shown {
  const { last_payment_error: error, ...rest } = intent
  const method = error?.payment_method
  const shown = method ? { ...error, payment_method: show(method, version) } : error
  return without({ ...rest, last_payment_error: shown }, isNewShape(version) ? ['invoice'] : [])
}

function without<T extends object>(record: T, keys: (keyof T | string)[]): Shown {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)))
}

/** Since 2025-09-30 discounts and promotion codes name their coupon in an object. */
const namesCoupon = (version: string): boolean => version.slice(0, 10) >= '2025-09-30'

function showDiscount(discount: Discount, version: string): Shown {
  const { coupon, created: _, ...rest } = discount
  if (!namesCoupon(version)) return { ...rest, coupon: { ...coupon } }
  return { ...rest, customer_account: null, source: { type: 'coupon', coupon: coupon.id } }
}

function showCode(code: PromotionCode, version: string): Shown {
  const { coupon_record, ...rest } = code
  if (!namesCoupon(version)) return { ...rest, coupon: { ...coupon_record } }
  const { coupon, ...others } = rest
  return { ...others, customer_account: null, promotion: { type: 'coupon', coupon } }
}

function showMethod(method: PaymentMethod): Shown {
  if (method.type === 'card') return without(method, ['behaviour'])
  const { fingerprint, last4 } = method.card
  const debit = { bank_code: '37040044', branch_code: null, country: 'DE', fingerprint, last4 }
  return { ...without(method, ['behaviour', 'card']), sepa_debit: debit }
}

function showCustomer(customer: Customer): Shown {
  if (!customer.deleted) return { ...customer }
  return { id: customer.id, object: 'customer', deleted: true }
}

function showSubscription(subscription: Subscription, isNew: boolean): Shown {
  const { pending_lines: _, pending_invoice: __, first_discount, ...record } = subscription
  const rest = { ...record, pending_update: showPending(record.pending_update, isNew) }
  const items = {
    ...rest.items,
    data: rest.items.data.map((item) => showItem(item, isNew)),
  }
  const first = subscription.items.data.length === 1 ? subscription.items.data[0] : undefined
  const shown = {
    ...rest,
    default_tax_rates: record.default_tax_rates.map(showTaxRate),
    items,
    plan: first ? planOf(first.price) : null,
    quantity: first?.quantity ?? null,
  }
  if (isNew) return without(shown, ['current_period_start', 'current_period_end'])
  const discount = first_discount && showDiscount(first_discount, '')
  return { ...without(shown, ['billing_mode']), discount }
}

function showPending(pending: Subscription['pending_update'], isNew: boolean): Shown | null {
  if (!pending) return null
  const subscription_items = pending.subscription_items.map((item) => showItem(item, isNew))
  const shown = { ...pending, subscription_items }
  return isNew
    ? shown
    : without(shown, ['cancel_at_period_end', 'discount', 'discounts', 'metadata'])
}

function showItem(item: SubscriptionItem, isNew: boolean): Shown {
  const shown = { ...item, plan: planOf(item.price), tax_rates: item.tax_rates.map(showTaxRate) }
  return isNew ? shown : without(shown, ['current_period_start', 'current_period_end'])
}

/** The price in the form of a plan, its predecessor, which subscriptions still contain. */
function planOf(price: Price): Shown {
  return {
    id: price.id,
    object: 'plan',
    active: price.active,
    amount: price.unit_amount,
    amount_decimal: price.unit_amount_decimal,
    billing_scheme: price.billing_scheme,
    created: price.created,
    currency: price.currency,
    interval: price.recurring?.interval ?? null,
    interval_count: price.recurring?.interval_count ?? null,
    livemode: false,
    metadata: price.metadata,
    nickname: price.nickname,
    product: price.product,
    usage_type: 'licensed',
  }
}

function showInvoice(invoice: Invoice, isNew: boolean): Shown {
  const { first_discount, paid_off_stripe, total_taxes, ...record } = invoice
  const lines = { ...invoice.lines, data: invoice.lines.data.map((line) => showLine(line, isNew)) }
  if (!isNew) {
    return {
      ...record,
      // Before 2025-03-31 the amounts did not include payments outside of Stripe.
      amount_paid: record.amount_paid - paid_off_stripe,
      amount_remaining: record.amount_remaining + paid_off_stripe,
      paid_out_of_band: paid_off_stripe > 0,
      lines,
      discount: first_discount && showDiscount(first_discount, ''),
      subscription_details: invoice.subscription_details ?? { metadata: null },
      total_tax_amounts: total_taxes.map(showOldTax),
    }
  }
  const gone = ['subscription', 'subscription_details', 'payment_intent', 'charge', 'paid', 'tax']
  return {
    ...without(record, gone),
    lines,
    parent: invoice.subscription
      ? {
          type: 'subscription_details',
          quote_details: null,
          subscription_details: {
            metadata: invoice.subscription_details?.metadata ?? {},
            subscription: invoice.subscription,
          },
        }
      : null,
    total_taxes: total_taxes.map(showTax),
  }
}

function showConfiguration(configuration: PortalConfiguration, isNew: boolean): Shown {
  if (isNew) return { ...configuration, name: null }
  const { features } = configuration
  const { subscription_cancel: cancel, subscription_update: update } = features
  const later = ['billing_cycle_anchor', 'schedule_at_period_end', 'trial_update_behavior']
  return {
    ...configuration,
    features: {
      ...without(features, ['subscription_pause']),
      payment_method_update: { enabled: features.payment_method_update.enabled },
      subscription_cancel: {
        ...cancel,
        cancellation_reason: without(cancel.cancellation_reason, ['feedback_options']),
      },
      subscription_update: {
        ...without(update, later),
        products:
          update.products?.map(({ product, prices }) => ({ product, prices })) ?? update.products,
      },
    },
  }
}

const showTaxRate = (rate: TaxRate): Shown => without(rate, ['is_automatic'])

/** A tax in the new shape. A tax by a host's own rate has no reason that Stripe defines. */
const showTax = ({ amount, inclusive, tax_rate, taxable_amount, is_automatic }: Tax): Shown => ({
  amount,
  tax_behavior: inclusive ? 'inclusive' : 'exclusive',
  tax_rate_details: { tax_rate },
  taxability_reason: is_automatic ? 'standard_rated' : 'not_available',
  taxable_amount,
  type: 'tax_rate_details',
})

const showOldTax = ({ amount, inclusive, tax_rate, taxable_amount, is_automatic }: Tax): Shown => ({
  amount,
  inclusive,
  tax_rate,
  taxability_reason: is_automatic ? 'standard_rated' : null,
  taxable_amount,
})

function showSchedule(schedule: SubscriptionSchedule, isNew: boolean): Shown {
  const phases = schedule.phases.map((phase) => ({
    ...phase,
    default_tax_rates: phase.default_tax_rates.map(showTaxRate),
    items: phase.items.map((item) => ({ ...item, tax_rates: item.tax_rates.map(showTaxRate) })),
  }))
  return { ...(isNew ? schedule : without(schedule, ['billing_mode'])), phases }
}

function showLine(line: InvoiceLine, isNew: boolean): Shown {
  const { price, proration, subscription_item, tax_rates, taxes, ...rest } = line
  if (!isNew) {
    const type = line.subscription ? 'subscription' : 'invoiceitem'
    const included = taxes.reduce((sum, tax) => sum + (tax.inclusive ? tax.amount : 0), 0)
    return {
      ...without(line, ['taxes']),
      amount_excluding_tax: line.amount - included,
      plan: planOf(price),
      tax_amounts: taxes.map(showOldTax),
      tax_rates: tax_rates.map(showTaxRate),
      type,
    }
  }
  return {
    ...rest,
    parent: subscription_item
      ? {
          type: 'subscription_item_details',
          invoice_item_details: null,
          subscription_item_details: {
            invoice_item: null,
            proration,
            proration_details: { credited_items: null },
            subscription: line.subscription,
            subscription_item,
          },
        }
      : null,
    pricing: {
      type: 'price_details',
      price_details: { price: price.id, product: price.product },
      unit_amount_decimal: price.unit_amount_decimal,
    },
    subtotal: line.amount,
    taxes: taxes.map(showTax),
  }
}

function showSession(session: CheckoutSession, version: string): Shown {
  const isNew = isNewShape(version)
  const own = ['line_items', 'payment_intent_data', 'redemptions', 'subscription_data']
  const shown = without(session, isNew ? own : [...own, 'discounts'])
  // The value was renamed in 2026-03-25.
  return version.slice(0, 10) >= '2026-03-25' ? { ...shown, ui_mode: 'hosted_page' } : shown
}

function showCreditNote(note: CreditNote, isNew: boolean): Shown {
  const lines = { ...note.lines, data: note.lines.data.map((line) => showCreditLine(line, isNew)) }
  if (isNew) {
    const refunds = note.refunds.map((each) => ({ ...each, payment_record_refund: null }))
    return { ...note, refunds, lines, total_taxes: note.total_taxes.map(showTax) }
  }
  const gone = ['post_payment_amount', 'pre_payment_amount', 'total_taxes']
  const { refunds, ...rest } = without(note, gone)
  const [first] = refunds as CreditNote['refunds']
  // Before 2025-05-28 there were only two types; a mixed note had the type of its larger part.
  const type = note.post_payment_amount > 0 ? 'post_payment' : 'pre_payment'
  return {
    ...rest,
    type,
    lines,
    refund: first?.refund ?? null,
    tax_amounts: note.total_taxes.map(showOldTax),
  }
}

function showCreditLine(line: CreditNoteLine, isNew: boolean): Shown {
  const tax_rates = line.tax_rates.map(showTaxRate)
  if (isNew) return { ...line, metadata: {}, tax_rates, taxes: line.taxes.map(showTax) }
  const included = line.taxes.reduce((sum, tax) => sum + (tax.inclusive ? tax.amount : 0), 0)
  return {
    ...without(line, ['taxes']),
    amount_excluding_tax: line.amount - included,
    tax_amounts: line.taxes.map(showOldTax),
    tax_rates,
    unit_amount_excluding_tax: line.unit_amount_decimal,
  }
}

function showInvoicePayment({ payment_intent, payment_record, ...payment }: InvoicePayment): Shown {
  return {
    ...payment,
    payment:
      payment_record === null
        ? { type: 'payment_intent', payment_intent }
        : { type: 'payment_record', payment_record },
  }
}

/** The members of `before` that differ in `after`, with their old values. An array counts as one value. */
function changed(before: Shown, after: Shown): Shown {
  const previous: Shown = {}
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[key], after[key]]
    if (JSON.stringify(was) === JSON.stringify(is)) continue
    // Lists such as `items` are shown whole, so that a reader finds complete items in them.
    const nested = isPlain(was) && isPlain(is) && was.object !== 'list'
    previous[key] = nested ? changed(was, is) : (was ?? null)
  }
  return previous
}

/** Whether a value is a JSON object. */
export const isPlain = (value: unknown): value is Shown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
