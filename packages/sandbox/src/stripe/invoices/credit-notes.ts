/**
 * Credit notes, which reduce a finalized invoice. A credit note first reduces the unpaid amount. The rest
 * goes back as a refund, to the customer's balance, or outside of Stripe; the caller says how much of each.
 *
 * @see https://docs.stripe.com/api/credit_notes/create
 * @module
 */

import { sumOf, taxesOn, totalTaxes } from '../catalog/taxes.ts'
import { makeRefund } from '../payments/refunds.ts'
import type { Call } from '../server/endpoint.ts'
import { invalid, missing, notCovered } from '../server/errors.ts'
import type { Params } from '../server/forms.ts'
import type { Charge, CreditNote, CreditNoteLine, Invoice, InvoiceLine } from '../server/objects.ts'
import {
  change,
  emit,
  find,
  innerId,
  insert,
  newId,
  randomText,
  referring,
  type Store,
  seconds,
} from '../server/store.ts'
import { paymentsOf } from './invoice-payments.ts'
import { credit } from './invoices.ts'

const REASONS = ['duplicate', 'fraudulent', 'order_change', 'product_unsatisfactory'] as const

/** The parts in which a paid amount goes back. */
interface Back {
  credit: number
  offStripe: number
  /** Null: no refund is made. */
  refund: { charge: Charge; amount: number } | null
  linked: CreditNote['refunds']
}

/** A credit note that is not stored yet, with its effects. */
interface Planned {
  note: CreditNote
  invoice: Invoice
  back: Back
}

/** Checks a request for a credit note and computes the note. Changes nothing. */
export function planCreditNote({ store, params }: Call): Planned {
  const invoice = find(store, 'invoices', params.required('invoice'), 'invoice')
  if (!['open', 'paid', 'uncollectible'].includes(invoice.status)) {
    throw invalid(
      `You cannot issue a credit note for an invoice that is ${invoice.status}.`,
      'invoice',
    )
  }
  const id = newId('creditNotes')
  const lines = linesOf(store, params, invoice)
  const subtotal = lines.reduce((sum, line) => sum + line.amount, 0)
  const taxes = totalTaxes(lines.map((line) => line.taxes))
  const taxed = taxes.reduce((sum, { amount }) => sum + amount, 0)
  const discounts = lines.flatMap((line) => line.discount_amounts)
  const discount = discounts.reduce((sum, { amount }) => sum + amount, 0)
  const total = subtotal - discount + sumOf(taxes, false)
  const before = referring(store, 'creditNotes', 'invoice', invoice.id)
  const credited = before.reduce((sum, note) => sum + (note.status === 'void' ? 0 : note.amount), 0)
  if (total < 1) throw invalid('The amount of a credit note must be at least 1.', 'amount')
  if (total > invoice.total - credited) {
    const left = invoice.total - credited
    throw invalid(
      `The credit note (${total}) exceeds the remaining amount of the invoice (${left}).`,
      'amount',
    )
  }
  const prePayment = Math.min(total, invoice.status === 'paid' ? 0 : invoice.amount_remaining)
  const back = backOf(store, params, invoice, total - prePayment)
  const number = String(before.length + 1).padStart(2, '0')
  const note: CreditNote = {
    id,
    object: 'credit_note',
    created: seconds(store),
    livemode: false,
    amount: total,
    amount_shipping: 0,
    currency: invoice.currency,
    customer: invoice.customer,
    customer_balance_transaction: back.credit > 0 ? `cbtxn_${randomText(24)}` : null,
    discount_amount: discount,
    discount_amounts: discounts,
    effective_at: seconds(store),
    invoice: invoice.id,
    lines: { object: 'list', data: lines, has_more: false, url: `/v1/credit_notes/${id}/lines` },
    memo: params.text('memo') ?? null,
    metadata: params.metadata(),
    number: `${invoice.number}-CN-${number}`,
    out_of_band_amount: back.offStripe > 0 ? back.offStripe : null,
    pdf: `${store.origin}/stripe/invoice/${invoice.id}?print`,
    post_payment_amount: total - prePayment,
    pre_payment_amount: prePayment,
    reason: params.choice('reason', REASONS) ?? null,
    refunds: [...back.linked],
    shipping_cost: null,
    status: 'issued',
    subtotal,
    subtotal_excluding_tax: subtotal - sumOf(taxes, true),
    total,
    total_excluding_tax: total - taxed,
    total_taxes: taxes,
    type: prePayment === total ? 'pre_payment' : prePayment === 0 ? 'post_payment' : 'mixed',
    voided_at: null,
  }
  return { note, invoice, back }
}

