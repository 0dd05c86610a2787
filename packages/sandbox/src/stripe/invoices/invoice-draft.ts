/**
 * An invoice before it is finalized: its lines, their discounts, and the amount due.
 *
 * @module
 */

import { discountsOf, spend, takeOff } from '../catalog/discounts.ts'
import { ratesOf, sumOf, taxesOn, totalTaxes } from '../catalog/taxes.ts'
import { copy } from '../server/copy.ts'
import type {
  Customer,
  Invoice,
  InvoiceLine,
  PendingLine,
  Subscription,
  TaxRate,
} from '../server/objects.ts'
import { innerId, newId, type Store, seconds } from '../server/store.ts'

/** A line of an invoice. `amount` is in minor units and may be negative. */
export interface LineDraft extends PendingLine {
  proration: boolean
  /** The subscription item of the line; null if there is none. */
  item: string | null
}

/** The fields that an invoice is made from. */
export interface InvoiceFields {
  subscription: Subscription
  reason: 'subscription_create' | 'subscription_cycle' | 'subscription_update'
  lines: LineDraft[]
  period: { start: number; end: number }
}

/** Creates a draft without storing it. It uses up discounts for one invoice. */
export function draftInvoice(
  store: Store,
  customer: Customer,
  { subscription, reason, lines, period }: InvoiceFields,
): Invoice {
  const id = newId('invoices')
  const subtotal = lines.reduce((sum, line) => sum + line.amount, 0)
  const discounts = discountsOf(store, subscription, seconds(store))
  // A proration already includes the discount, so no discount is applied again.
  const amounts = lines.map((line) => (line.proration ? 0 : line.amount))
  const taken = takeOff(amounts, discounts)
  spend(store, subscription, taken)
  const taxes = lines.map((line, index) => {
    const off = (taken.lines[index] ?? []).reduce((sum, { amount }) => sum + amount, 0)
    const rates = ratesOf(store, subscription, line)
    return { rates, all: taxesOn(line.amount - off, rates), full: taxesOn(line.amount, rates) }
  })
  const totals = totalTaxes(taxes.map(({ all }) => all))
  const total = subtotal - taken.total + sumOf(totals, false)
  const included = taxes.reduce((sum, { full }) => sum + sumOf(full, true), 0)
  const taxed = totals.reduce((sum, { amount }) => sum + amount, 0)
  const { automatic_tax } = subscription
  return {
    ...blankInvoice(store, customer),
    id,
    amount_due: Math.max(0, total + customer.balance),
    amount_remaining: Math.max(0, total + customer.balance),
    automatic_tax: { ...automatic_tax, status: automatic_tax.enabled ? 'complete' : null },
    billing_reason: reason,
    currency: subscription.currency,
    discounts: discounts.map((discount) => discount.id),
    first_discount: discounts[0] ?? null,
    lines: {
      object: 'list',
      data: lines.map((line, index) => ({
        ...lineOf(line, id, subscription, taken.lines[index] ?? []),
        tax_rates: copy(taxes[index]?.rates ?? []) as TaxRate[],
        taxes: taxes[index]?.all ?? [],
      })),
      has_more: false,
      total_count: lines.length,
      url: `/v1/invoices/${id}/lines`,
    },
    period_end: period.end,
    period_start: period.start,
    subscription: subscription.id,
    subscription_details: { metadata: { ...subscription.metadata } },
    subtotal,
    subtotal_excluding_tax: subtotal - included,
    tax: totals.length > 0 ? taxed : null,
    total,
    total_excluding_tax: total - taxed,
    total_discount_amounts: taken.totals,
    total_taxes: totals,
  }
}

/** The members that every invoice starts with. */
function blankInvoice(store: Store, customer: Customer) {
  return {
    object: 'invoice',
    created: seconds(store),
    livemode: false,
    account_country: 'US',
    account_name: store.settings.accountName,
    amount_overpaid: 0,
    amount_paid: 0,
    attempt_count: 0,
    attempted: false,
    auto_advance: true,
    automatically_finalizes_at: null,
    charge: null,
    collection_method: 'charge_automatically',
    customer: customer.id,
    customer_address: customer.address,
    customer_email: customer.email,
    customer_name: customer.name,
    customer_phone: customer.phone,
    default_payment_method: null,
    default_source: null,
    description: null,
    due_date: null,
    effective_at: null,
    ending_balance: null,
    hosted_invoice_url: null,
    invoice_pdf: null,
    metadata: {},
    next_payment_attempt: null,
    number: null,
    paid: false,
    paid_off_stripe: 0,
    payment_intent: null,
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    starting_balance: customer.balance,
    status: 'draft',
    status_transitions: {
      finalized_at: null,
      marked_uncollectible_at: null,
      paid_at: null,
      voided_at: null,
    },
  } satisfies Partial<Invoice>
}

function lineOf(
  line: LineDraft,
  invoice: string,
  subscription: Subscription,
  discounts: InvoiceLine['discount_amounts'],
): Omit<InvoiceLine, 'tax_rates' | 'taxes'> {
  return {
    id: innerId('il_'),
    object: 'line_item',
    amount: line.amount,
    currency: subscription.currency,
    description: line.description,
    discount_amounts: discounts,
    discountable: !line.proration,
    discounts: [],
    invoice,
    livemode: false,
    metadata: { ...subscription.metadata },
    period: { ...line.period },
    price: copy(line.price),
    proration: line.proration,
    quantity: line.quantity,
    subscription: subscription.id,
    subscription_item: line.item,
  }
}
