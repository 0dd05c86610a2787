/**
 * Reads invoices from our own rows, which only `write.ts` writes.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'
import { type Invoice, inNumbers } from '../rows.ts'

/**
 * The owner's invoices, the newest first; drafts, which may still change, are left out.
 * The contract is in `functions/subscriptions.ts`.
 */
export async function listInvoices(ctx: BillingContext, ownerId: string): Promise<Invoice[]> {
  const rows = await ctx.db.invoice.findMany({
    where: { customer: { ownerId }, status: { not: 'draft' } },
    // The provider's times are whole seconds, so the number decides between invoices of one second.
    orderBy: [{ createdAt: 'desc' }, { number: 'desc' }],
  })
  return rows.map(inNumbers)
}
