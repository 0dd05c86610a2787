/**
 * The records of the Creem stand-in, in the form of Creem's API.
 *
 * @see https://docs.creem.io/api-reference/introduction
 * @module
 */

import { randomBytes } from 'node:crypto'
import type { Clock } from '@repo/core'

interface Entity {
  id: string
  object: string
  mode: 'test'
}

/** Times are ISO 8601 here, and milliseconds in transactions, refunds, disputes and events. */
interface Dated extends Entity {
  created_at: string
  updated_at: string
}

export type BillingPeriod = 'once' | 'every-month' | 'every-year'

export interface CreemProduct extends Dated {
  object: 'product'
  name: string
  description: string
  /** In minor units. */
  price: number
  currency: 'EUR' | 'USD'
  billing_type: 'onetime' | 'recurring'
  billing_period: BillingPeriod
  status: 'active' | 'archived'
  tax_mode: 'exclusive'
  tax_category: 'saas'
  default_success_url: string | null
}

export interface CreemCustomer extends Dated {
  object: 'customer'
  email: string
  name: string | null
  country: string
}

export interface CreemOrder extends Dated {
  object: 'order'
  customer: string
  product: string
  amount: number
  amount_paid: number
  currency: string
  status: 'paid'
  type: 'onetime' | 'recurring'
}

export interface CreemTransaction extends Entity {
  object: 'transaction'
  amount: number
  amount_paid: number
  currency: string
  type: 'payment' | 'invoice'
  tax_amount: number
  status: 'paid' | 'refunded' | 'partialRefund' | 'chargedBack'
  refunded_amount: number
  order: string
  subscription: string | null
  customer: string
  description: string
  period_start?: number
  period_end?: number
  created_at: number
}

export interface CreemSubscription extends Dated {
  object: 'subscription'
  product: string
  customer: string
  order: string
  collection_method: 'charge_automatically'
  status: 'active' | 'past_due' | 'scheduled_cancel' | 'canceled'
  last_transaction_id: string
  last_transaction_date: string
  next_transaction_date: string | null
  current_period_start_date: string
  current_period_end_date: string
  canceled_at: string | null
  metadata: Record<string, unknown>
}

export interface CreemCheckout extends Entity {
  object: 'checkout'
  status: 'pending' | 'completed' | 'expired'
  request_id: string | null
  product: string
  units: number
  custom_price: number | null
  /** The buyer's data that the request prefilled. */
  buyer: { id?: string; email?: string }
  success_url: string | null
  metadata: Record<string, unknown>
  order: string | null
  customer: string | null
  subscription: string | null
  created: number
}

export interface CreemEvent {
  id: string
  eventType: string
  created_at: number
  object: Record<string, unknown>
}

/** The stand-in's tables: its whole state except deliveries. */
export interface CreemTables {
  products: CreemProduct[]
  customers: CreemCustomer[]
  checkouts: CreemCheckout[]
  orders: CreemOrder[]
  transactions: CreemTransaction[]
  subscriptions: CreemSubscription[]
  events: CreemEvent[]
  /** The customer of each portal link, by its token. */
  portals: { token: string; customer: string }[]
}

/** The stand-in's state and clock. */
export interface CreemStore {
  clock: Clock
  origin: string
  tables: CreemTables
  /** Called for each new event. */
  onEvent(event: CreemEvent): void
}

export const emptyTables = (): CreemTables => ({
  products: [],
  customers: [],
  checkouts: [],
  orders: [],
  transactions: [],
  subscriptions: [],
  events: [],
  portals: [],
})

export const newId = (prefix: string): string => `${prefix}_${randomBytes(11).toString('hex')}`

/** `created_at` and `updated_at`, both set to now. */
export function dated(store: CreemStore): { mode: 'test'; created_at: string; updated_at: string } {
  const now = store.clock.now().toISOString()
  return { mode: 'test', created_at: now, updated_at: now }
}

type Table = Exclude<keyof CreemTables, 'portals'>

const WHAT: Record<Table, string> = {
  products: 'Product',
  customers: 'Customer',
  checkouts: 'Checkout',
  orders: 'Order',
  transactions: 'Transaction',
  subscriptions: 'Subscription',
  events: 'Event',
}

/** @throws `CreemApiError` 404. */
export function find<Name extends Table>(
  store: CreemStore,
  table: Name,
  id: unknown,
): CreemTables[Name][number] {
  const rows: readonly CreemTables[Name][number][] = store.tables[table]
  const row = rows.find((each) => each.id === id)
  if (row) return row
  throw new CreemApiError(404, `${WHAT[table]} not found`)
}

/** An error that Creem's API answers. */
export class CreemApiError extends Error {
  override readonly name = 'CreemApiError'
  readonly status: 400 | 403 | 404

  constructor(status: 400 | 403 | 404, message: string) {
    super(message)
    this.status = status
  }
}
