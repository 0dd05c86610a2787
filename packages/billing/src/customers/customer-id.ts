/**
 * Finds a customer's row by its owner. A list of one customer's rows filters by this id, because PostgreSQL then reads
 * a page of an index in its order; through a join it would read and sort all rows of the customer.
 *
 * @module
 */

import type { BillingContext } from '../context.ts'

/** The id of the owner's customer. Null: billing does not know the owner. */
export async function customerIdOf(
  { db }: Pick<BillingContext, 'db'>,
  ownerId: string,
): Promise<string | null> {
  const customer = await db.customer.findUnique({ where: { ownerId }, select: { id: true } })
  return customer?.id ?? null
}
