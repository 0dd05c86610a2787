/**
 * Rows with amounts of money. An amount is a BIGINT in the database and a number in JavaScript. Stripe's longest
 * amounts have twelve digits, a number holds fifteen exactly, and `shapes.ts` refuses amounts that a number does not
 * hold. Every row with an amount passes `inNumbers` where it is read.
 *
 * @module
 */

import type {
  Booking as BookingRow, // #calcom
  Customer as CustomerRow,
  Invoice as InvoiceRow,
  Order as OrderRow,
  Payment as PaymentRow,
  WebhookEvent as WebhookEventRow,
} from '@repo/db'

const AMOUNTS = [
  'amount',
  'amountDue',
  'amountPaid',
  'amountRefunded',
  'amountDisputed',
  'total',
] as const

type Amount = (typeof AMOUNTS)[number]

/** A row whose amounts are numbers. */
export type InNumbers<Row> = Row extends object
  ? {
      [Key in keyof Row]: Key extends Amount ? number | Exclude<Row[Key], bigint> : Row[Key]
    }
  : Row

// Interfaces, so that editors and built types show the name and the fields' documentation.

/** An owner's purchase of a product, from its start to its last refund. Amounts in minor units. */
export interface Order extends InNumbers<OrderRow> {}
/** A Stripe invoice: the amount due and the amount paid. Amounts in minor units. */
export interface Invoice extends InNumbers<InvoiceRow> {}
/** A one-time payment at Stripe. Amounts in minor units. */
export interface Payment extends InNumbers<PaymentRow> {}
/** An owner at a payment provider. */
export interface Customer extends CustomerRow {}
// #region calcom
/** A Cal.com meeting with its reschedules. */
export interface Booking extends BookingRow {}
// #endregion
/** A provider's webhook as it was stored. */
export interface WebhookEvent extends WebhookEventRow {}

/** A copy of `row` with its amounts as numbers; null stays null. */
export function inNumbers<Row extends object | null>(row: Row): InNumbers<Row> {
  if (row === null) return row as InNumbers<Row>
  const copy: Record<string, unknown> = { ...row }
  for (const key of AMOUNTS) if (typeof copy[key] === 'bigint') copy[key] = Number(copy[key])
  return copy as InNumbers<Row>
}
