/**
 * The API of invoices and their payments.
 *
 * @module
 */

import { resolveCard } from '../customers/payment-methods.ts'
import { type Call, type Endpoint, LIST_PARAMS, listTable, page } from '../server/endpoint.ts'
import { invalid, notCovered } from '../server/errors.ts'
import type { Invoice, PaymentMethod } from '../server/objects.ts'
import { change, find, referring, type Store, seconds } from '../server/store.ts'
import { openPayment, paymentsOf } from './invoice-payments.ts'
import {
  chargeInvoice,
  defaultCard,
  finalize,
  markUncollectible,
  payOffStripe,
  recordIntent,
  voidInvoice,
} from './invoices.ts'

function pay({ store, params, id }: Call): Invoice {
  const invoice = find(store, 'invoices', id)
  if (invoice.paid) throw invalid('Invoice is already paid')
  // A draft is finalized before it is paid.
  if (invoice.status === 'draft') finalize(store, invoice)
  if (invoice.status !== 'open' && invoice.status !== 'uncollectible') {
    if (invoice.paid) return invoice
    throw invalid(`You cannot pay an invoice that is ${invoice.status}.`)
  }
  const named = params.text('payment_method')
  if (params.flag('paid_out_of_band')) {
    if (named) {
      const message =
        'You may only specify one of these parameters: paid_out_of_band, payment_method.'
      throw invalid(message, 'paid_out_of_band')
    }
    payOffStripe(store, invoice)
    return invoice
  }
  const card = named ? resolveCard(store, named, 'payment_method') : cardFor(store, invoice)
  const refused = chargeInvoice(store, invoice, card)
  if (refused !== null) throw refused
  return invoice
}

function cardFor(store: Store, invoice: Invoice): PaymentMethod | null {
  const subscription = store.tables.subscriptions.get(invoice.subscription ?? '')
  return defaultCard(store, invoice.customer, subscription)
}

/** Attaches a payment to an open invoice. A payment that already succeeded is credited at once. */
function attachPayment({ store, params, id }: Call): Invoice {
  const invoice = find(store, 'invoices', id)
  if (params.has('payment_record')) throw notCovered('payment records', 'payment_record')
  const intent = find(store, 'paymentIntents', params.required('payment_intent'), 'payment_intent')
  requireStatus(invoice, ['open'], 'attach a payment to')
  const refuse = (why: string): never => {
    throw invalid(`The PaymentIntent ${intent.id} ${why}.`, 'payment_intent')
  }
  if (intent.customer !== invoice.customer) refuse("is not of the invoice's customer")
  if (intent.currency !== invoice.currency) refuse("is not in the invoice's currency")
  if (intent.status === 'canceled') refuse('is canceled')
  const isAttached = paymentsOf(store, invoice).some((one) => one.payment_intent === intent.id)
  if (isAttached) refuse('is attached to the invoice already')
  // What a succeeded payment has beyond its first invoice has gone to the customer's balance.
  const others = referring(store, 'invoicePayments', 'payment_intent', intent.id)
  if (intent.status === 'succeeded' && others.length > 0) {
    refuse(`has paid the invoice ${others[0]?.invoice}, and nothing of it is left`)
  }
  openPayment(store, invoice, { intent, isDefault: false })
  recordIntent(store, intent)
  return invoice
}

/** @throws `invalid_request` if the invoice has none of the statuses that allow `act`. */
function requireStatus(invoice: Invoice, statuses: Invoice['status'][], act: string): void {
  if (statuses.includes(invoice.status)) return
  throw invalid(
    `You can only ${act} an invoice that is ${statuses.join(' or ')}. This invoice is ${invoice.status}.`,
  )
}

function finalizeFromCall({ store, params, id }: Call): Invoice {
  const invoice = find(store, 'invoices', id)
  requireStatus(invoice, ['draft'], 'finalize')
  invoice.auto_advance = params.flag('auto_advance') ?? invoice.auto_advance
  finalize(store, invoice)
  return invoice
}

