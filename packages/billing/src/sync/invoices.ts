/**
 * Reads invoices from our own rows, which `write.ts` writes.
 *
 * @module
 */

import type { Invoice as InvoiceRow } from '@repo/db'
import type { BillingContext } from '../context.ts'
import { customerIdOf } from '../customers/customer-id.ts'
import { endOf, following, PAGE, type PageOptions, type Sorting } from '../page.ts'
import { type Invoice, inNumbers } from '../rows.ts'

const NEWEST_FIRST: Sorting<InvoiceRow> = [
  ['createdAt', 'desc'],
  // The provider's times are whole seconds, so the number decides between invoices of one second.
  ['number', 'desc'],
  ['id', 'desc'],
]

/**
 * The owner's invoices, the newest first; drafts, which may still change, are left out.
 * The contract is in `functions/subscriptions.ts`.
 */
export async function listInvoices(
  ctx: BillingContext,
  ownerId: string,
  { limit = PAGE, after }: PageOptions = {},
): Promise<Invoice[]> {
  const customerId = await customerIdOf(ctx, ownerId)
  const ofOwner = { customerId: customerId ?? '', status: { not: 'draft' } }
  const last = await endOf(after, "one of the owner's invoices", (id) =>
    ctx.db.invoice.findFirst({ where: { ...ofOwner, id } }),
  )
  const { where, orderBy } = following<InvoiceRow>(NEWEST_FIRST, last)
  const rows = await ctx.db.invoice.findMany({
    where: { ...ofOwner, ...where },
    orderBy,
    take: limit,
  })
  return rows.map(inNumbers)
}