/** Issues a credit note. */
export function createCreditNote(call: Call): CreditNote {
  const { store } = call
  const { note, invoice, back } = planCreditNote(call)
  if (back.refund) {
    const { charge, amount } = back.refund
    const { id } = makeRefund(store, charge, { amount })
    note.refunds.push({ refund: id, amount_refunded: amount, type: 'refund' })
  }
  insert(store, 'creditNotes', note)
  emit(store, 'credit_note.created', note)
  if (back.credit > 0) {
    const customer = find(store, 'customers', invoice.customer)
    change(store, 'customer.updated', customer, (current) => {
      current.balance -= back.credit
    })
  }
  credit(store, invoice, () => {
    invoice.amount_due -= note.pre_payment_amount
    invoice.amount_remaining -= note.pre_payment_amount
    invoice.pre_payment_credit_notes_amount += note.pre_payment_amount
    invoice.post_payment_credit_notes_amount += note.post_payment_amount
  })
  return note
}

/** Voids a credit note that reduced the amount due of an open invoice. */
export function voidCreditNote(store: Store, id: string): CreditNote {
  const note = find(store, 'creditNotes', id)
  const invoice = find(store, 'invoices', note.invoice)
  if (note.status === 'void' || note.type !== 'pre_payment' || invoice.status !== 'open') {
    throw invalid('You can only void a credit note of an invoice that is open.')
  }
  note.status = 'void'
  note.voided_at = seconds(store)
  emit(store, 'credit_note.voided', note)
  credit(store, invoice, () => {
    invoice.amount_due += note.amount
    invoice.amount_remaining += note.amount
    invoice.pre_payment_credit_notes_amount -= note.amount
  })
  return note
}

/** The lines of a request: the lines it names, or one line over its amount. */
function linesOf(store: Store, params: Params, invoice: Invoice): CreditNoteLine[] {
  const amount = params.integer('amount')
  const named = params.objects('lines')
  if (params.has('shipping_cost')) throw notCovered('shipping', 'shipping_cost')
  if ((amount === undefined) === (named.length === 0)) {
    if (amount === undefined) throw missing('amount')
    throw invalid('You may only specify one of these parameters: amount, lines.', 'amount')
  }
  if (amount !== undefined)
    return [lineOf({ amount, description: null, quantity: null, unit: null })]
  return named.map((line) => {
    for (const name of ['tax_amounts', 'tax_rates']) {
      if (line.has(name)) throw notCovered('taxes of a credit note’s line', line.name(name))
    }
    line.only([
      ...['amount', 'description', 'invoice_line_item', 'metadata', 'quantity', 'type'],
      ...['unit_amount', 'unit_amount_decimal'],
    ])
    const kind = line.choice('type', ['custom_line_item', 'invoice_line_item'] as const)
    if (kind === undefined) throw missing(line.name('type'))
    return kind === 'custom_line_item' ? customLine(line) : invoiceLine(store, line, invoice)
  })
}

function customLine(line: Params): CreditNoteLine {
  const quantity = line.integer('quantity') ?? 1
  const unit = line.integer('unit_amount')
  if (unit === undefined) throw missing(line.name('unit_amount'))
  const description = line.required('description')
  return lineOf({ amount: unit * quantity, description, quantity, unit })
}

function invoiceLine(store: Store, line: Params, invoice: Invoice): CreditNoteLine {
  const id = line.required('invoice_line_item')
  const own = invoice.lines.data.find((each) => each.id === id)
  if (own === undefined) {
    throw invalid(
      `No such invoice line item: '${id}'`,
      line.name('invoice_line_item'),
      'resource_missing',
    )
  }
  const quantity = line.integer('quantity')
  const unit = Math.round(own.amount / Math.max(1, own.quantity))
  const amount = line.integer('amount') ?? (quantity === undefined ? undefined : unit * quantity)
  if (amount === undefined) throw missing(line.name('amount'))
  const left = own.amount - creditedOf(store, invoice, own)
  if (amount < 1 || amount > left) {
    throw invalid(
      `The line (${amount}) exceeds its remaining amount (${left}).`,
      line.name('amount'),
    )
  }
  const { description } = own
  const discounts = own.discount_amounts.map(({ amount: off, discount }) => ({
    amount: Math.round((off * amount) / own.amount),
    discount,
  }))
  const discount = discounts.reduce((sum, { amount: off }) => sum + off, 0)
  return {
    ...lineOf({
      amount,
      description,
      quantity: quantity ?? null,
      unit: quantity === undefined ? null : unit,
    }),
    type: 'invoice_line_item',
    invoice_line_item: own.id,
    discount_amount: discount,
    discount_amounts: discounts,
    tax_rates: own.tax_rates,
    taxes: taxesOn(amount - discount, own.tax_rates),
  }
}