function updateFromCall({ store, params, id }: Call): Invoice {
  const invoice = find(store, 'invoices', id)
  const metadata = params.metadata(invoice.metadata)
  const advances = params.flag('auto_advance')
  const isLater = invoice.status !== 'draft' && invoice.status !== 'open'
  if (advances && isLater)
    throw invalid(`You cannot advance an invoice that is ${invoice.status}.`, 'auto_advance')
  if (params.has('description')) requireStatus(invoice, ['draft'], 'describe')
  return change(store, 'invoice.updated', invoice, (current) => {
    current.metadata = metadata
    if (params.has('description')) current.description = params.text('description') ?? null
    if (advances === undefined) return
    current.auto_advance = advances
    if (current.status !== 'draft') return
    current.automatically_finalizes_at = advances ? seconds(store) + 3600 : null
  })
}

/** Every invoice here belongs to a subscription, and such an invoice is voided and never deleted. */
function refuseDelete({ store, id }: Call): never {
  const { status } = find(store, 'invoices', id)
  if (status !== 'draft') throw invalid('You can only delete draft invoices.')
  throw invalid("You cannot delete a subscription's invoice. Finalize it, then void it.")
}

function voidFromCall({ store, id }: Call): Invoice {
  const invoice = find(store, 'invoices', id)
  requireStatus(invoice, ['open', 'uncollectible'], 'void')
  voidInvoice(store, invoice)
  return invoice
}

function giveUpFromCall({ store, id }: Call): Invoice {
  const invoice = find(store, 'invoices', id)
  requireStatus(invoice, ['open'], 'mark as uncollectible')
  markUncollectible(store, invoice)
  return invoice
}

function listPayments(call: Call): object {
  const payment = call.params.object('payment')
  payment?.only(['payment_intent', 'type'])
  const kinds = ['payment_intent'] as const
  if (payment) payment.choice('type', kinds)
  return listTable(call, 'invoicePayments', '/v1/invoice_payments', undefined, {
    invoice: call.params.text('invoice'),
    payment_intent: payment?.text('payment_intent'),
    status: call.params.choice('status', ['canceled', 'open', 'paid'] as const),
  })
}

export const invoiceEndpoints: Endpoint[] = [
  {
    method: 'GET',
    path: '/v1/invoices',
    params: [...LIST_PARAMS, 'customer', 'status', 'subscription'],
    run(call) {
      const customer = call.params.text('customer')
      const status = call.params.text('status')
      const subscription = call.params.text('subscription')
      // The subscription comes first, because it is the narrower index.
      return listTable(call, 'invoices', '/v1/invoices', undefined, {
        subscription,
        customer,
        status,
      })
    },
  },
  { method: 'GET', path: '/v1/invoices/:id', run: ({ store, id }) => find(store, 'invoices', id) },
  {
    method: 'GET',
    path: '/v1/invoices/:id/lines',
    params: LIST_PARAMS,
    run(call) {
      const { lines } = find(call.store, 'invoices', call.id)
      return page(call, lines.data, lines.url)
    },
  },
  {
    method: 'POST',
    path: '/v1/invoices/:id/pay',
    params: ['paid_out_of_band', 'payment_method'],
    ignored: ['off_session'],
    run: pay,
  },
  {
    method: 'POST',
    path: '/v1/invoices/:id',
    params: ['auto_advance', 'description', 'metadata'],
    run: updateFromCall,
  },
  { method: 'DELETE', path: '/v1/invoices/:id', run: refuseDelete },
  {
    method: 'POST',
    path: '/v1/invoices/:id/finalize',
    params: ['auto_advance'],
    run: finalizeFromCall,
  },
  { method: 'POST', path: '/v1/invoices/:id/void', run: voidFromCall },
  { method: 'POST', path: '/v1/invoices/:id/mark_uncollectible', run: giveUpFromCall },
  {
    method: 'POST',
    path: '/v1/invoices/:id/attach_payment',
    params: ['payment_intent', 'payment_record'],
    run: attachPayment,
  },
  {
    method: 'GET',
    path: '/v1/invoice_payments',
    params: [...LIST_PARAMS, 'invoice', 'payment', 'status'],
    run: listPayments,
  },
  {
    method: 'GET',
    path: '/v1/invoice_payments/:id',
    run: ({ store, id }) => find(store, 'invoicePayments', id),
  },
]
