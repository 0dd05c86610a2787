/**
 * The stand-in's memory. Handlers run to their end without awaiting, so each request is atomic. A snapshot is
 * plain JSON and contains everything, so a restart loses nothing.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import type { Clock } from '@repo/core'
import type { DeliveryRecord } from '../../deliveries.ts'
import { defaultFeatures } from '../checkout/portal-objects.ts'
import type { Price } from './base-objects.ts'
import { copy, isSame } from './copy.ts'
import { noSuch } from './errors.ts'
import { addRow, createIndex, moveRow, removeRow, type TableIndex } from './indexes.ts'
import type {
  Charge,
  CheckoutSession,
  Coupon,
  CreditNote,
  Customer,
  Discount,
  Dispute,
  EventRecord,
  Invoice,
  InvoicePayment,
  PaymentIntent,
  PaymentMethod,
  PortalConfiguration,
  PortalSession,
  Product,
  PromotionCode,
  Refund,
  Subject,
  Subscription,
  SubscriptionSchedule,
  TaxRate,
  WebhookEndpoint,
} from './objects.ts'
import { defaultSettings, type StripeSettings } from './settings.ts'

/** The record types by table name. */
export interface Tables {
  charges: Charge
  coupons: Coupon
  creditNotes: CreditNote
  customers: Customer
  discounts: Discount
  disputes: Dispute
  endpoints: WebhookEndpoint
  events: EventRecord
  invoicePayments: InvoicePayment
  invoices: Invoice
  paymentIntents: PaymentIntent
  paymentMethods: PaymentMethod
  portalConfigurations: PortalConfiguration
  portalSessions: PortalSession
  prices: Price
  products: Product
  promotionCodes: PromotionCode
  refunds: Refund
  schedules: SubscriptionSchedule
  sessions: CheckoutSession
  subscriptions: Subscription
  taxRates: TaxRate
}

export type TableName = keyof Tables

/** For each table: Stripe's name of a record in errors, and the prefix of its ids. */
const kinds: { [Name in TableName]: { noun: string; prefix: string } } = {
  charges: { noun: 'charge', prefix: 'ch_' },
  coupons: { noun: 'coupon', prefix: 'co_' },
  creditNotes: { noun: 'credit note', prefix: 'cn_' },
  customers: { noun: 'customer', prefix: 'cus_' },
  discounts: { noun: 'discount', prefix: 'di_' },
  disputes: { noun: 'dispute', prefix: 'du_' },
  endpoints: { noun: 'webhook endpoint', prefix: 'we_' },
  events: { noun: 'event', prefix: 'evt_' },
  invoicePayments: { noun: 'invoice_payment', prefix: 'inpay_' },
  invoices: { noun: 'invoice', prefix: 'in_' },
  paymentIntents: { noun: 'payment_intent', prefix: 'pi_' },
  paymentMethods: { noun: 'PaymentMethod', prefix: 'pm_' },
  portalConfigurations: { noun: 'configuration', prefix: 'bpc_' },
  portalSessions: { noun: 'portal session', prefix: 'bps_' },
  prices: { noun: 'price', prefix: 'price_' },
  products: { noun: 'product', prefix: 'prod_' },
  promotionCodes: { noun: 'promotion code', prefix: 'promo_' },
  refunds: { noun: 'refund', prefix: 're_' },
  schedules: { noun: 'subscription schedule', prefix: 'sub_sched_' },
  sessions: { noun: 'checkout.session', prefix: 'cs_' },
  subscriptions: { noun: 'subscription', prefix: 'sub_' },
  taxRates: { noun: 'tax rate', prefix: 'txr_' },
}

/** The references by which a table is indexed. */
const references: { [Name in TableName]?: readonly (keyof Tables[Name] & string)[] } = {
  charges: ['customer', 'payment_intent'],
  creditNotes: ['customer', 'invoice'],
  disputes: ['charge', 'payment_intent'],
  events: ['type'],
  invoicePayments: ['invoice', 'payment_intent'],
  invoices: ['customer', 'payment_intent', 'subscription'],
  paymentIntents: ['customer'],
  paymentMethods: ['customer'],
  promotionCodes: ['coupon', 'customer'],
  refunds: ['charge', 'payment_intent'],
  schedules: ['customer'],
  sessions: ['customer', 'payment_intent', 'subscription'],
  subscriptions: ['customer'],
}

