/**
 * Rows with amounts of money. A column of an amount is a BIGINT in the database and a number here: twelve digits
 * are the most that Stripe has, and a number holds fifteen exactly. `shapes.ts` takes no amount that it does not
 * hold. So every row with an amount passes `inNumbers` where it is read.
 *
 * @module
 */

import type { Invoice as InvoiceRow, Order as OrderRow, Payment as PaymentRow } from '@repo/db'

const AMOUNTS = ['amount', 'amountDue', 'amountPaid', 'amountRefunded', 'total'] as const

type Amount = (typeof AMOUNTS)[number]

/** A row whose amounts are numbers. */
export type InNumbers<Row> = Row extends object
  ? {
      [Key in keyof Row]: Key extends Amount ? number | Exclude<Row[Key], bigint> : Row[Key]
    }
  : Row

/** What somebody set out to buy, and what became of it. Amounts in minor units. */
export type Order = InNumbers<OrderRow>
/** What Stripe asked for, and what came. Amounts in minor units. */
export type Invoice = InNumbers<InvoiceRow>
/** A one-time payment at Stripe. Amounts in minor units. */
export type Payment = InNumbers<PaymentRow>

/** `row` with its amounts as numbers; null stays null. */
export function inNumbers<Row extends object | null>(row: Row): InNumbers<Row> {
  if (row === null) return row as InNumbers<Row>
  const copy: Record<string, unknown> = { ...row }
  for (const key of AMOUNTS) if (typeof copy[key] === 'bigint') copy[key] = Number(copy[key])
  return copy as InNumbers<Row>
}
