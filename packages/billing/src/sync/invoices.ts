/**
 * Invoices as our own rows, written by `write.ts` alone.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { type Invoice, inNumbers } from '../rows.ts'

/** The owner's invoices, the newest first; drafts, which may still change, are left out. */
export async function listInvoices(ctx: BillingContext, ownerId: string): Promise<Invoice[]> {
  const rows = await ctx.db.invoice.findMany({
    where: { customer: { ownerId }, status: { not: 'draft' } },
    // The provider's times are whole seconds; numbers count on.
    orderBy: [{ createdAt: 'desc' }, { number: 'desc' }],
  })
  return rows.map(inNumbers)
}