/** The response kept under an idempotency key. */
export interface KeptAnswer {
  /** A hash of the path and the parameters. */
  fingerprint: string
  /** The HTTP status. */
  status: number
  /** The JSON text. */
  body: string
  /** The `Request-Id` of the response. */
  requestId: string
  /** Wall time in milliseconds; a response is kept for 24 hours. */
  at: number
}

/** The whole state of the stand-in as JSON. */
export interface StripeSnapshot {
  version: 1
  /** The objects of each kind. */
  tables: { [Name in TableName]: Tables[Name][] }
  /** The answers that are kept under idempotency keys. */
  answers: [key: string, answer: KeptAnswer][]
  /** Every delivery, the oldest first. */
  deliveries: DeliveryRecord[]
}

/** The memory of a stand-in: its tables, indexes and clock. */
export interface Store {
  readonly clock: Clock
  settings: StripeSettings
  tables: { [Name in TableName]: Map<string, Tables[Name]> }
  indexes: { [Name in TableName]: TableIndex<Tables[Name]> }
  /** The oldest first. */
  answers: Map<string, KeptAnswer>
  /** The origin of the hosted pages, without a trailing slash. */
  origin: string
  /** The account's version, for requests and endpoints without their own. */
  apiVersion: string
  /** The current API request, which caused the events; null on a page. */
  request: EventRecord['request']
  /** Called for each event when it happens. */
  onEvent(event: EventRecord): void
}

export function createStore(options: {
  clock: Clock
  apiVersion: string
  settings?: Partial<StripeSettings>
  onEvent(event: EventRecord): void
}): Store {
  return {
    ...options,
    settings: { ...defaultSettings, ...options.settings },
    tables: emptyTables(),
    indexes: emptyIndexes(),
    answers: new Map(),
    origin: 'http://127.0.0.1',
    request: { id: null, idempotency_key: null },
  }
}

function emptyTables(): Store['tables'] {
  const tables = Object.fromEntries(Object.keys(kinds).map((name) => [name, new Map()]))
  return tables as Store['tables']
}

function emptyIndexes(): Store['indexes'] {
  const names = Object.keys(kinds) as TableName[]
  const indexes = names.map((name) => [name, createIndex(references[name] ?? [])])
  return Object.fromEntries(indexes) as Store['indexes']
}