/** The amount of a line that earlier credit notes took. */
const creditedOf = (store: Store, invoice: Invoice, { id }: InvoiceLine): number =>
  referring(store, 'creditNotes', 'invoice', invoice.id)
    .filter(({ status }) => status !== 'void')
    .flatMap(({ lines }) => lines.data)
    .filter((line) => line.invoice_line_item === id)
    .reduce((sum, line) => sum + line.amount, 0)

const lineOf = ({
  amount,
  description,
  quantity,
  unit,
}: {
  amount: number
  description: string | null
  quantity: number | null
  unit: number | null
}): CreditNoteLine => ({
  id: innerId('cnli_'),
  object: 'credit_note_line_item',
  amount,
  description,
  discount_amount: 0,
  discount_amounts: [],
  livemode: false,
  quantity,
  tax_rates: [],
  taxes: [],
  type: 'custom_line_item',
  unit_amount: unit,
  unit_amount_decimal: unit === null ? null : String(unit),
})

/** How the paid `amount` goes back. @throws `invalid_request` if the parts have another sum */
function backOf(store: Store, params: Params, invoice: Invoice, amount: number): Back {
  const linked = linkedRefunds(store, params, invoice)
  const back: Back = {
    credit: params.integer('credit_amount') ?? 0,
    offStripe: params.integer('out_of_band_amount') ?? 0,
    refund: null,
    linked,
  }
  const refund = params.integer('refund_amount') ?? 0
  const parts = [back.credit, back.offStripe, refund, ...linked.map((one) => one.amount_refunded)]
  const sum = parts.reduce((all, part) => all + part, 0)
  if (parts.some((part) => part < 0) || sum !== amount) {
    throw invalid(
      `The sum of refunds, credit_amount and out_of_band_amount (${sum}) must equal the paid part of the credit note (${amount}).`,
      refund > 0 ? 'refund_amount' : 'credit_amount',
    )
  }
  if (refund > 0) back.refund = { charge: chargeOf(store, invoice, refund), amount: refund }
  return back
}

function linkedRefunds(store: Store, params: Params, invoice: Invoice): CreditNote['refunds'] {
  const single = params.text('refund')
  const named = params.objects('refunds')
  const own = new Set(paymentsOf(store, invoice).map((payment) => payment.payment_intent))
  const link = (id: string, param: string, amount?: number): CreditNote['refunds'][number] => {
    const refund = find(store, 'refunds', id, param)
    if (!own.has(refund.payment_intent)) {
      throw invalid(`The refund ${id} does not belong to a payment of the invoice.`, param)
    }
    const linked = amount ?? refund.amount
    const left = refund.amount - linkedOf(store, invoice, id)
    if (linked < 1 || linked > left) {
      throw invalid(`The refund ${id} has ${left} left for credit notes, not ${linked}.`, param)
    }
    return { refund: id, amount_refunded: linked, type: 'refund' }
  }
  if (single) return [link(single, 'refund')]
  return named.map((each) => {
    each.only(['amount_refunded', 'payment_record_refund', 'refund', 'type'])
    if (each.has('payment_record_refund')) {
      throw notCovered('refunds of payment records', each.name('payment_record_refund'))
    }
    return link(each.required('refund'), each.name('refund'), each.integer('amount_refunded'))
  })
}

/** The amount of a refund that earlier credit notes of the customer's invoices name. */
const linkedOf = (store: Store, { customer }: Invoice, id: string): number =>
  [...store.tables.creditNotes.values()]
    .filter((note) => note.customer === customer && note.status !== 'void')
    .flatMap((note) => note.refunds)
    .reduce((sum, link) => sum + (link.refund === id ? link.amount_refunded : 0), 0)

/** The invoice's charge with at least this much left to refund. */
function chargeOf(store: Store, invoice: Invoice, amount: number): Charge {
  for (const { payment_intent } of [...paymentsOf(store, invoice)].reverse()) {
    const intent = store.tables.paymentIntents.get(payment_intent ?? '')
    const charge = store.tables.charges.get(intent?.latest_charge ?? '')
    if (charge?.paid && charge.amount_captured - charge.amount_refunded >= amount) return charge
  }
  throw invalid('No payment of the invoice has enough left to refund.', 'refund_amount')
}