/** Now in whole Unix seconds of the store's clock. */
export const seconds = (store: Store): number => Math.floor(store.clock.now().getTime() / 1000)

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** `length` random letters and digits. */
export function randomText(length: number): string {
  return [...randomBytes(length)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('')
}

/** A new id of the table, such as `cus_…`. */
export function newId(table: TableName): string {
  if (table === 'coupons') return randomText(8)
  if (table === 'sessions') return `cs_test_${randomText(58)}`
  return `${kinds[table].prefix}${randomText(table === 'customers' ? 14 : 24)}`
}

/** Stores `record` under its id. */
export function insert<Name extends TableName>(
  store: Store,
  table: Name,
  record: Tables[Name],
): Tables[Name] {
  store.tables[table].set(record.id, record)
  addRow(store.indexes[table], record)
  return record
}

/** Removes a record. */
export function remove<Name extends TableName>(store: Store, table: Name, id: string): void {
  const record = store.tables[table].get(id)
  if (record === undefined) return
  store.tables[table].delete(id)
  removeRow(store.indexes[table], record)
}

/** Sets an indexed reference. A plain assignment would not update the index. */
export function refer<Name extends TableName, Key extends keyof Tables[Name] & string>(
  store: Store,
  table: Name,
  record: Tables[Name],
  key: Key,
  value: Tables[Name][Key],
): void {
  const before = record[key]
  if (before === value) return
  record[key] = value
  moveRow(store.indexes[table], record, key, typeof before === 'string' ? before : null)
}

/** The records whose reference `key` is `value`, the oldest first. */
export const referring = <Name extends TableName>(
  store: Store,
  table: Name,
  key: keyof Tables[Name] & string,
  value: string,
): readonly Tables[Name][] => store.indexes[table].by.get(key)?.get(value) ?? []

/** A record by id. @throws `resource_missing`: 404 for `param` `id`, else 400 with that parameter's name. */
export function find<Name extends TableName>(
  store: Store,
  table: Name,
  id: string,
  param = 'id',
): Tables[Name] {
  const record = store.tables[table].get(id)
  if (record === undefined) throw noSuch(kinds[table].noun, id, param)
  return record
}

/** All records of a table, the newest first. */
export const newestFirst = <Name extends TableName>(store: Store, table: Name): Tables[Name][] =>
  store.indexes[table].rows.toReversed()

const byPrefix = (Object.keys(kinds) as TableName[]).sort(
  (one, other) => kinds[other].prefix.length - kinds[one].prefix.length,
)

/** The table of an id, by its prefix; undefined if no table has that prefix. */
export function tableOf(id: string): TableName | undefined {
  // The longest prefix counts: a schedule's id begins like a subscription's.
  return byPrefix.find((name) => id.startsWith(kinds[name].prefix))
}

/** Records an event about `subject`, with its current state. */
export function emit(store: Store, type: string, subject: Subject, before?: Subject): void {
  const event: EventRecord = {
    id: newId('events'),
    object: 'event',
    created: seconds(store),
    livemode: false,
    type,
    subject: copy(subject),
    before: before ?? null,
    request: { ...store.request },
  }
  insert(store, 'events', event)
  store.onEvent(event)
}

/**
 * Changes `record` and emits `type` with the previous values. Without a change nothing is emitted, as on
 * Stripe.
 */
export function change<Record extends Subject>(
  store: Store,
  type: string,
  record: Record,
  apply: (record: Record) => void,
): Record {
  const before = copy(record)
  apply(record)
  if (!isSame(before, record)) emit(store, type, record, before)
  return record
}

/** The state as JSON values that are independent of the store. */
export function snapshotStore(store: Store): Omit<StripeSnapshot, 'deliveries'> {
  const tables = Object.fromEntries(
    Object.entries(store.tables).map(([name, rows]) => [name, [...rows.values()]]),
  )
  return copy({
    version: 1,
    tables: tables as unknown as StripeSnapshot['tables'],
    answers: [...store.answers],
  })
}

/** Replaces the whole content of the store by a snapshot. */
export function restoreStore(store: Store, snapshot: StripeSnapshot): void {
  store.tables = emptyTables()
  store.indexes = emptyIndexes()
  for (const name of Object.keys(kinds) as TableName[]) fill(store, name, snapshot.tables[name])
  store.answers = new Map(copy(snapshot.answers))
  for (const configuration of store.indexes.portalConfigurations.rows) {
    // In older snapshots features had no effect, and every configuration had those of a new account.
    if (!('subscription_pause' in configuration.features))
      configuration.features = defaultFeatures()
  }
  for (const { subscription_data, line_items } of store.indexes.sessions.rows) {
    subscription_data.default_tax_rates ??= []
    for (const item of line_items.data) item.tax_rates ??= []
  }
  addPayments(store)
}

/** In older snapshots payments of invoices had no records: each invoice gets one payment, its intent. */
function addPayments(store: Store): void {
  for (const invoice of store.indexes.invoices.rows) {
    const { id, payment_intent, created, currency, status, amount_due, status_transitions } =
      invoice
    invoice.amount_overpaid ??= 0
    invoice.automatically_finalizes_at ??= null
    invoice.paid_off_stripe ??= 0
    invoice.automatic_tax ??= { enabled: false, liability: null, status: null }
    invoice.total_taxes ??= []
    for (const line of invoice.lines.data) {
      line.taxes ??= []
      line.tax_rates ??= []
    }
    invoice.post_payment_credit_notes_amount ??= 0
    invoice.pre_payment_credit_notes_amount ??= 0
    if (payment_intent === null || referring(store, 'invoicePayments', 'invoice', id).length > 0)
      continue
    insert(store, 'invoicePayments', {
      id: `inpay_${payment_intent.slice(3)}`,
      object: 'invoice_payment',
      created,
      livemode: false,
      amount_paid: status === 'paid' ? amount_due : null,
      amount_requested: amount_due,
      currency,
      invoice: id,
      is_default: true,
      payment_intent,
      payment_record: null,
      status: status === 'paid' ? 'paid' : status === 'void' ? 'canceled' : 'open',
      status_transitions: {
        canceled_at: status_transitions.voided_at,
        paid_at: status_transitions.paid_at,
      },
    })
  }
}

function fill<Name extends TableName>(
  store: Store,
  name: Name,
  records: Tables[Name][] | undefined,
): void {
  for (const record of copy(records ?? [])) insert(store, name, record)
}

/** A new id for a part of a record; `prefix` is for instance `si_` or `il_`. */
export const innerId = (prefix: string): string => `${prefix}${randomText(24)}`
